-- SPDX-License-Identifier: MIT
local buffer = require("string.buffer")
local ffi = require("ffi")
local generate = require("spec.codec.generate")
local support = require("spec.codec.support")

local plain = support.plain
local is_alike = support.is_alike

describe("values", function()
  local pair

  before_each(function()
    pair = support.pair()
  end)

  it("that are scalars arrive as they are", function()
    local values = { nil, true, false, 0, -0.0, 1.5, 1 / 0, "", "a\0b", 5LL, 7ULL, 1i, n = 12 }
    for i = 1, values.n do
      assert.is_true(is_alike(values[i], (pair:send(values[i]))))
      assert.is_true(is_alike(values[i], (pair:back(values[i]))))
    end
    local nan = pair:send(0 / 0)
    assert.is_true(nan ~= nan)
  end)

  it("keep their number, nils included", function()
    assert.equal(0, select("#", pair:send()))
    assert.equal(3, select("#", pair:send(nil, nil, nil)))
    assert.same({ nil, 2, nil, {}, nil, n = 5 }, { n = select("#", pair:send(nil, 2, nil, {}, nil)),
      pair:send(nil, 2, nil, {}, nil) })
    local t = setmetatable({}, {})
    assert.equal(5, select("#", pair:send(nil, t, nil, t, nil)))
  end)

  it("that are the null of JSON libraries arrive as they are", function()
    local light = buffer.decode("\3")
    assert.equal("userdata", type(light))
    assert.equal(light, (pair:send(light)))
    assert.equal(light, pair:send({ { light } })[1][1])
    assert.equal(light, (pair:back(light)))
  end)

  it("generated plain arrive alike", function()
    for seed = 1, 300 do
      local value = generate.value(seed, {})
      assert.is_true(is_alike(value, (pair:send(value))), "seed " .. seed)
      assert.is_true(is_alike(value, (pair:back(value))), "seed " .. seed)
    end
  end)

  it("generated with sharing and cycles arrive alike", function()
    for seed = 1, 300 do
      local value = generate.value(seed, { sharing = true })
      assert.is_true(is_alike(value, (pair:send(value))), "seed " .. seed)
      assert.is_true(is_alike(value, (pair:back(value))), "seed " .. seed)
      local a, b = pair:send(value, { value })
      assert.is_true(type(value) ~= "table" or a == b[1], "seed " .. seed)
    end
  end)

  it("of classes keep their class, here and back", function()
    for seed = 1, 100 do
      local value = generate.value(seed, { sharing = true, classes = true })
      local there = pair:send(value)
      local back = pair:back(there)
      assert.is_true(is_alike(value, back))
      if type(value) == "table" then
        assert.equal(getmetatable(value), getmetatable(back))
        assert.equal(getmetatable(value) == nil, getmetatable(there) == nil)
      end
    end
  end)

  it("nested a million levels deep arrive", function()
    local value = { "end" }
    for i = 1, 1e6 do
      value = { i, value }
    end
    local received, depth = pair:send(value), 0
    while received[2] do
      received, depth = received[2], depth + 1
    end
    assert.equal(1e6, depth)
    assert.equal("end", received[1])
  end)

  it("around the depth where string.buffer gives up arrive", function()
    for depth = 85, 105 do
      local value = {}
      for _ = 1, depth do
        value = { value }
      end
      assert.is_true(is_alike(value, (pair:send(value))))
      assert.is_true(is_alike(value, (pair:back(value))))
    end
  end)

  it("in lists keep their places", function()
    local list = { 1, nil, "x", { 2 }, nil, 6, 7 }
    for _, extra in ipairs({ {}, setmetatable({}, {}) }) do
      list[4] = extra
      local buf = buffer.new()
      local format, needs = pair.sender:pack_list(buf, list, 2, 6)
      pair:sync(needs)
      local items = pair.receiver:unpack_list(buf, format, 5)
      assert.same({ nil, "x", {}, nil, 6 }, items)
    end
  end)

  it("leave the buffer as it was when they are refused", function()
    local buf = buffer.new():put("before")
    assert.is_false(pcall(pair.sender.pack, pair.sender, buf, 2, { 1 }, coroutine.create(function() end)))
    assert.equal("before", buf:tostring())
  end)
end)

describe("metatables", function()
  it("by value are one table for all sends", function()
    local pair = support.pair()
    local Point = {}
    Point.__index = Point
    Point.__add = plain(function(a, b) return setmetatable({ x = a.x + b.x }, Point) end)
    local p = setmetatable({ x = 1 }, Point)
    local first, second = pair:send(p), pair:send(p)
    assert.is_not.equal(first, second)
    assert.is_not.equal(Point, getmetatable(first))
    assert.equal(getmetatable(first), getmetatable(second))
    assert.equal(2, (first + second).x)
    assert.equal(getmetatable(first), getmetatable(first + second))
    assert.equal(p.x, pair:back(first).x)
    assert.equal(Point, getmetatable(pair:back(first)))
  end)

  it("are the class that functions capture", function()
    local pair = support.pair()
    local Point = {}
    Point.__index = Point
    local is_point = plain(function(p) return getmetatable(p) == Point end)
    local make = plain(function() return setmetatable({}, Point) end)
    assert.is_true(pair:call(is_point, setmetatable({}, Point)))
    assert.is_true(pair:fn(is_point)(pair:call(make)))
    assert.equal(Point, getmetatable(pair:back(pair:call(make))))
    Point.later = plain(function() return "added" end)
    assert.equal("added", pair:send(setmetatable({}, Point)).later())
  end)

  it("inherit", function()
    local pair = support.pair()
    local Base = { name = "base" }
    Base.__index = Base
    local Derived = setmetatable({}, Base)
    Derived.__index = Derived
    local there = pair:send(setmetatable({}, Derived))
    assert.equal("base", there.name)
    assert.equal(there.class, nil)
    local same = plain(function(d, b) return getmetatable(getmetatable(d)) == getmetatable(b) end)
    assert.is_true(pair:call(same, setmetatable({}, Derived), setmetatable({}, Base)))
  end)

  it("of modules travel by name, also those of a class within a class", function()
    local pair = support.pair()
    local bank = require("spec.codec.modules.bank")
    assert.equal(bank.Account, getmetatable((pair:send(bank.open(1)))))
    assert.equal(bank.Account, getmetatable((pair:back(bank.open(1)))))
    assert.equal(0, #pair.log)
    local hidden = pair:send(bank.hidden(5))
    assert.equal(5, hidden:get())
  end)

  it("make weak tables", function()
    local pair = support.pair()
    local t = pair:send(setmetatable({ a = 1 }, { __mode = "k" }))
    assert.equal("k", getmetatable(t).__mode)
    assert.equal("v", getmetatable((pair:back(setmetatable({}, { __mode = "v" })))).__mode)
  end)

  it("are found behind __metatable", function()
    local pair = support.pair()
    local t = pair:send(setmetatable({}, { __metatable = "locked", __index = { x = 1 } }))
    assert.equal("locked", getmetatable(t))
    assert.equal(1, t.x)
  end)
end)

describe("FFI values", function()
  ffi.cdef([[
    struct spec_point { double x, y; };
    struct spec_deep { int n; struct spec_point corners[2]; struct { char tag; }; unsigned bits : 3; };
    struct spec_holder { char *text; };
    struct spec_string { int n; char text[?]; };
    union spec_either { int i; float f; };
    typedef struct { int x; } spec_unnamed;
    enum spec_colour { SPEC_RED, SPEC_GREEN };
  ]])

  it("without pointers arrive with their bytes", function()
    local pair = support.pair()
    local deep = ffi.new("struct spec_deep", { n = 3, corners = { { 1, 2 }, { 3, 4 } }, bits = 5 })
    local received = pair:send(deep)
    assert.is_true(ffi.istype("struct spec_deep", received))
    assert.same({ 3, 4, 5 }, { received.n, received.corners[1].y, received.bits })
    assert.equal(2.5, pair:back(ffi.new("union spec_either", { f = 2.5 })).f)
    assert.equal(1, tonumber((pair:send(ffi.new("enum spec_colour", "SPEC_GREEN")))))
    assert.equal(7, tonumber((pair:send(ffi.new("int", 7)))))
    local array = pair:send(ffi.new("double[?]", 3, { 1, 2, 3 }))
    assert.equal(24, ffi.sizeof(array))
    assert.equal(3, array[2])
    assert.equal(4, pair:send(ffi.new("struct spec_point[2]", { { 1, 2 }, { 3, 4 } }))[1].y)
    assert.equal(0, ffi.sizeof((pair:send(ffi.new("char[?]", 0)))))
  end)

  it("keep being one where they are shared", function()
    local pair = support.pair()
    local p = ffi.new("struct spec_point")
    local a, b = pair:send({ p }, p)
    a[1].x = 5
    assert.equal(5, b.x)
  end)

  it("may be types, also as upvalues", function()
    local pair = support.pair()
    local point = ffi.typeof("struct spec_point")
    local fn = plain(function(x) return point(x, 0) end)
    assert.equal(4, pair:call(fn, 4).x)
    assert.equal(0, pair:call(fn, 4).y)
    assert.is_true(pair:send(ffi.typeof("const char *")) == ffi.typeof("const char *"))
  end)

  for what, make in pairs({
    ["pointer (void *)"] = function() return ffi.cast("void *", 1) end,
    ["cdata with pointers (struct spec_holder)"] = function() return ffi.new("struct spec_holder") end,
    ["cdata with pointers (char *[2])"] = function() return ffi.new("char *[2]") end,
    ["cdata of variable length (struct spec_string)"] = function()
      return ffi.new("struct spec_string", 4)
    end,
  }) do
    it("are refused: " .. what, function()
      local ok, err = pcall(function() return support.pair():send({ value = make() }) end)
      assert.is_false(ok)
      assert.equal("ENCODE", err.code)
      assert.equal("cannot send " .. what .. " at argument 1 → value", err.message)
    end)
  end

  it("are refused without a name", function()
    local ok, err = pcall(function() return support.pair():send(ffi.new("spec_unnamed")) end)
    assert.is_false(ok)
    assert.matches("cannot send cdata of a type without a name %(struct %d+%) at argument 1", err.message)
  end)

  it("whose type the other side does not know are DECODE errors there", function()
    local recorder = support.recorder()
    recorder:call(plain(function(x) return x.x end), ffi.new("struct spec_point"))
    local text = recorder:run()[1].error
    assert.matches("FFI type 'struct spec_point' is not declared in this process", text, 1, true)
  end)
end)
