-- SPDX-License-Identifier: MIT
--- The capture rule: current values are sent with each call; a variable that the sender has not changed
--- since it was last sent is left alone in the receiver.
local support = require("spec.codec.support")

local plain = support.plain

describe("captured variables", function()
  local pair

  before_each(function()
    pair = support.pair()
  end)

  -- The number of definitions that a call makes.
  local function defined_by(fn, ...)
    local before = #pair.log
    pair:call(fn, ...)
    return #pair.log - before
  end

  it("keep what the worker stored while the parent does not change them", function()
    local n = 1
    local fn = plain(function()
      n = n + 1
      return n
    end)
    assert.equal(2, pair:call(fn))
    assert.equal(3, pair:call(fn))
    n = 10
    assert.equal(11, pair:call(fn))
    assert.equal(12, pair:call(fn))
    assert.equal(10, n)
  end)

  it("are not sent again when nothing changed", function()
    local list, n, f = { 1 }, 2, plain(function() end)
    local fn = plain(function() return list, n, f end)
    pair:call(fn)
    assert.equal(0, defined_by(fn))
    n = 3
    assert.equal(1, defined_by(fn))
    f = plain(function() return 1 end)
    assert.equal(3, defined_by(fn)) -- prototype, function, variable
    list[2] = 2
    assert.equal(2, defined_by(fn)) -- table, variable
    assert.equal(0, defined_by(fn))
  end)

  for name, values in pairs({
    ["NaN"] = { 0 / 0, 1 }, ["zeros"] = { 0, -0.0 }, ["integers and their 64-bit kin"] = { 1, 1LL, 1ULL },
    ["strings and numbers"] = { "1", 1 }, ["nil, false and true"] = { false, true, "nil" },
    ["modules"] = { string, table, 1 }, ["complex numbers"] = { 1i, 2i, 1 },
    ["exported FFI values"] = { require("ffi").C, 1, require("ffi").C },
  }) do
    it("tell " .. name .. " apart and see that they stay", function()
      local x
      local fn = plain(function() return x end)
      for _, value in pairs(values) do
        x = value
        assert.equal(1, #pair.log > 0 and defined_by(fn) or defined_by(fn) - 2)
        assert.is_true(support.is_alike(value, (pair:call(fn))))
        assert.equal(0, defined_by(fn))
      end
      x = nil
      assert.equal(1, defined_by(fn))
      assert.is_nil((pair:call(fn)))
    end)
  end

  it("are tables that keep their identity and their contents", function()
    local cache = {}
    local put = plain(function(k, v) cache[k] = v end)
    local get = plain(function(k) return cache[k] end)
    local whole = plain(function() return cache end)
    local first = pair:call(whole)
    pair:call(put, "a", 1)
    assert.equal(1, pair:call(get, "a"))
    cache.b = 2 -- the parent changed it: its contents are sent
    assert.is_nil((pair:call(get, "a")))
    assert.equal(2, pair:call(get, "b"))
    assert.equal(first, pair:call(whole))
    assert.same({ b = 2 }, cache)
  end)

  it("are tables that the worker may replace", function()
    local config = { level = 1 }
    local replace = plain(function() config = { level = 5 } end)
    local level = plain(function() return config.level end)
    pair:call(replace)
    assert.equal(5, pair:call(level))
    config.level = 2
    assert.equal(2, pair:call(level))
    config = { level = 3 }
    assert.equal(3, pair:call(level))
  end)

  it("are one table where two variables hold one", function()
    local shared = { n = 0 }
    local other = shared
    local a = plain(function() shared.n = shared.n + 1 return shared end)
    local b = plain(function() return other end)
    assert.equal(pair:call(a), pair:call(b))
    assert.equal(1, pair:call(b).n)
  end)

  it("are one table also where one variable's table holds that of another", function()
    local inner = { 1 }
    local outer = { inner = inner }
    local fn = plain(function() return outer.inner == inner end)
    assert.is_true(pair:call(fn))
    inner[1] = 2
    assert.is_true(pair:call(fn))
    assert.equal(2, pair:call(plain(function() return outer.inner[1] end)))
  end)

  it("notice a change deep inside a table", function()
    local tree = { left = { left = { value = 1 } } }
    local fn = plain(function() return tree.left.left.value end)
    assert.equal(1, pair:call(fn))
    tree.left.left.value = 2
    assert.equal(2, pair:call(fn))
  end)

  it("notice a change behind a function", function()
    local n = 1
    local inner = plain(function() return n end)
    local outer = plain(function() return inner() end)
    local holder = { fn = inner }
    local through_table = plain(function() return holder.fn() end)
    assert.equal(1, pair:call(outer))
    assert.equal(1, pair:call(through_table))
    n = 2
    assert.equal(2, pair:call(outer))
    n = 3
    assert.equal(3, pair:call(through_table))
  end)

  it("may be cyclic", function()
    local node = { name = "root" }
    node.self = node
    node.fn = plain(function() return node end)
    local fn = plain(function() return node, node.self, node.fn() end)
    local a, b, c = pair:call(fn)
    assert.equal(a, b)
    assert.equal(a, c)
    assert.equal(0, defined_by(fn))
  end)

  it("survive the functions that set them", function()
    local counter = 0
    pair:call(plain(function() counter = 7 end))
    collectgarbage()
    collectgarbage()
    pair.sender:sweep()
    assert.equal(7, pair:call(plain(function() return counter end)))
    counter = 1
    assert.equal(1, pair:call(plain(function() return counter end)))
  end)

  it("survive in tables without the functions that filled them", function()
    local cache = {}
    pair:call(plain(function() cache.x = 7 end))
    collectgarbage()
    collectgarbage()
    pair.sender:sweep()
    assert.equal(7, pair:call(plain(function() return cache.x end)))
  end)

  it("may be nil at first and set by the worker", function()
    local connection
    pair:call(plain(function() connection = "open" end))
    local fn = plain(function() return connection end)
    assert.equal("open", pair:call(fn))
    assert.equal("open", pair:call(fn))
    connection = false
    assert.is_false(pair:call(fn))
  end)

  it("may be 64-bit integers, structs and objects of classes", function()
    local bank = require("spec.codec.modules.bank")
    local big, account = 2LL ^ 40, bank.open(5)
    local fn = plain(function(n) return big + 1, account:deposit(n), account end)
    assert.equal(6, (select(2, pair:call(fn, 1))))
    assert.equal(8, (select(2, pair:call(fn, 2))))
    assert.equal(0, defined_by(fn, 0))
    account.balance = 100
    assert.equal(101, (select(2, pair:call(fn, 1))))
    assert.equal(bank.Account, getmetatable((select(3, pair:call(fn, 1)))))
  end)

  it("reach a worker that starts later as the parent has them", function()
    local n, t = 1, { 1 }
    local fn = plain(function() return n, t[1] end)
    pair:call(fn)
    n, t[1] = 2, 2
    pair:call(fn)
    pair:restart()
    assert.same({ 2, 2 }, { pair:call(fn) })
  end)

  it("are as they were after a refusal", function()
    local n, bad = 1, nil
    local inner = plain(function() return bad end)
    local fn = plain(function()
      n = n + 1
      return n, inner()
    end)
    assert.equal(2, (pair:call(fn)))
    n, bad = 5, coroutine.create(function() end)
    assert.is_false(pcall(pair.call, pair, fn))
    bad = nil
    assert.equal(6, (pair:call(fn)))
    assert.equal(7, (pair:call(fn)))
  end)

  it("are as they were when the log takes no more", function()
    local n = 0
    local fn = plain(function()
      n = n + 1
      return n
    end)
    local define, allowed = pair.sender.captures.define, 0
    pair.sender.captures.define = function(...)
      allowed = allowed - 1
      return allowed >= 0 and define(...) or 0
    end
    for _, limit in ipairs({ 0, 1, 1 }) do
      allowed = limit
      local _, message = pcall(pair.call, pair, fn)
      assert.equal("ENCODE", message.code)
    end
    allowed = 10
    assert.equal(1, pair:call(fn))
  end)
end)

-- What global functions and the worker's own globals mean needs a process of its own.
describe("script globals", function()
  local NAMES = { "spec_count", "spec_step", "spec_fact", "spec_table", "spec_flag" }

  after_each(function()
    for _, name in ipairs(NAMES) do
      rawset(_G, name, nil)
    end
  end)

  local function script(source)
    return assert(loadstring(source, "=script"))()
  end

  it("land in the worker's globals, with their functions", function()
    local recorder = support.recorder()
    local fn = script([[
      function spec_fact(n) return n <= 1 and 1 or n * spec_fact(n - 1) end
      return function(n) return spec_fact(n) end
    ]])
    recorder:call(fn, 5)
    recorder:call(script("return function() return _G.spec_fact(3) end"))
    assert.same({ 120, 6 }, recorder:run())
  end)

  it("are left alone until the parent changes them", function()
    local recorder = support.recorder()
    local fn = script([[
      spec_count, spec_step = 1, 1
      return function()
        spec_count = spec_count + spec_step
        return spec_count
      end
    ]])
    recorder:call(fn)
    recorder:call(fn)
    rawset(_G, "spec_step", 10)
    recorder:call(fn)
    rawset(_G, "spec_count", 100)
    recorder:call(fn)
    rawset(_G, "spec_count", nil)
    recorder:call(script("return function() return spec_count == nil end"))
    assert.same({ 2, 3, 13, 110, true }, recorder:run())
  end)

  it("are found in functions inside functions", function()
    local recorder = support.recorder()
    local fn = script([[
      spec_flag = "seen"
      return function() return (function() return (function() return spec_flag end)() end)() end
    ]])
    recorder:call(fn)
    assert.same({ "seen" }, recorder:run())
  end)

  it("are not sent for being set only", function()
    local recorder = support.recorder()
    rawset(_G, "spec_table", coroutine.create(function() end)) -- could not be sent
    recorder:call(script("return function() spec_table = 1 return true end"))
    assert.same({ true }, recorder:run())
  end)

  it("may be set by the worker and read by a later call", function()
    local recorder = support.recorder()
    recorder:call(script("return function() spec_flag = 'from an initializer' end"))
    recorder:call(script("return function() return spec_flag end"))
    assert.same({ "nil", "from an initializer" }, recorder:run())
  end)

  it("keep tables shared with captured locals", function()
    local recorder = support.recorder()
    recorder:call(script([[
      local mine = { 1 }
      spec_table = mine
      return function() return spec_table == mine end
    ]]))
    assert.same({ true }, recorder:run())
  end)

  it("may replace Lua's own", function()
    local recorder = support.recorder()
    local original = tostring
    rawset(_G, "tostring", script("return function() return 'mine' end"))
    recorder:call(script("return function() return tostring(1) end"))
    rawset(_G, "tostring", original)
    recorder:call(script("return function() return tostring(1) end"))
    assert.same({ "mine", "1" }, recorder:run())
  end)
end)

describe("in a process of its own", function()
  it("locals are shared between calls and modules are loaded there", function()
    local recorder = support.recorder()
    local bank = require("spec.codec.modules.bank")
    bank.open(1)
    local total = 0
    local deposit = plain(function(n) total = total + n return total end)
    recorder:call(deposit, 5)
    recorder:call(plain(function() return total end))
    recorder:call(plain(function(account) return account:deposit(1) end), bank.open(10))
    recorder:call(plain(function() return bank.opened() end)) -- the module's state is the process's own
    assert.same({ 5, 5, 11, 0 }, recorder:run())
  end)

  it("a module that cannot be loaded is a DECODE error of who needs it", function()
    local recorder = support.recorder()
    local bank = require("spec.codec.modules.bank")
    local fn = plain(function() return bank end)
    local through = plain(function() return fn() end)
    recorder:call(fn)
    recorder:call(through)
    recorder:call(plain(function(x) return x end), bank.EMPTY)
    recorder:call(plain(function() return "fine" end))
    local path = package.path
    package.path = path:gsub("%./%?[^;]*;", "")
    local results = recorder:run()
    package.path = path
    for i = 1, 3 do
      assert.matches("cannot load module 'spec.codec.modules.bank'", results[i].error, 1, true)
    end
    assert.equal("fine", results[4])
  end)
end)
