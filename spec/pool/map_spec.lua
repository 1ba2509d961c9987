-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local support = require("spec.pool.support")

local failure, misuse, numbers = support.failure, support.misuse, support.numbers

local two = { processes = 2 }
local one = { processes = 1 }

local function with_pool(name, options, body)
  it(name, support.pooled(options, body))
end

local function double(x) return x * 2 end
local function same(x) return x end

-- Equal as results are, which includes NaN and the sign of zero.
local function assert_identical(expected, got, what)
  local is_equal = expected == got or (expected ~= expected and got ~= got)
  assert.is_true(is_equal and type(expected) == type(got), what .. ": " .. tostring(got))
  if expected == 0 then
    assert.equal(1 / expected, 1 / got, what)
  end
end

describe("pool:map():await()", function()
  with_pool("gives results in input order, with n", two, function(pool)
    local list = pool:map(double, numbers(1000)):await()
    assert.equal(1000, list.n)
    for i = 1, 1000 do
      assert(list[i] == 2 * i)
    end
  end)

  with_pool("keeps the order when later items finish first", two, function(pool)
    local list = pool:map(function(x)
      require("aimp").sleep((8 - x) * 0.005)
      return x
    end, numbers(8)):await()
    assert.same({ n = 8, 1, 2, 3, 4, 5, 6, 7, 8 }, list)
  end)

  with_pool("gives an empty list for one", two, function(pool)
    assert.same({ n = 0 }, pool:map(double, {}):await())
    assert.same({ n = 0 }, pool:map(double, function() return nil end):await())
    assert.same({ n = 0 }, pool:starmap(double, {}):await())
  end)

  with_pool("may be called again, by several tasks", two, function(pool)
    local aimp = require("aimp")
    local result = pool:map(double, { 1, 2, 3 })
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = aimp.spawn(function() return result:await() end)
    end
    for _, list in ipairs(aimp.gather(tasks)) do
      assert.same({ n = 3, 2, 4, 6 }, list)
    end
    assert.same({ n = 3, 2, 4, 6 }, result:await())
  end)

  with_pool("may be followed by an iteration, and called again", two, function(pool)
    local result = pool:map(function(x) return x, -x end, { 1, 2, 3 })
    result:await()
    local seen = {}
    for i, x, minus in result do
      seen[i] = x * 10 + minus
    end
    assert.same({ 9, 18, 27 }, seen)
    assert.same({ n = 3, 1, 2, 3 }, result:await())
  end)

  with_pool("is refused once an iteration has taken values away", two, function(pool)
    local result = pool:map(double, { 1, 2, 3 })
    result()
    misuse("already taken by an iteration", function() return (result:await()) end)
  end)

  with_pool("takes lists with holes if they have n", two, function(pool)
    local function name(x) return x == nil and "nil" or x end
    local list = pool:map(name, { n = 6, nil, 2, nil, nil, 5, nil }):await()
    assert.same({ n = 6, "nil", 2, "nil", "nil", 5, "nil" }, list)
    assert.equal(3, pool:map(same, { n = 3 }):await().n)
  end)

  with_pool("gives nil for items that return nothing or nil", two, function(pool)
    local list = pool:map(function(x)
      if x % 3 == 0 then return nil elseif x % 3 == 1 then return x end
    end, numbers(100)):await()
    assert.equal(100, list.n)
    for i = 1, 100 do
      assert(list[i] == (i % 3 == 1 and i or nil))
    end
    assert.same({ n = 50 }, pool:map(function() end, numbers(50)):await())
  end)

  with_pool("gives the first of several values", two, function(pool)
    assert.same({ n = 3, 1, nil, 3 }, pool:map(function(x)
      if x == 2 then return nil, "second" end
      return x, "second", "third"
    end, { 1, 2, 3 }):await())
  end)

  with_pool("reads an iterator", two, function(pool)
    local i = 0
    local list = pool:map(double, function()
      i = i + 1
      return i <= 500 and i or nil
    end):await()
    assert.equal(500, list.n)
    assert.equal(1000, list[500])
  end)

  with_pool("runs a hundred thousand items", two, function(pool)
    local list = pool:map(function(x) return x + 1 end, numbers(100000)):await()
    assert.equal(100000, list.n)
    for i = 1, 100000 do
      assert(list[i] == i + 1)
    end
  end)
end)

describe("pool:map carries", function()
  local object = { name = "a", inner = { 1, 2, { x = true } } }
  local values = { 1, -0, 1 / 0, -1 / 0, 0 / 0, 2 ^ 53, 1.5, "text", "", "a\0b", true, false, nil, object, 7 }
  local count = 15

  local function check_same(got, label)
    for i = 1, count do
      if type(values[i]) == "table" then
        assert.same(values[i], got[i])
      else
        assert_identical(values[i], got[i], label .. " item " .. i)
      end
    end
  end

  -- Every kind alone in its unit, next to others, and in every order of widening a unit's results.
  for _, chunksize in ipairs({ 1, 2, 3, 5, 15 }) do
    with_pool("every kind of item and result, in chunks of " .. chunksize, one, function(pool)
      local items = { n = count, unpack(values, 1, count) }
      check_same(pool:map(same, items, { chunksize = chunksize }):await(), "forwards")
      local reversed = { n = count }
      for i = 1, count do
        reversed[i] = values[count + 1 - i]
      end
      local list, again = pool:map(same, reversed, { chunksize = chunksize }):await(), {}
      for i = 1, count do
        again[i] = list[count + 1 - i]
      end
      check_same(again, "backwards")
    end)
  end

  with_pool("several values next to one, none and nil, in one unit", one, function(pool)
    local seen = {}
    local function some(x)
      if x == 1 then return 1 elseif x == 2 then return end
      if x == 3 then return nil, nil elseif x == 4 then return "a", nil, "c" end
      return nil
    end
    for i, a, b, c in pool:map(some, { 1, 2, 3, 4, 5 }, { chunksize = 5 }) do
      seen[i] = { a, b, c }
    end
    assert.same({ { 1 }, {}, {}, { "a", nil, "c" }, {} }, seen)
  end)

  with_pool("items of a megabyte and more", two, function(pool)
    local items = {}
    for i = 1, 6 do
      items[i] = string.char(64 + i):rep(700000 * i)
    end
    for i, text in ipairs(pool:map(same, items):await()) do
      assert.is_true(text == items[i])
    end
  end)
end)

describe("a failing item of pool:map", function()
  with_pool("raises its error, which names it", two, function(pool)
    local err = failure("REMOTE", function()
      pool:map(function(x)
        if x == 17 then error({ number = x }) end
        return x
      end, numbers(50)):await()
    end)
    assert.equal(17, err.cause.number)
    assert.equal(17, err.item)
    assert.matches("awaited by.*map_spec.lua", err.traceback)
  end)

  with_pool("cancels the rest", one, function(pool)
    local result = pool:map(function(x)
      _G.ran = (_G.ran or 0) + 1
      if x == 1 then error("no") end
      require("aimp").sleep(100)
    end, numbers(5000), { chunksize = 1 })
    failure("REMOTE", function() result:await() end)
    failure("REMOTE", function() result:await() end) -- and again
    assert.is_true(pool:apply(function() return _G.ran end):await() < 100)
    support.eventually(function() return pool:stats().workers[1].running == 0 end, "those that wait end")
  end)

  with_pool("is known also to who awaits later", one, function(pool)
    local result = pool:map(function() error("early") end, { 1 })
    pool:apply(same, 1):await()
    support.eventually(function() return result:is_done() end, "the map has ended")
    assert.matches("early", failure("REMOTE", function() result:await() end).message)
  end)

  with_pool("leaves the pool's other maps alone", two, function(pool)
    local good = pool:map(double, numbers(2000))
    failure("REMOTE", function() pool:map(function() error("x") end, numbers(100)):await() end)
    assert.equal(4000, good:await()[2000])
  end)
end)

describe("pool:map with chunksize", function()
  local units -- that the scheduler was asked for
  local counting = {
    register_queue = function() end,
    register_process = function() end,
    schedule_task = function()
      units = units + 1
      return 1
    end,
    complete_task = function() end,
  }

  with_pool("sends so many items at once", { processes = 2, scheduler = counting }, function(pool)
    units = 0
    pool:map(double, numbers(60), { chunksize = 20 }):await()
    assert.equal(3, units)
    units = 0
    pool:map(double, numbers(61), { chunksize = 20 }):await()
    assert.equal(4, units)
    units = 0
    local left = 60
    pool:map(double, function()
      left = left - 1
      return left >= 0 and left or nil
    end, { chunksize = 30 }):await()
    assert.equal(2, units)
  end)

  with_pool("takes more than there are items, and one", two, function(pool)
    assert.same({ n = 3, 2, 4, 6 }, pool:map(double, { 1, 2, 3 }, { chunksize = 1000 }):await())
    assert.same({ n = 3, 2, 4, 6 }, pool:map(double, { 1, 2, 3 }, { chunksize = 1 }):await())
  end)
end)

describe("pool:map's options for its tasks", function()
  local serial = { processes = 1, childconcurrency = 1 }

  with_pool("run the items of a higher priority first", serial, function(pool)
    local gate = pool:apply(function() require("aimp").sleep(0.05) end)
    local function note(name)
      _G.order = (_G.order or "") .. name
    end
    local low = pool:map(note, { "a", "b" }, { chunksize = 1 })
    local high = pool:starmap(note, { { "c" }, { "d" } }, { chunksize = 1, priority = 3 })
    gate:await()
    low:await()
    high:await()
    assert.equal("cdab", (pool:apply(function() return _G.order end):await()))
  end)

  with_pool("run an item again whose worker died", two, function(pool)
    local marker = os.tmpname() -- gone after the first try
    local function dies_once(path)
      if os.remove(path) then
        require("ffi").C.raise(9)
      end
      return "survived"
    end
    local result = pool:map(function(path)
      require("ffi").cdef("int raise(int signal_number);")
      return dies_once(path)
    end, { marker }, { retries = 1 })
    assert.same({ n = 1, "survived" }, result:await())
    assert.equal(1, pool:stats().retried)
  end)
end)
