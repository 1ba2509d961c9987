--- Workers that send nonsense where shared objects are asked for: the parent and other workers live on.
-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local cell = require("spec.shared.modules.cell")
local fiber = require("aimp.fiber")
local hub = require("spec.shared.hub_support")
local protocol = require("aimp.shared.queue.protocol")
local raw = require("spec.shared.modules.raw")
local remote = require("spec.shared.remote_support")
local stubs = require("aimp.shared.stubs")
local support = require("spec.pool.support")

local eventually = support.eventually

-- body(pool, bad, good): functions that call fn(...) in the first worker, and in the second. Afterwards both
-- workers still serve, and nothing was reported as a fault of aimp's own.
local function with_workers(name, body)
  it(name, support.pooled({ processes = 2 }, function(pool)
    local by, faults, on_error = remote.by_worker(pool), {}, fiber.on_error
    fiber.on_error = function(err) faults[#faults + 1] = tostring(err) end
    local function bad(fn, ...) return by(1, fn, ...):await() end
    local function good(fn, ...) return by(2, fn, ...):await() end
    local pids = support.pids(pool)
    local ok, err = pcall(body, pool, bad, good)
    local shared = cell.new("sound")
    local served, values = pcall(function()
      return { bad(shared.get, shared), good(shared.get, shared), bad(shared.wait_echo, shared, 1),
        good(shared.wait_echo, shared, 2) }
    end)
    fiber.on_error = on_error
    if not ok then error(err, 0) end
    if not served then error(values, 0) end
    assert.same({ "sound", "sound", 1, 2 }, values)
    assert.same({}, faults)
    assert.same(pids, support.pids(pool))
  end))
end

-- Sends frames about the object, whose number and ops are filled in.
local function send(object, frames)
  for _, frame in ipairs(frames) do
    frame.number = frame.number or raw.number_of(object)
    frame.op = type(frame.op) == "string" and raw.op_of(object, frame.op) or frame.op
  end
  raw.ask(frames)
end

local junk = { "", "\0", "\255\255\255\255", "\7", ("\6"):rep(9), ("\8\255\255\255\127"):rep(3),
  ("x"):rep(5000) }

describe("frames of a broken worker", function()
  with_workers("about unknown objects and with unknown operations", function(_, bad)
    local shared = cell.new(1)
    bad(function(object)
      local frames = {}
      local ops = { 0, 1, 2, 3, 4, 5, 6, 15, 16, 17, 127, 128, 129, 255, 2 ^ 31, 2 ^ 32 - 1 }
      for _, op in ipairs(ops) do
        for _, number in ipairs({ 0, 12345, 2 ^ 31, 2 ^ 32 - 1 }) do
          frames[#frames + 1] = { op = op, number = number, request = 7000, aux = 5, cell = 3 }
        end
      end
      for _, op in ipairs({ 0, 6, 15, 50, 127, 128, 255, 2 ^ 32 - 1 }) do
        frames[#frames + 1] = { op = op, number = raw.number_of(object), request = 7000 }
      end
      raw.ask(frames)
    end, shared)
    assert.equal(1, shared:get())
  end)

  with_workers("whose arguments do not decode, or are too many", function(_, bad, good)
    local shared = cell.new("old")
    bad(function(object)
      local frames = {}
      for _, data in ipairs(junk) do
        for _, format in ipairs({ 0, 1, 2, 15, 16, 255 }) do
          for _, n in ipairs({ 0, 1, 2, 7, 6999, 2 ^ 24 - 1 }) do
            for _, op in ipairs({ "next", "take", "fail" }) do
              frames[#frames + 1] = { op = op, request = 5000 + #frames, aux = 1,
                tag = format + n * 256, data = data }
            end
          end
        end
      end
      send(object, frames)
    end, shared)
    assert.equal("old", good(shared.get, shared))
    shared:set("new")
  end)

  with_workers("that cancel, read, detach and are done with what never was", function(pool, bad, good)
    local shared, queue = cell.new(), aimp.Queue()
    queue:put(1)
    bad(function(object, items)
      items:size()
      local frames = {}
      for i = 1, 200 do
        frames[#frames + 1] = { op = 3, request = i * 7919 }           -- CANCEL
        frames[#frames + 1] = { op = 4, request = i * 7919, aux = 1 }  -- READ: refused
        frames[#frames + 1] = { op = 2, number = 100000 + i }          -- DETACH
        frames[#frames + 1] = { op = 5, cell = i, generation = i }     -- DONE_PERMIT
      end
      send(object, frames)
    end, shared, queue)
    assert.equal(1, good(queue.get, queue))
    assert.equal(0, hub.count(pool, "requests"))
    queue:put(2)
    assert.equal(2, bad(queue.get, queue))
  end)

  with_workers("that let go of an object more often than they had it", function(_, bad, good)
    local shared = cell.new(5)
    assert.equal("CLOSED", bad(function(object)
      send(object, { { op = stubs.DETACH }, { op = stubs.DETACH } })
      local _, err = pcall(object.get, object)
      return err.code
    end, shared))
    assert.equal(1, shared._core.gone)
    assert.equal(5, good(shared.get, shared))
  end)

  with_workers("that use a request's number again while it waits", function(pool, bad, good)
    local shared = cell.new()
    bad(function(object)
      local frames = {}
      for i = 1, 50 do
        frames[i] = { op = "next", request = 4000 }
      end
      send(object, frames)
    end, shared)
    support.settle(pool)
    assert.equal(1, shared:waiters()) -- the others are refused, as nobody could cancel them
    local waiting = aimp.spawn(good, shared.next, shared)
    eventually(function() return shared:waiters() == 2 end, "two wait")
    shared:set("first")
    assert.equal("first", waiting:await())
    bad(function(object)
      send(object, { { op = "next", request = 4000 }, { op = "next", request = 4000 } })
    end, shared)
    eventually(function() return shared:waiters() == 1 end, "one waits")
    bad(function(object) send(object, { { op = stubs.CANCEL, request = 4000 } }) end, shared)
    eventually(function() return shared:waiters() == 0 end, "none waits")
    assert.equal(0, hub.count(pool, "requests"))
  end)

  with_workers("that ask for thousands of objects that do not exist", function(pool, bad)
    bad(raw.ask, { { op = stubs.ATTACH, number = 1000000, times = 20000 } })
    support.settle(pool)
    collectgarbage()
    local before = collectgarbage("count")
    bad(raw.ask, { { op = stubs.ATTACH, number = 2000000, times = 60000 } })
    support.settle(pool)
    assert.is_true(hub.count(pool, "attached") <= 1)
    collectgarbage()
    local more = collectgarbage("count") - before
    assert.is_true(more < 500, ("%d KiB for 60000 frames"):format(more))
  end)
end)

describe("a queue", function()
  -- What sound workers and the parent do with the queue goes on.
  local function assert_sound(queue, good)
    for i = 1, 20 do
      queue:put(i)
      assert.equal(i, good(queue.get, queue))
      good(queue.put, queue, -i)
      assert.equal(-i, queue:get())
    end
  end

  for _, maxsize in ipairs({ 0, 5 }) do
    with_workers("takes nothing that does not decode or has no place: " .. maxsize, function(_, bad, good)
      local queue = aimp.Queue({ maxsize = maxsize })
      bad(function(object)
        object:size()
        local frames = {}
        for _, data in ipairs(junk) do
          for _, tag in ipairs({ 0, 1, 2, 16, 255, 256, 257, 258, 512, 2 ^ 32 - 1 }) do
            frames[#frames + 1] = { op = protocol.PUT, tag = tag, data = data, cell = 70000, generation = 3 }
            frames[#frames + 1] = { op = protocol.PUT, tag = tag, data = data }
          end
        end
        send(object, frames)
      end, queue)
      assert.equal(0, queue:size())
      assert_sound(queue, good)
    end)

    with_workers("is not upset by bad cells and counts: " .. maxsize,
      function(_, bad, good)
        local queue = aimp.Queue({ maxsize = maxsize })
        for i = 1, 3 do queue:put(i) end
        bad(function(object)
          object:size()
          local frames = {}
          for _, op in ipairs({ protocol.DONE, protocol.DONE_PLACES, protocol.GIVE_BACK }) do
            for _, at in ipairs({ 0, 1, 4095, 4096, 70000, 2 ^ 32 - 1 }) do
              frames[#frames + 1] = { op = op, cell = at, generation = 1 }
              frames[#frames + 1] = { op = op, cell = at, generation = 2 ^ 32 - 1 }
            end
          end
          send(object, frames)
        end, queue)
        assert.same({ 1, 2, 3 }, { good(queue.get, queue), queue:get(), good(queue.get, queue) })
        assert_sound(queue, good)
        collectgarbage()
        local before = collectgarbage("count")
        bad(function(object)
          send(object, {
            { op = protocol.WANT, request = 2 ^ 32 - 1, aux = 2 ^ 53 },
            { op = protocol.WANT_PLACE, request = 2 ^ 31 },
            { op = protocol.UNWANT, request = 2 ^ 32 - 1 },
            { op = protocol.UNWANT_PLACE, request = 2 ^ 32 - 1 },
          })
        end, queue)
        assert_sound(queue, good)
        collectgarbage()
        assert.is_true(collectgarbage("count") - before < 10000)
      end)
  end
end)
