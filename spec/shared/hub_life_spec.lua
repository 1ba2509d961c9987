--- How long shared objects and their traces live: handles on their way, in workers, in answers; what their
--- owner is told when a process lets go of them or dies.
-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local cell = require("spec.shared.modules.cell")
local hub = require("spec.shared.hub_support")
local queue_support = require("spec.shared.queue_support")
local support = require("spec.pool.support")
local uv = require("luv")

local eventually, failure = support.eventually, support.failure
local collect, released = hub.collect, hub.released

local function with_pool(name, options, body)
  if not body then
    options, body = { processes = 1 }, options
  end
  it(name, support.pooled(options, body))
end

-- Cells that are alive here.
local function watched()
  local alive = setmetatable({}, { __mode = "k" })
  return function(value)
    local new = cell.new(value)
    alive[new] = true
    return new
  end, function()
    collect()
    local n = 0
    for _ in pairs(alive) do
      n = n + 1
    end
    return n
  end
end

local function get(shared)
  return shared:get()
end

--- In a worker: keeps the object in a module until it is told otherwise.
local function keep(shared)
  require("spec.shared.modules.cell").kept = shared
  return true
end

local function gone(shared)
  return function() return shared._core.gone end
end

describe("client_gone is called once", function()
  with_pool("when the worker has let go of the object", function(pool)
    local shared = cell.new(1)
    assert.is_true(pool:apply(keep, shared):await())
    pool:apply(hub.fronts_in_use):await()
    support.settle(pool)
    assert.is_nil(shared._core.gone)
    assert.equal(1, hub.count(pool, "attached"))
    pool:apply(keep, nil):await()
    released(pool)
    assert.equal(1, shared._core.gone)
    assert.equal(1, pool:apply(get, shared):await()) -- and it can be sent again
    released(pool)
    assert.equal(2, shared._core.gone)
  end)

  with_pool("when the worker dies, whose requests are withdrawn", function(pool)
    local shared = cell.new()
    shared:take()
    local task = pool:apply(shared.take, shared)
    local other = pool:apply(shared.next, shared)
    eventually(function() return shared:waiters() == 1 and shared._core.takers:count() == 1 end, "both wait")
    uv.kill(support.pids(pool)[1], "sigkill")
    failure("WORKER_DIED", task.await, task)
    failure("WORKER_DIED", other.await, other)
    assert.equal(1, shared._core.gone)
    eventually(function() return shared:waiters() == 0 and shared._core.takers:count() == 0 end, "none waits")
    shared:give()
    assert.is_nil(shared:holder_of())
    assert.equal(1, pool:apply(function() return shared:take() and 1 end):await())
  end)

  with_pool("when the worker dies, and what it did not read is put back", function(pool)
    local shared = cell.new()
    local task = pool:apply(shared.pop, shared)
    eventually(function() return shared:waiters() == 1 end, "it waits")
    queue_support.stop(support.pids(pool)[1])
    shared:set("left")
    eventually(function() return shared:get() == nil end, "it is on its way")
    uv.kill(support.pids(pool)[1], "sigkill")
    failure("WORKER_DIED", task.await, task)
    eventually(function() return shared:get() == "left" end, "put back")
    assert.same({ 1, 1 }, { shared._core.restored, shared._core.gone })
  end)

  with_pool("when a worker that holds it dies", function(pool)
    local shared, held = cell.new(), aimp.Event()
    local task = pool:apply(function()
      shared:take()
      held:set()
      require("aimp").sleep(1000)
    end)
    held:wait()
    uv.kill(support.pids(pool)[1], "sigkill")
    assert.is_true(shared:take())
    failure("WORKER_DIED", task.await, task)
    assert.equal(1, shared._core.gone)
  end)

  it("when the pool ends", function()
    local shared = cell.new(3)
    support.pooled({ processes = 2 }, function(pool)
      assert.same({ 3, 3 }, { unpack(pool:map(function() return shared:get() end, { 1, 2 },
        { chunksize = 1 }):await()) })
    end)()
    eventually(gone(shared), "told")
  end)
end)

describe("an object that its owner dropped", function()
  with_pool("lives on its way to a worker, as argument and as captured variable", function(pool)
    local sign = queue_support.sign()
    local busy = pool:apply(queue_support.compute_until, sign.path)
    support.running(pool, 1)
    local tasks = {}
    for i = 1, 50 do
      local shared = cell.new(i)
      tasks[2 * i - 1] = pool:apply(get, cell.new(-i))
      tasks[2 * i] = pool:apply(function() return shared:get() end)
    end
    local map = pool:map(get, { cell.new("a"), cell.new("b") })
    collect()
    sign.raise()
    busy:await()
    for i = 1, 50 do
      assert.equal(-i, tasks[2 * i - 1]:await())
      assert.equal(i, tasks[2 * i]:await())
    end
    assert.same({ "a", "b" }, { unpack(map:await()) })
    sign.lower()
  end)

  with_pool("lives while a worker has it", function(pool)
    local make, alive = watched()
    pool:apply(keep, make("kept")):await()
    assert.equal(1, alive())
    assert.equal("kept", pool:apply(function()
      return require("spec.shared.modules.cell").kept:get()
    end):await())
    pool:apply(keep, nil):await()
    released(pool)
    assert.equal(0, alive())
  end)

  with_pool("lives in an answer until it is read", function(pool)
    local shared = cell.new()
    local function read(object)
      local sum = 0
      for i = 1, 50 do
        sum = sum + object:fresh(i):get()
      end
      return sum
    end
    assert.equal(1275, pool:apply(read, shared):await())
    assert.equal(0, hub.count(pool, "unread"))
    released(pool)
  end)

  with_pool("lives as a captured variable of a function that was sent before and dropped", function(pool)
    local make, alive = watched()
    local function send_twice()
      local shared = make("captured")
      local function fn() return shared:get() end
      assert.equal("captured", pool:apply(fn):await())
      uv.kill(support.pids(pool)[1], "sigkill") -- the next worker gets the definition anew
      return pool:apply(fn)
    end
    local late = send_twice()
    while not late:done() do
      assert.equal(1, alive())
      aimp.sleep(0)
    end
    assert.equal("captured", late:await())
    eventually(function()
      pool:apply(loadstring("return 1")):await() -- functions are forgotten when so many others were sent
      pool:apply(hub.fronts_in_use):await()
      return alive() == 0
    end, "the function is forgotten")
  end)

  with_pool("is CLOSED for who has only its number", function(pool)
    local function use(number)
      local shared = require("spec.shared.modules.cell").Cell.__aimp_recv(number)
      local _, early = pcall(shared.get, shared)
      local _, waits = pcall(shared.next, shared, 10)
      local _, late = pcall(shared.get, shared)
      return { early.code, waits.code, late.code }, late.message
    end
    local codes, text = pool:apply(use, 999999):await()
    assert.same({ "CLOSED", "CLOSED", "CLOSED" }, codes)
    assert.equal("the cell does not exist any more", text)
    released(pool)
  end)
end)

describe("short-lived objects", function()
  with_pool("leave nothing behind, here and in the worker", function(pool)
    local make, alive = watched()
    local function round(n)
      for i = 1, n do
        assert(pool:apply(get, make(i)):await() == i)
      end
      released(pool)
      collect()
      return collectgarbage("count"), pool:apply(function()
        hub.collect()
        return collectgarbage("count")
      end):await()
    end
    round(2000)
    local here, there = round(1000)
    local here_later, there_later = round(4000)
    assert.equal(0, alive())
    assert.equal(0, (pool:apply(hub.fronts_in_use):await()))
    assert.is_true(here_later - here < 250, ("4000 objects: %d KiB here"):format(here_later - here))
    assert.is_true(there_later - there < 250, ("4000 objects: %d KiB there"):format(there_later - there))
  end)
end)

describe("one handle", function()
  with_pool("is one front for each process", { processes = 1 }, function(pool)
    local shared = cell.new()
    shared:set({ shared, own = shared })
    assert.is_true(pool:apply(function(a, b)
      local list = shared:get()
      return a == shared and b[1] == a and list[1] == a and list.own == a
        and a:echo(b)[1] == a and rawequal(a, shared)
    end, shared, { shared }):await())
    assert.is_true(pool:apply(function(a)
      require("spec.shared.modules.cell").kept = a
      return true
    end, shared):await())
    assert.is_true(pool:apply(function(a) return rawequal(require("spec.shared.modules.cell").kept, a) end,
      shared):await())
    assert.equal(shared, (pool:apply(function() return shared end):await()))
  end)
end)
