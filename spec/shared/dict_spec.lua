--- aimp.Dict in the process that made it.
-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
local aimp = require("aimp")
local errors = require("aimp.errors")
local ffi = require("ffi")
local fiber = require("aimp.fiber")
local support = require("spec.pool.support")

local failure, misuse = support.failure, support.misuse

ffi.cdef("struct dict_spec_point { double x, y; };")

local function contents(dict)
  local t = {}
  for key, value in dict:items() do
    t[key] = value
  end
  return t
end

describe("aimp.Dict", function()
  it("keeps values of every scalar type under every kind of key", function()
    local dict = aimp.Dict()
    local values = { "", "a\0b", 0, -1.5, 1 / 0, true, false, 3LL, 4ULL }
    for i, value in ipairs(values) do
      dict:set(i, value)
      assert.equal(value, dict:get(i))
    end
    dict:set("1", "text")
    dict:set(true, "yes")
    dict:set(false, "no")
    dict:set(1 / 0, "far")
    assert.equal("", dict:get(1))
    assert.equal("text", dict:get("1"))
    assert.equal("yes", dict:get(true))
    assert.equal("no", dict:get(false))
    assert.equal("far", dict:get(1 / 0))
    assert.equal(#values + 4, dict:len())
  end)

  it("gives the default for what is not there, and not for false", function()
    local dict = aimp.Dict({ initial = { off = false } })
    assert.is_nil(dict:get("none"))
    assert.equal(7, dict:get("none", 7))
    assert.is_false(dict:has("none"))
    assert.is_false(dict:get("off", 7))
    assert.is_true(dict:has("off"))
  end)

  it("works outside of any task", function()
    local dict = aimp.Dict()
    local sum, there = fiber.outside(function()
      dict:set("n", 1)
      return dict:incr("n"), dict:has("n")
    end)
    assert.equal(2, sum)
    assert.is_true(there)
  end)

  it("deletes, counts and lists", function()
    local dict = aimp.Dict({ initial = { a = 1, b = 2, c = 3 } })
    assert.is_true(dict:delete("b"))
    assert.is_false(dict:delete("b"))
    assert.equal(2, dict:len())
    local keys = dict:keys()
    table.sort(keys)
    assert.same({ "a", "c" }, keys)
    dict:set("a", 5)
    assert.equal(2, dict:len())
    dict:clear()
    assert.equal(0, dict:len())
    assert.same({}, dict:keys())
    assert.is_nil(dict:get("a"))
  end)

  it("adds only what is not there", function()
    local dict = aimp.Dict()
    assert.is_true(dict:add("a", false))
    assert.is_false(dict:add("a", 2))
    assert.is_false(dict:get("a"))
  end)

  it("counts, from any number and by any", function()
    local dict = aimp.Dict()
    assert.equal(1, dict:incr("n"))
    assert.equal(3, dict:incr("n", 2))
    assert.equal(2.5, dict:incr("n", -0.5))
    assert.equal(110, dict:incr("m", 10, 100))
    assert.equal(111, dict:incr("m", 1, 100))
    assert.equal(0, dict:incr("zero", 0))
    assert.equal(1, dict:incr("zero"))
  end)

  it("counts nothing but numbers, and leaves what is there", function()
    local dict = aimp.Dict({ initial = { s = "5", t = {}, no = false } })
    for key, kind in pairs({ s = "string", t = "table", no = "boolean" }) do
      local err = failure("STATE", function() dict:incr(key) end)
      assert.matches(("at key '%s' is a %s, not a number"):format(key, kind), err.message)
    end
    assert.equal("5", dict:get("s"))
  end)

  it("takes many entries at once, or none", function()
    local dict = aimp.Dict({ initial = { a = 1 } })
    dict:update({ a = 2, b = { 3 }, [4] = "four" })
    assert.same({ a = 2, b = { 3 }, [4] = "four" }, contents(dict))
    failure("ENCODE", function() dict:update({ 0, 0, z = coroutine.create(print) }) end)
    assert.same({ a = 2, b = { 3 }, [4] = "four" }, contents(dict))
    dict:update({})
    assert.equal(3, dict:len())
  end)

  it("goes over a snapshot", function()
    local dict = aimp.Dict({ initial = { a = 1, b = 2 } })
    local seen = {}
    for key, value in dict:items() do
      seen[key] = value
      dict:clear()
      dict:set("later", 3)
    end
    assert.same({ a = 1, b = 2 }, seen)
    assert.same({ later = 3 }, contents(dict))
  end)
end)

describe("a value of aimp.Dict", function()
  it("is a copy on the way in and on the way out", function()
    local given = { list = { 1, 2 } }
    local dict = aimp.Dict({ initial = { initial = given } })
    dict:set("set", given)
    dict:add("add", given)
    dict:update({ update = given })
    dict:compare_and_set("compare_and_set", nil, given)
    given.list[1] = "changed outside"
    for _, key in ipairs({ "initial", "set", "add", "update", "compare_and_set" }) do
      assert.same({ list = { 1, 2 } }, dict:get(key), key)
      dict:get(key).list[1] = "changed outside"
      assert.same({ list = { 1, 2 } }, dict:get(key), key)
    end
    contents(dict).set.list[1] = "changed outside"
    assert.same({ list = { 1, 2 } }, dict:get("set"))
  end)

  it("may be cyclic, shared, an instance, a function or an FFI value", function()
    local dict = aimp.Dict()
    local class = { __index = { name = "class" } }
    local point = ffi.new("struct dict_spec_point", 1, 2)
    local value = { object = setmetatable({}, class), fn = contents, point = point }
    value.self, value.again = value, value.object
    dict:set("v", value)
    local copy = dict:get("v")
    assert.not_equal(value, copy)
    assert.equal(copy, copy.self)
    assert.equal(copy.object, copy.again)
    assert.not_equal(value.object, copy.object)
    assert.equal("class", copy.object.name)
    assert.equal(contents, copy.fn)
    assert.equal(2, copy.point.y)
    copy.point.y = 3
    assert.equal(2, dict:get("v").point.y)
  end)

  it("may be a dictionary, this one too, which is not copied", function()
    local dict, inner = aimp.Dict(), aimp.Dict()
    dict:set("inner", { handle = inner })
    dict:set("self", dict)
    dict:get("inner").handle:set("a", 1)
    assert.equal(1, inner:get("a"))
    assert.equal(inner, dict:get("inner").handle)
    assert.equal(dict, dict:get("self"))
  end)

  it("that cannot be sent is refused at once, with the way to it", function()
    local dict = aimp.Dict({ initial = { a = 1 } })
    local thread = coroutine.create(print)
    local err = failure("ENCODE", function() dict:set("a", { x = { y = thread } }) end)
    assert.matches("cannot send coroutine at value.*x.*y", err.message)
    failure("ENCODE", function() dict:set("a", function() return thread end) end)
    failure("ENCODE", function() dict:add("b", thread) end)
    failure("ENCODE", function() dict:compare_and_set("a", 1, newproxy(false)) end)
    failure("ENCODE", function() aimp.Dict({ initial = { thread } }) end)
    assert.same({ a = 1 }, contents(dict))
  end)

  it("of a class that calls the dictionary while it is copied does no harm", function()
    local dict = aimp.Dict()
    local class = {}
    class.__aimp_send = function(self)
      dict:delete("k")
      dict:set("other", self.n)
      return self.n
    end
    class.__aimp_recv = function(n) return setmetatable({ n = n }, class) end
    local function object(n) return setmetatable({ n = n }, class) end
    dict:on_change(function() end)
    dict:set("k", object(1), { ttl = 60 })
    dict:set("k", object(2), { ttl = 60 })
    assert.is_nil(dict:get("k")) -- it was copied for the subscriber
    dict:update({ a = object(3), b = object(4) })
    for _, value in dict:items() do
      assert.is_truthy(type(value) == "number" or value.n)
    end
    assert.equal(3, dict:len())
    assert.is_nil(dict:ttl("k"))
    dict:clear()
  end)
end)

describe("dict:compare_and_set", function()
  it("stores, makes and deletes where what is there is as expected", function()
    local dict = aimp.Dict()
    assert.is_true(dict:compare_and_set("k", nil, 1))
    assert.is_false(dict:compare_and_set("k", nil, 2))
    assert.is_false(dict:compare_and_set("k", 3, 2))
    assert.is_false(dict:compare_and_set("k", "1", 2))
    assert.equal(1, dict:get("k"))
    assert.is_true(dict:compare_and_set("k", 1, false))
    assert.is_false(dict:compare_and_set("k", nil, 2))
    assert.is_false(dict:get("k"))
    assert.is_true(dict:compare_and_set("k", false, nil))
    assert.is_false(dict:has("k"))
    assert.is_true(dict:compare_and_set("k", nil, nil))
    assert.equal(0, dict:len())
  end)

  local cyclic = { 1 }
  cyclic.self = { cyclic }
  local deep = {}
  for _ = 1, 100000 do
    deep = { deep }
  end
  local class = {}
  for name, value in pairs({
    table = { 1, { a = { "x" }, [true] = false } }, NaN = 0 / 0, ["NaN in a table"] = { 0 / 0 },
    cycle = cyclic, ["deep table"] = deep, instance = setmetatable({ 1 }, class), ["function"] = contents,
    struct = ffi.new("struct dict_spec_point", 1, 2), array = ffi.new("int[3]", 1, 2, 3),
    ["64-bit integer"] = 5LL, dictionary = { aimp.Dict() },
  }) do
    it("takes what get gave for what is there: " .. name, function()
      local dict = aimp.Dict({ initial = { k = value } })
      assert.is_true(dict:compare_and_set("k", dict:get("k"), "new"))
      assert.equal("new", dict:get("k"))
    end)
  end

  local point = ffi.new("struct dict_spec_point", 1, 2)
  for name, pair in pairs({
    ["a missing field"] = { { 1, 2 }, { 1 } },
    ["one more field"] = { { 1 }, { 1, a = 2 } },
    ["a deep difference"] = { { a = { b = { 1 } } }, { a = { b = { 2 } } } },
    ["another metatable"] = { setmetatable({ 1 }, class), { 1 } },
    ["another dictionary"] = { aimp.Dict(), aimp.Dict() },
    ["another lock"] = { aimp.Lock(), aimp.Lock() },
    ["another function"] = { function() end, function() end },
    ["another struct"] = { point, ffi.new("struct dict_spec_point", 1, 3) },
    ["another size of integer"] = { 1LL, 1ULL },
    ["an integer for a number"] = { 1LL, 1 },
    ["a cycle of another shape"] = { cyclic, { 1, self = { { 1, self = { { 2 } } } } } },
  }) do
    it("sees " .. name, function()
      local dict = aimp.Dict({ initial = { k = pair[1] } })
      assert.is_false(dict:compare_and_set("k", pair[2], "new"))
      assert.is_true(dict:has("k"))
    end)
  end
end)

describe("dict:on_change", function()
  local function listen(dict, log)
    return dict:on_change(function(key, new, old)
      log[#log + 1] = { key, new == nil and "nil" or new, old == nil and "nil" or old }
    end)
  end

  it("tells what is stored and deleted, with the value before, in order", function()
    local dict, log = aimp.Dict({ initial = { a = 1 } }), {}
    listen(dict, log)
    dict:set("a", 2)
    dict:set("a", 2)
    dict:add("a", 9)
    dict:add("b", false)
    dict:incr("a")
    dict:compare_and_set("a", 3, { 4 })
    dict:compare_and_set("a", 3, 9)
    dict:update({ b = 5 })
    dict:delete("a")
    dict:delete("a")
    dict:clear()
    assert.same({}, log) -- not within the change
    aimp.sleep(0)
    assert.same({
      { "a", 2, 1 }, { "a", 2, 2 }, { "b", false, "nil" }, { "a", 3, 2 }, { "a", { 4 }, 3 },
      { "b", 5, false }, { "a", "nil", { 4 } }, { "b", "nil", 5 },
    }, log)
  end)

  it("tells nothing from before, and nothing once cancelled", function()
    local dict, log, first, report = aimp.Dict(), {}, {}, fiber.on_error
    local reported = 0
    fiber.on_error = function() reported = reported + 1 end
    dict:set("a", 1)
    local subscription = listen(dict, log)
    listen(dict, first)
    dict:set("b", 2)
    aimp.sleep(0)
    assert.same({ { "b", 2, "nil" } }, log)
    dict:set("c", 3)
    subscription:cancel() -- what has happened is on its way
    subscription:cancel()
    dict:set("d", 4)
    aimp.sleep(0)
    fiber.on_error = report
    assert.equal(1, #log)
    assert.equal(3, #first)
    assert.equal(0, reported)
  end)

  it("can be cancelled by its own function", function()
    local dict, count = aimp.Dict(), 0
    local subscription
    subscription = dict:on_change(function()
      count = count + 1
      subscription:cancel()
    end)
    dict:set("a", 1)
    dict:set("a", 2)
    aimp.sleep(0)
    assert.equal(1, count)
  end)

  it("gives each its own copies", function()
    local dict, seen = aimp.Dict({ initial = { k = { 0 } } }), {}
    for i = 1, 2 do
      dict:on_change(function(_, new, old)
        seen[i] = { new[1], old[1] }
        new[1], old[1] = "spoilt", "spoilt"
      end)
    end
    dict:set("k", { 1 })
    aimp.sleep(0)
    assert.same({ { 1, 0 }, { 1, 0 } }, seen)
    assert.same({ 1 }, dict:get("k"))
  end)

  it("reports an error of the function, and tells the others and the next", function()
    local dict, log, reported = aimp.Dict(), {}, {}
    local report = fiber.on_error
    fiber.on_error = function(err) reported[#reported + 1] = err end
    dict:on_change(function() error("sorry") end)
    dict:on_change(function() aimp.sleep(0) end)
    listen(dict, log)
    dict:set("a", 1)
    dict:set("a", 2)
    aimp.sleep(0)
    fiber.on_error = report
    assert.equal(2, #log)
    assert.equal(4, #reported)
    assert.matches("dict_spec.lua:%d+: sorry", reported[1].message)
    assert.matches("aimp.sleep needs a running task", reported[2].message)
  end)

  it("may change the dictionary, and tells that too", function()
    local dict, seen = aimp.Dict(), {}
    dict:on_change(function(key, new)
      seen[#seen + 1] = new
      if new < 3 then
        dict:incr(key)
      end
    end)
    dict:set("n", 1)
    support.eventually(function() return #seen == 3 end, "three changes")
    assert.same({ 1, 2, 3 }, seen)
  end)

  it("keeps no dictionary that nobody has", function()
    local left = setmetatable({}, { __mode = "k" })
    local function use()
      local dict = aimp.Dict({ ttl = 3600, initial = { a = 1 } })
      dict:on_change(function() return dict end)
      dict:set("a", 2)
      left[dict._core] = true
    end
    aimp.spawn(use):await() -- in a stack of its own, which is gone then
    support.eventually(function()
      jit.flush() -- traces hold what they were compiled for
      collectgarbage()
      return next(left) == nil
    end, "it is collected")
    -- The helper sees to it that its timer is gone too.
  end)
end)

describe("misuse of aimp.Dict", function()
  it("sets no fields", function()
    local dict = aimp.Dict()
    misuse('an aimp.Dict is set with dict:set%("name", value%)', function() dict.name = 1 end)
    misuse("dict:set%(7, value%)", function() dict[7] = 1 end)
    assert.equal(0, dict:len())
    assert.equal("aimp.Dict", tostring(dict))
  end)

  local dict = aimp.Dict({ initial = { a = 1 } })

  it("is refused for keys that are none, at the caller's line", function()
    for _, method in ipairs({
      "get", "has", "set", "add", "incr", "compare_and_set", "delete", "ttl", "expire",
    }) do
      local expected = "bad argument #1 to 'dict:" .. method .. "'.*a key is.*got "
      misuse(expected .. "nothing", function() dict[method](dict) end)
      misuse(expected .. "NaN", function() dict[method](dict, 0 / 0, 1) end)
      misuse(expected .. "a table", function() dict[method](dict, {}, 1) end)
      misuse(expected .. "a function", function() dict[method](dict, print, 1) end)
    end
    misuse("a key of the entries is a table", function() dict:update({ [{}] = 1 }) end)
    misuse("a key of option 'initial' is a function", function() aimp.Dict({ initial = { [print] = 1 } }) end)
  end)

  it("is refused for values and numbers", function()
    misuse("bad argument #2 to 'dict:set'.*dict:delete", function() dict:set("a") end)
    misuse("bad argument #2 to 'dict:add'.*dict:delete", function() dict:add("a", nil) end)
    misuse("bad argument #2 to 'dict:incr' %(expected a number", function() dict:incr("a", "1") end)
    misuse("bad argument #2 to 'dict:incr' %(expected a number", function() dict:incr("a", 0 / 0) end)
    misuse("bad argument #3 to 'dict:incr'", function() dict:incr("a", 1, {}) end)
    misuse("bad argument #1 to 'dict:update'", function() dict:update(5) end)
    misuse("bad argument #1 to 'dict:on_change' %(expected a function", function() dict:on_change({}) end)
  end)

  it("is refused for times to live", function()
    for _, bad in ipairs({ 0, -1, 0 / 0, "1", -1 / 0 }) do
      misuse("dict:set: option 'ttl' must be", function() dict:set("a", 1, { ttl = bad }) end)
      misuse("dict:add: option 'ttl' must be", function() dict:add("a", 1, { ttl = bad }) end)
      misuse("dict:incr: option 'ttl' must be", function() dict:incr("a", 1, 0, { ttl = bad }) end)
      misuse("dict:update: option 'ttl' must be", function() dict:update({}, { ttl = bad }) end)
      misuse("set: option 'ttl' must be", function() dict:compare_and_set("a", 1, 2, { ttl = bad }) end)
      misuse("aimp.Dict: option 'ttl' must be", function() aimp.Dict({ ttl = bad }) end)
      misuse("bad argument #2 to 'dict:expire'", function() dict:expire("a", bad) end)
    end
    misuse("bad argument #2 to 'dict:expire'", function() dict:expire("a") end)
  end)

  it("is refused for options and for what is no dictionary", function()
    misuse("unknown option 'tll', did you mean 'ttl'", function() dict:set("a", 1, { tll = 1 }) end)
    misuse("dict:set: options must be a table", function() dict:set("a", 1, 60) end)
    misuse("aimp.Dict: unknown option 'size'", function() aimp.Dict({ size = 1 }) end)
    misuse("option 'initial' must be a table", function() aimp.Dict({ initial = "a" }) end)
    for _, method in ipairs({ "get", "keys", "items", "len", "clear", "update", "on_change" }) do
      misuse("dict:" .. method .. ": not a Dict; call its methods with a colon", function()
        dict[method]("a")
      end)
    end
    misuse("not a subscription", function() dict:on_change(print).cancel() end)
  end)

  it("changes nothing", function()
    assert.same({ a = 1 }, contents(dict))
    assert.is_nil(dict:ttl("a"))
    assert.is_false(errors.is(dict))
  end)
end)
