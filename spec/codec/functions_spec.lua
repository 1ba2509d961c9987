-- SPDX-License-Identifier: MIT
local support = require("spec.codec.support")

local plain = support.plain

describe("functions by value", function()
  local pair

  before_each(function()
    pair = support.pair()
  end)

  it("run with their constants, varargs and inner functions", function()
    local fn = plain(function(a, ...)
      local function add(x, y)
        return x + y
      end
      return add(a, select("#", ...)), ("x"):rep(3), { 1, 2, { 3 } }, ...
    end)
    assert.same({ 12, "xxx", { 1, 2, { 3 } }, "p", "q" }, { pair:call(fn, 10, "p", "q") })
  end)

  it("are another function, defined once", function()
    local fn = plain(function() return 1 end)
    local received = pair:fn(fn)
    assert.is_not.equal(fn, received)
    assert.equal(received, pair:fn(fn))
    assert.equal(2, #pair.log) -- the prototype and the function
  end)

  it("keep their place in error messages", function()
    local fn = plain(function() error("oops") end)
    local line = debug.getinfo(fn, "S").linedefined
    local _, message = pcall(pair:fn(fn))
    assert.matches("functions_spec.lua:" .. line .. ": oops", message, 1, true)
  end)

  it("call themselves", function()
    local function factorial(n)
      return n <= 1 and 1 or n * factorial(n - 1)
    end
    plain(factorial)
    assert.equal(120, pair:call(factorial, 5))
  end)

  it("call each other", function()
    local is_even
    local is_odd = plain(function(n)
      if n == 0 then return false end
      return is_even(n - 1)
    end)
    is_even = plain(function(n)
      if n == 0 then return true end
      return is_odd(n - 1)
    end)
    assert.is_true(pair:call(is_even, 10))
    assert.is_false(pair:call(is_odd, 10))
  end)

  it("call functions that they capture, to any depth", function()
    local fn = plain(function(x) return x end)
    for _ = 1, 20000 do
      local inner = fn
      fn = plain(function(x)
        if x > 0 then return inner(x - 1) + 1 end
        return inner(x)
      end)
    end
    assert.equal(5, pair:call(fn, 5))
  end)

  it("have 60 upvalues", function()
    local names, values = {}, {}
    for i = 1, 60 do
      names[i], values[i] = "v" .. i, tostring(i)
    end
    local list = table.concat(names, ",")
    local source = "local %s = %s; return function() %s = %s return %s end"
    local fn = loadstring(source:format(list, table.concat(values, ","), names[1], names[1],
      table.concat(names, "+")))()
    assert.equal(1830, pair:call(fn))
  end)

  it("share a local that they were sent with at different times", function()
    local value
    local set = plain(function(x) value = x end)
    local get = plain(function() return value end)
    pair:call(set, 42)
    assert.equal(42, pair:call(get))
    assert.is_nil(value)
  end)

  it("share a local through functions inside them", function()
    local count = 0
    local outer = plain(function()
      return function()
        count = count + 1
        return count
      end
    end)
    local read = plain(function() return count end)
    pair:call(outer)()
    pair:call(outer)()
    assert.equal(2, pair:call(read))
  end)

  it("do not share locals of different closures", function()
    local function counter()
      local n = 0
      return plain(function()
        n = n + 1
        return n
      end)
    end
    local a, b = counter(), counter()
    assert.equal(1, pair:call(a))
    assert.equal(2, pair:call(a))
    assert.equal(1, pair:call(b))
  end)

  it("share their prototype between closures", function()
    local fns = {}
    for i = 1, 10 do
      fns[i] = plain(function() return i * 2 end)
      assert.equal(i * 2, pair:call(fns[i]))
    end
    assert.equal(11, #pair.log)
  end)

  it("travel as arguments, in tables and as keys", function()
    local fn = plain(function(x) return x + 1 end)
    local t, f = pair:send({ fn = fn, [fn] = "key" }, fn)
    assert.equal(f, t.fn)
    assert.equal("key", t[f])
    assert.equal(3, f(2))
    assert.equal(f, pair:fn(fn))
  end)

  it("have what they capture refreshed when they are arguments", function()
    local step = 1
    local fn = plain(function(x) return x + step end)
    assert.equal(2, pair:send(fn)(1))
    step = 10
    assert.equal(11, pair:send(fn)(1))
  end)

  it("keep the environment of a module", function()
    local bank = require("spec.codec.modules.bank")
    local fn = setfenv(function() return open(5).balance end, bank) -- luacheck: ignore 113
    assert.equal(5, pair:call(fn))
    assert.equal(bank, getfenv(pair:fn(fn)))
  end)

  it("work stripped of their debug information", function()
    local n = 3
    local original = plain(function(x)
      n = n + x
      return n
    end)
    local fn = loadstring(string.dump(original, true))
    debug.upvaluejoin(fn, 1, original, 1)
    assert.equal(5, pair:call(fn, 2))
  end)

  it("come back to the parent as what they were", function()
    local fn = plain(function() end)
    local received = pair:fn(fn)
    local t = pair:back({ received, print })
    assert.equal(fn, t[1])
    assert.equal(print, t[2])
  end)

  it("may be sent on by a worker that has workers itself", function()
    local next_pair = support.pair()
    local n, k = 1, 10
    local fn = plain(function()
      n = n + 1
      return n * k
    end)
    local there = pair:fn(fn)
    assert.equal(20, next_pair:call(there))
    assert.equal(30, next_pair:call(there))
    assert.equal(20, there())
    assert.equal(30, next_pair:call(there)) -- now it has changed in the worker
  end)

  it("are not forgotten by a worker that starts later", function()
    local n = 1
    local fn = plain(function() return n end)
    pair:call(fn)
    n = 2
    assert.equal(2, pair:call(fn))
    pair:restart()
    assert.equal(2, pair:call(fn))
  end)
end)

describe("a snapshot", function()
  it("makes what is there then known by name", function()
    local fresh = dofile(package.searchpath("aimp.codec.names", package.path))
    local given = plain(function() end)
    rawset(_G, "spec_given", given)
    fresh.refresh()
    assert.is_nil(fresh.index[given])
    fresh.snapshot()
    fresh.refresh()
    rawset(_G, "spec_given", nil)
    assert.equal("_G\0spec_given", fresh.index[given])
  end)
end)

describe("named functions", function()
  it("travel by name", function()
    local pair = support.pair()
    local bank = require("spec.codec.modules.bank")
    assert.equal(string.rep, pair:fn(string.rep))
    assert.equal(bank.open, pair:fn(bank.open))
    assert.equal(bank.Account.deposit, (pair:send({ bank.Account.deposit }))[1])
    local fn = plain(function(x) return bank.open(x) end)
    assert.equal(7, pair:call(fn, 7).balance)
  end)

  it("may be upvalues that change", function()
    local pair = support.pair()
    local f = math.floor
    local fn = plain(function(x) return f(x) end)
    assert.equal(1, pair:call(fn, 1.5))
    f = math.ceil
    assert.equal(2, pair:call(fn, 1.5))
  end)

  it("are not those that a script adds to a standard library", function()
    local pair = support.pair()
    string.aimp_spec_trim = plain(function(s) return (s:gsub("%s", "")) end) -- luacheck: ignore 142
    package.loaded["spec.codec.modules.bank"] = nil
    require("spec.codec.modules.bank") -- has the index of names made anew
    local received = pair:fn(string.aimp_spec_trim) -- luacheck: ignore 143
    string.aimp_spec_trim = nil -- luacheck: ignore 142
    assert.equal("ab", received(" a b "))
  end)
end)
