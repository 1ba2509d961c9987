--- aimp.Dict used from several processes at once.
-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local fiber = require("aimp.fiber")
local launcher = require("aimp.pool.launcher")
local support = require("spec.pool.support")
local tasks = require("spec.task.support")

local eventually, failure, numbers = support.eventually, support.failure, support.numbers

local function with_pool(name, processes, body)
  it(name, support.pooled({ processes = processes }, body))
end

describe("aimp.Dict in workers", function()
  with_pool("does what it does at home", 1, function(pool)
    local dict = aimp.Dict({ initial = { a = 1, list = { 1, { 2 } }, off = false } })
    local seen = pool:apply(function()
      local t = {
        dict:get("a"), dict:get("list")[2][1], dict:get("off"), dict:get("none", "default"), dict:has("off"),
        dict:has("none"), dict:add("a", 2), dict:add("b", 2), dict:incr("b", 3), dict:incr("c", 1, 10),
        dict:compare_and_set("list", { 1, { 3 } }, "no"), dict:compare_and_set("list", { 1, { 2 } }, "yes"),
        dict:delete("off"), dict:delete("off"), dict:len(),
      }
      dict:set("d", { deep = { 4 } })
      dict:update({ e = 5, [6] = "six" })
      local keys = dict:keys()
      table.sort(keys, function(x, y) return tostring(x) < tostring(y) end)
      local snapshot = {}
      for key, value in dict:items() do
        snapshot[key] = value
      end
      return t, keys, snapshot
    end)
    local t, keys, snapshot = seen:await()
    assert.same({ 1, 2, false, "default", true, false, false, true, 5, 11, false, true, true, false, 4 }, t)
    assert.same({ 6, "a", "b", "c", "d", "e", "list" }, keys)
    local expected = { a = 1, b = 5, c = 11, d = { deep = { 4 } }, e = 5, [6] = "six", list = "yes" }
    assert.same(expected, snapshot)
    local at_home = {}
    for key, value in dict:items() do
      at_home[key] = value
    end
    assert.same(expected, at_home)
    pool:apply(function() dict:clear() end):await()
    assert.equal(0, dict:len())
  end)

  with_pool("counts exactly, whoever counts", 2, function(pool)
    local dict, seen = aimp.Dict(), {}
    for _, sum in pool:map(function() return dict:incr("n") end, numbers(3000), { chunksize = 1 }) do
      assert.is_nil(seen[sum])
      seen[sum] = true
      dict:incr("mine")
    end
    assert.equal(3000, dict:get("n"))
    assert.equal(3000, #seen)
    assert.equal(3000, dict:get("mine"))
  end)

  with_pool("lets exactly one add a key", 2, function(pool)
    local dict, winners = aimp.Dict(), {}
    local function try(i)
      local key = i % 10
      return dict:add(key, { by = i }) and key
    end
    for i, key in pool:map(try, numbers(500), { chunksize = 1 }) do
      if key then
        assert.is_nil(winners[key])
        winners[key] = i
      end
    end
    for key = 0, 9 do
      assert.equal(winners[key], dict:get(key).by)
    end
  end)

  with_pool("loses nothing where all compare and set", 2, function(pool)
    local dict = aimp.Dict()
    local function append(i)
      repeat
        local old = dict:get("list")
        local new = { unpack(old or {}) }
        new[#new + 1] = i
      until dict:compare_and_set("list", old, new)
    end
    pool:map(append, numbers(60), { chunksize = 1 }):await()
    local list = dict:get("list")
    table.sort(list)
    assert.same(numbers(60), list)
  end)

  with_pool("gives and takes copies", 1, function(pool)
    local dict = aimp.Dict({ initial = { home = { 1 } } })
    pool:apply(function()
      local mine = { 1 }
      dict:set("away", mine)
      mine[1] = "spoilt"
      dict:get("home")[1] = "spoilt"
    end):await()
    assert.same({ 1 }, dict:get("home"))
    assert.same({ 1 }, dict:get("away"))
    dict:get("away")[1] = "spoilt"
    assert.same({ 1 }, dict:get("away"))
  end)

  with_pool("carries large values and many entries", 1, function(pool)
    local text = ("0123456789abcdef"):rep(200000)
    local dict = aimp.Dict({ initial = { text = text } })
    local size, count = pool:apply(function()
      local got = dict:get("text")
      dict:set("twice", got .. got)
      local entries = {}
      for i = 1, 20000 do
        entries[i] = { i }
      end
      dict:update(entries)
      local n = 0
      for key, value in dict:items() do
        n = n + (value[1] == key and 1 or 0)
      end
      return #got, n
    end):await()
    assert.equal(#text, size)
    assert.equal(20000, count)
    assert.is_true(dict:get("twice") == text .. text)
    assert.equal(20002, dict:len())
  end)

  with_pool("is reached as argument, captured variable and field, and is one object there", 2, function(pool)
    local dict = aimp.Dict()
    local holder = { inner = { dict = dict }, same = dict }
    local function use(argument, t)
      argument:set("argument", aimp.pid())
      dict:set("captured", aimp.pid())
      holder.inner.dict:set("field", aimp.pid())
      t[1]:set("in a table", aimp.pid())
      return argument == dict and dict == holder.same and dict == t[1], t[1]
    end
    local is_one, back = pool:apply(use, dict, { dict }):await()
    assert.is_true(is_one)
    assert.equal(dict, back)
    for _, key in ipairs({ "argument", "captured", "field", "in a table" }) do
      assert.not_equal(aimp.pid(), assert(dict:get(key), key))
    end
  end)

  with_pool("may hold dictionaries, itself too", 2, function(pool)
    local dict, inner = aimp.Dict(), aimp.Dict()
    dict:set("inner", { handle = inner })
    dict:set("self", dict)
    local same_self, same_inner = pool:apply(function()
      local got = dict:get("inner").handle
      got:set("from", "worker")
      dict:set("back", got)
      return dict:get("self") == dict,
        dict:compare_and_set("inner", { handle = got }, { handle = got, seen = true })
    end):await()
    assert.is_true(same_self)
    assert.is_true(same_inner)
    assert.equal("worker", inner:get("from"))
    assert.equal(inner, dict:get("back"))
    inner = nil -- luacheck: ignore 311 (only the dictionary has it now)
    collectgarbage()
    assert.equal("worker", pool:apply(function() return dict:get("back"):get("from") end):await())
  end)

  with_pool("names functions and classes of the parent", 2, function(pool)
    local dict = aimp.Dict()
    local class = {}
    class.__index = class
    function class:double() return 2 * self.n end
    dict:set("object", setmetatable({ n = 4 }, class))
    dict:set("function", function(x) return x + 1 end)
    local doubled, added = pool:apply(function()
      local object, fn = dict:get("object"), dict:get("function")
      dict:set("again", object)
      dict:set("function again", fn)
      return object:double(), fn(1)
    end):await()
    assert.equal(8, doubled)
    assert.equal(2, added)
    assert.equal(class, getmetatable(dict:get("again")))
    assert.equal(dict:get("function"), dict:get("function again"))
  end)
end)

describe("what aimp.Dict refuses in a worker", function()
  with_pool("is refused at the caller's line there", 1, function(pool)
    local dict = aimp.Dict()
    for pattern, fn in pairs({
      ["bad argument #1 to 'dict:get' .*NaN"] = function() dict:get(0 / 0) end,
      ["bad argument #2 to 'dict:set'"] = function() dict:set("a") end,
      ["option 'ttl' must be more than 0"] = function() dict:set("a", 1, { ttl = -1 }) end,
      ["bad argument #1 to 'dict:on_change'"] = function() dict:on_change(5) end,
    }) do
      local err = failure("REMOTE", function() pool:apply(fn):await() end)
      assert.matches("dict_remote_spec.lua:%d+: .*" .. pattern, err.message)
    end
    assert.equal(0, dict:len())
  end)

  with_pool("outside of a task is refused there", 1, function(pool)
    local dict = aimp.Dict()
    local get, on_change = pool:apply(function()
      local messages = {}
      local task = aimp.spawn(function() end)
      task:on_done(function() -- outside of any task
        local _, message = pcall(function()
          dict:get("a")
          return nil
        end)
        messages[1] = message
        _, message = pcall(function()
          dict:on_change(print)
          return nil
        end)
        messages[2] = message
      end)
      task:await()
      aimp.sleep(0)
      return unpack(messages)
    end):await()
    assert.matches("dict_remote_spec.lua:%d+: .*needs a running task", get)
    assert.matches("dict_remote_spec.lua:%d+: .*on_change needs a running task", on_change)
  end)

  with_pool("is raised as an error with its code, and changes nothing", 1, function(pool)
    local dict = aimp.Dict({ initial = { text = "5" } })
    local codes, message = pool:apply(function()
      local function code_of(fn, ...)
        local ok, err = pcall(fn, ...)
        return not ok and err.code, err.message
      end
      local state, text = code_of(dict.incr, dict, "text")
      return { state, (code_of(dict.set, dict, "made here", function() end)),
        (code_of(dict.set, dict, "thread", coroutine.create(print))) }, text
    end):await()
    assert.same({ "STATE", "ENCODE", "ENCODE" }, codes)
    assert.matches("at key 'text' is a string, not a number", message)
    assert.same({ "text" }, dict:keys())
    assert.equal("5", dict:get("text"))
  end)
end)

describe("the time to live of an entry", function()
  with_pool("is the owner's, wherever it is set and asked for", 1, function(pool)
    support.pids(pool)
    local dict = aimp.Dict()
    local clock = tasks.fake_clock()
    local ok, err = pcall(function()
      local ttl, none = pool:apply(function()
        dict:set("k", 1, { ttl = 60 })
        dict:set("for good", 1)
        dict:expire("k", 30)
        return dict:ttl("k"), dict:ttl("for good")
      end):await()
      assert.equal(30, ttl)
      assert.is_nil(none)
      assert.equal(30, dict:ttl("k"))
      clock.advance(29)
      assert.equal(1, pool:apply(function() return dict:get("k") end):await())
      clock.advance(1)
      assert.is_false(pool:apply(function() return dict:has("k") end):await())
      assert.same({ "for good" }, dict:keys())
    end)
    clock.restore()
    assert(ok, err)
  end)
end)

describe("dict:on_change across processes", function()
  --- In a worker: keeps what the dictionary tells in a global list.
  local function listen(dict)
    _G.log = {}
    local subscription = dict:on_change(function(key, new, old)
      table.insert(_G.log, { key, new == nil and "nil" or new, old == nil and "nil" or old })
    end)
    _G.cancel = _G.keep and function() subscription:cancel() end -- else nobody holds the dictionary
  end

  local function logged(pool, count)
    local log
    eventually(function()
      log = pool:apply(function() return _G.log end):await()
      return #log >= count
    end, count .. " changes are told")
    return log
  end

  with_pool("tells the parent what workers change, in order for each key", 2, function(pool)
    local dict, values, count = aimp.Dict(), { {}, {}, {} }, 0
    dict:on_change(function(key, new, old)
      assert.equal(old or 0, #values[key])
      table.insert(values[key], new)
      count = count + 1
    end)
    pool:map(function(i) dict:incr(i % 3 + 1) end, numbers(300), { chunksize = 1 }):await()
    eventually(function() return count == 300 end, "all changes are told")
    assert.same({ numbers(100), numbers(100), numbers(100) }, values)
  end)

  with_pool("tells a worker what others change, though its task has ended", 1, function(pool)
    local dict, other = aimp.Dict({ initial = { a = 1 } }), aimp.Pool({ processes = 1 })
    pool:apply(listen, dict):await()
    pool:apply(function()
      jit.flush()
      collectgarbage()
      collectgarbage()
    end):await()
    dict:set("a", { 2 })
    other:apply(function() dict:delete("a") end):await()
    dict:set("b", true, { ttl = 0.001 })
    assert.same({
      { "a", { 2 }, 1 }, { "a", "nil", { 2 } }, { "b", true, "nil" }, { "b", "nil", true },
    }, logged(pool, 4))
    other:close()
    other:join()
  end)

  with_pool("tells nothing once cancelled, and the owner forgets", 1, function(pool)
    local dict = aimp.Dict()
    pool:apply(function() _G.keep = true end):await()
    pool:apply(listen, dict):await()
    dict:set("a", 1)
    logged(pool, 1)
    pool:apply(function() _G.cancel() end):await()
    dict:set("a", 2)
    assert.equal(1, #pool:apply(function() return _G.log end):await())
    eventually(function() return #dict._core.subscribers == 0 end, "it is forgotten")
  end)

  with_pool("is told an error of the function, which harms nobody", 1, function(pool)
    local dict = aimp.Dict()
    local reported = pool:apply(function()
      local reports, heard, inside = {}, {}, require("aimp.fiber")
      local report = inside.on_error
      inside.on_error = function(err) table.insert(reports, err.message) end
      local first = dict:on_change(function() error("sorry") end)
      local second = dict:on_change(function() aimp.sleep(0) end)
      local third = dict:on_change(function(_, new) table.insert(heard, new) end)
      dict:set("a", 1)
      dict:set("a", 2)
      while #heard < 2 do
        aimp.sleep(0)
      end
      inside.on_error = report
      first:cancel()
      second:cancel()
      third:cancel()
      return reports
    end):await()
    assert.equal(4, #reported)
    assert.matches("sorry", reported[1])
    assert.matches("needs a running task", reported[2])
    assert.equal(2, dict:get("a"))
  end)

  with_pool("can be cancelled by its own function", 1, function(pool)
    local dict = aimp.Dict()
    local heard = pool:apply(function()
      local list, subscription = {}, nil
      subscription = dict:on_change(function(_, new)
        table.insert(list, new)
        subscription:cancel()
      end)
      dict:set("a", 1)
      dict:set("a", 2)
      while #list < 1 do
        aimp.sleep(0)
      end
      dict:get("a")
      return list
    end):await()
    assert.same({ 1 }, heard)
    assert.equal(0, #dict._core.subscribers)
  end)

  with_pool("forgets a worker that was killed", 2, function(pool)
    local dict, mine = aimp.Dict(), {}
    dict:on_change(function(key) mine[#mine + 1] = key end)
    local pid = pool:apply(function(d)
      d:on_change(print)
      return aimp.pid()
    end, dict):await()
    assert.equal(2, #dict._core.subscribers)
    require("luv").kill(pid, "sigkill")
    dict:set("while it dies", 1)
    eventually(function() return #dict._core.subscribers == 1 end, "it is forgotten")
    dict:set("later", 1)
    eventually(function() return #mine == 2 end, "the parent is told")
    assert.equal(2, pool:apply(function() return dict:len() end):await())
  end)

  with_pool("does not keep a value from being stored that a subscriber cannot get", 1, function(pool)
    local dict, reported = aimp.Dict(), {}
    pool:apply(listen, dict):await()
    local class = {}
    class.__aimp_send = function(_, route)
      if route.direction == "down" then
        error("not to a worker")
      end
      return 1
    end
    class.__aimp_recv = function() return setmetatable({}, class) end
    local report = fiber.on_error
    fiber.on_error = function(err) reported[#reported + 1] = err end
    dict:set("a", setmetatable({}, class))
    fiber.on_error = report
    assert.is_true(dict:has("a"))
    assert.equal(1, #reported)
    assert.matches("not to a worker", reported[1].message)
    dict:set("b", 1)
    assert.same({ { "b", 1, "nil" } }, logged(pool, 1))
  end)

  it("lasts no longer than the pool, and keeps none open", function()
    local dict = aimp.Dict()
    aimp.with(aimp.Pool({ processes = 2 }), function(pool)
      pool:broadcast(listen, dict)
      assert.equal(2, #dict._core.subscribers)
    end)
    assert.equal(0, #dict._core.subscribers)
    launcher.close()
  end)

  with_pool("goes through a worker that has a pool of its own", 1, function(pool)
    local dict = aimp.Dict()
    local heard, heard_inside = pool:apply(function()
      local list = {}
      dict:on_change(function(_, new) table.insert(list, new) end)
      local inner = aimp.Pool({ processes = 1 })
      dict:incr("n")
      local inside = inner:apply(function()
        local own = {}
        dict:on_change(function(_, new) table.insert(own, new) end)
        dict:incr("n")
        while #own < 1 do
          aimp.sleep(0.001)
        end
        return own
      end):await()
      inner:close()
      inner:join()
      return list, inside
    end):await()
    assert.same({ 1, 2 }, heard)
    assert.same({ 2 }, heard_inside)
    eventually(function() return #dict._core.subscribers == 1 end, "the inner worker's is forgotten")
  end)
end)
