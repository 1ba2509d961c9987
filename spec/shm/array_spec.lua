-- SPDX-License-Identifier: MIT
--- Shared arrays in one process: elements, bounds, what is misuse. In workers: workers_spec.lua.
local describe, it, before_each, after_each = describe, it, before_each, after_each
local assert = require("luassert")

local aimp = require("aimp")
local ffi = require("ffi")
local support = require("spec.pool.support")

local misuse = support.misuse

after_each(jit.flush) -- a compiled trace may hold the array that it was compiled for

ffi.cdef([[
struct shm_point { double x, y; };
struct shm_record { char name[8]; struct shm_point at[2]; int64_t big; bool is_on; };
typedef struct { int value; } shm_typedef;
enum shm_colour { SHM_RED, SHM_GREEN };
struct shm_list { struct shm_list *next; int value; };
]])

-- The array's elements as a list.
local function list_of(array)
  local list = {}
  for i = 0, array:length() - 1 do
    list[i + 1] = array[i]
  end
  return list
end

describe("aimp.shm.array", function()
  it("makes zeros that are read and written by index and by method, from 0", function()
    local array = aimp.shm.array("double", 4)
    assert.same({ 0, 0, 0, 0 }, list_of(array))
    array[0] = 1.5
    array:set(1, -2)
    array[3] = math.huge
    assert.same({ 1.5, -2, 0, math.huge }, { array:get(0), array:get(1), array:get(2), array:get(3) })
    assert.same({ 1.5, -2, 0, math.huge }, list_of(array))
  end)

  it("knows its length", function()
    local array = aimp.shm.array("int32_t", 12345)
    assert.equal(12345, #array)
    assert.equal(12345, array:length())
    assert.equal("aimp.shm.array('int32_t', 12345)", tostring(array))
  end)

  it("takes a type by name, as an object and without a name", function()
    for _, ctype in ipairs({ "double", ffi.typeof("double") }) do
      local array = aimp.shm.array(ctype, 2)
      array[1] = 0.25
      assert.same({ 0, 0.25 }, list_of(array))
    end
    for _, ctype in ipairs({ "struct { int a; }", ffi.typeof("struct { int a; }"), "shm_typedef" }) do
      assert.equal(2, #aimp.shm.array(ctype, 2))
    end
  end)

  it("converts numbers as FFI arrays do", function()
    local plain = { "int8_t", "uint8_t", "int16_t", "uint16_t", "int32_t", "uint32_t", "float", "double" }
    for _, ctype in ipairs(plain) do
      local array, like = aimp.shm.array(ctype, 1), ffi.new(ctype .. "[1]")
      for _, value in ipairs({ 0, 1, -1, 100, 1.75, -1.75 }) do
        array[0], like[0] = value, value
        assert.equal(like[0], array[0], ctype)
        assert.equal(like[0], array:get(0), ctype)
      end
    end
  end)

  it("holds 64-bit integers exactly, as cdata or given as numbers", function()
    local signed, unsigned = aimp.shm.array("int64_t", 3), aimp.shm.array("uint64_t", 3)
    signed[0], signed[1] = -9223372036854775807LL, 5
    signed:set(2, -5)
    assert.is_true(signed[0] == -9223372036854775807LL and signed[1] == 5LL and signed:get(2) == -5LL)
    unsigned[0], unsigned[1] = 18446744073709551615ULL, 5
    unsigned[2] = -1 -- wraps around
    assert.is_true(unsigned[0] == 0xffffffffffffffffULL and unsigned[1] == 5ULL)
    assert.is_true(unsigned:get(2) == 0xffffffffffffffffULL)
    assert.is_true(ffi.istype("int64_t", signed[0]) and ffi.istype("uint64_t", unsigned[0]))
    local int = aimp.shm.array("int32_t", 1)
    int[0] = 7LL
    assert.equal(7, int[0])
  end)

  it("holds booleans, enums and complex numbers", function()
    local flags = aimp.shm.array("bool", 2)
    flags[1] = true
    assert.same({ false, true }, list_of(flags))
    local colours = aimp.shm.array("enum shm_colour", 2)
    colours[0], colours[1] = "SHM_GREEN", 0
    assert.same({ 1, 0 }, { tonumber(colours[0]), tonumber(colours:get(1)) })
    local z = aimp.shm.array("complex", 2)
    z[1] = ffi.new("complex", 3, -4)
    local copy = z[1]
    z[1] = 1
    assert.same({ 3, -4, 1, 0 }, { copy.re, copy.im, z[1].re, z[1].im })
  end)

  it("holds structs: by index in place, by get as copies", function()
    local array = aimp.shm.array("struct shm_point", 3)
    array[1].x = 4
    local reference, copy = array[1], array:get(1)
    array[1].x = 5
    assert.same({ 5, 4 }, { reference.x, copy.x })
    copy.y = 6
    assert.equal(0, array[1].y)
    array:set(1, copy)
    array[2] = array[1]
    assert.same({ 4, 6, 4, 6 }, { array[1].x, array[1].y, array[2].x, array[2].y })
    assert.is_true(ffi.istype("struct shm_point", copy))
  end)

  it("sets whole structs from tables: what is left out is zero", function()
    local array = aimp.shm.array("struct shm_point", 2)
    array[0] = { x = 1, y = 2 }
    array[0] = { y = 3 }
    array:set(1, { 7, 8 })
    assert.same({ 0, 3, 7, 8 }, { array[0].x, array[0].y, array[1].x, array[1].y })
  end)

  it("holds structs with arrays and structs in them, and arrays", function()
    local array = aimp.shm.array("struct shm_record", 2)
    array[1] = { name = "abc", at = { { 1, 2 }, { 3, 4 } }, big = -1LL, is_on = true }
    local record = array:get(1)
    assert.same({ "abc", 4, true, true },
      { ffi.string(record.name), record.at[1].y, record.big == -1LL, record.is_on })
    local rows = aimp.shm.array("int32_t[3]", 2)
    rows[0] = { 1, 2, 3 }
    rows[1][2] = 9
    local row = rows:get(0)
    rows[0][0] = 5
    assert.same({ 1, 2, 3, 5, 9 }, { row[0], row[1], row[2], rows[0][0], rows[1][2] })
    local names = aimp.shm.array("char[8]", 2)
    names[0] = "abcdefg"
    names[1] = "x"
    assert.equal("abcdefg\0x\0\0\0\0\0\0\0", ffi.string(names.ptr, 16))
  end)

  it("gives a pointer for what is not checked", function()
    local array = aimp.shm.array("float", 1000)
    local p = array.ptr
    assert.matches("^cdata<float %*>", tostring(p))
    for i = 0, #array - 1 do
      p[i] = i / 2
    end
    assert.same({ 0, 499.5 }, { array[0], array[999] })
    assert.is_true(rawequal(p, array.ptr))
  end)

  it("fills itself and copies lists and other arrays", function()
    local array, other = aimp.shm.array("int32_t", 5), aimp.shm.array("int32_t", 3)
    array:fill(7)
    assert.same({ 7, 7, 7, 7, 7 }, list_of(array))
    other:copy({ 1, 2 })
    array:copy(other)
    assert.same({ 1, 2, 0, 7, 7 }, list_of(array))
    local points = aimp.shm.array("struct shm_point", 3)
    points:fill({ x = 2, y = 1 })
    assert.same({ 2, 1, 2, 1 }, { points[0].x, points[0].y, points[2].x, points[2].y })
    local big = aimp.shm.array("uint64_t", 2)
    big:fill(-1)
    assert.is_true(big[0] == -1ULL and big[1] == -1ULL)
  end)

  it("has elements that may be read in loops that LuaJIT compiles", function()
    local array, sum, sum_got = aimp.shm.array("double", 1000), 0, 0
    for round = 1, 100 do
      for i = 0, #array - 1 do
        array[i] = i + round
      end
    end
    for i = 0, #array - 1 do
      sum, sum_got = sum + array[i], sum_got + array:get(i)
    end
    assert.same({ 599500, 599500 }, { sum, sum_got })
  end)

  it("is refused at the caller's line for a wrong type", function()
    for _, case in ipairs({
      { "nonsense", "unknown C type 'nonsense'" },
      { "struct shm_nowhere", "unknown C type 'struct shm_nowhere'" },
      { "double[", "unknown C type" }, { "", "unknown C type" }, { 5, "got a number" }, { {}, "got a table" },
      { ffi.new("double", 1), "got a cdata" }, { "double *", "'double %*' have pointers" },
      { "struct shm_list", "'struct shm_list' have pointers" }, { "int[2][?]", "unknown C type" },
      { "int[?]", "'int%[%?%]' have variable length" }, { "struct { int v[?]; }", "variable length" },
      { "void", "'void' have no values" }, { "int (int)", "have no values" },
      { "int (*)(int)", "have pointers" },
      { "const int", "'const int' could not be written" }, { "struct {}", "have no size" },
      { "double[]", "have no size" },
    }) do
      misuse("bad argument #1 to 'aimp%.shm%.array' %(.*" .. case[2], function()
        return nil, aimp.shm.array(case[1], 10)
      end)
    end
    misuse("expected the name of a C type .* got a nil", function() return nil, aimp.shm.array() end)
  end)

  it("is refused at the caller's line for a wrong number of elements", function()
    for _, case in ipairs({
      { 0, "at least 1 element, got 0" }, { -1, "at least 1 element, got %-1" },
      { 1.5, "expected an integer, got 1%.5" }, { 0 / 0, "expected an integer" },
      { math.huge, "expected an integer" }, { "10", "expected an integer, got the string '10'" },
      { nil, "expected an integer, got nothing" }, { 10LL, "expected an integer, got a cdata" },
    }) do
      misuse("bad argument #2 to 'aimp%.shm%.array' %(.*" .. case[2], function()
        return nil, aimp.shm.array("double", case[1])
      end)
    end
  end)

  it("that is too large for memory is refused at the caller's line", function()
    for _, n in ipairs({ 1e14, 2 ^ 52, 2 ^ 53 - 1 }) do
      misuse("cannot make %d+ bytes of shared memory: Cannot allocate memory", function()
        return nil, aimp.shm.array("double", n)
      end)
    end
    misuse("no machine has [%d.e+]+ bytes", function()
      return nil, aimp.shm.array("char[1048576]", 2 ^ 53 - 1)
    end)
  end)
end)

describe("a shared array refuses at the caller's line", function()
  local array

  before_each(function()
    array = aimp.shm.array("double", 10)
  end)

  after_each(function()
    array = nil
  end)

  local function use(method, ...)
    local arguments = { n = select("#", ...), ... }
    return function()
      return nil, array[method](array, unpack(arguments, 1, arguments.n))
    end
  end

  it("what is no index", function()
    for _, i in ipairs({ 10, -1, 1.5, 0 / 0, math.huge, 2 ^ 40 }) do
      local pattern = "index [-%w.+]+ is no integer from 0 to 9"
      misuse(pattern, use("get", i))
      misuse(pattern, use("set", i, 1))
      misuse(pattern, function() return nil, array[i] end)
      misuse(pattern, function() array[i] = 1 end)
    end
    misuse("index of type string is no integer", use("get", "1"))
    misuse("index of type nil is no integer", use("set", nil, 1))
    misuse("index of type cdata is no integer", use("get", 1LL))
  end)

  it("what is no value of its type", function()
    for _, value in ipairs({ "1", {}, print }) do
      misuse("array:set: cannot convert", use("set", 0, value))
      misuse("array:fill: cannot convert", use("fill", value))
      misuse("_spec%.lua:%d+: cannot convert", function() array[0] = value end)
    end
    misuse("cannot convert 'nil' to 'double'", use("set", 0, nil))
    assert.equal(0, array[0])
    local points = aimp.shm.array("struct shm_point", 2)
    for _, value in ipairs({ 5, "x", { x = "y" }, ffi.new("int64_t", 3), ffi.new("struct shm_record") }) do
      misuse("cannot convert", function() points[1] = value end)
    end
    local flags = aimp.shm.array("bool", 1)
    misuse("cannot convert 'number' to 'bool'", function() flags[0] = 1 end)
  end)

  it("a field that is none", function()
    assert.is_nil(array.foo)
    misuse("no field 'foo' that can be set", function() array.foo = 1 end)
    misuse("no field 'ptr' that can be set", function() array.ptr = nil end)
  end)

  it("what cannot be copied", function()
    misuse("11 elements do not fit into 10", use("copy", support.numbers(11)))
    misuse("item 2: cannot convert 'string' to 'double'", use("copy", { 1, "x" }))
    misuse("expected a shared array or a list, got a number", use("copy", 5))
    misuse("expected a shared array or a list, got a cdata", use("copy", ffi.new("double[3]")))
    misuse("11 elements do not fit into 10", use("copy", aimp.shm.array("double", 11)))
    misuse("elements of 'float' cannot become 'double'", use("copy", aimp.shm.array("float", 3)))
  end)

  it("a method without the array", function()
    local methods = { "get", "set", "length", "fill", "copy", "add", "cas", "close" }
    for _, method in ipairs(methods) do
      misuse(method .. ": not a shared array; call it as array:" .. method, function()
        return nil, array[method](5)
      end)
    end
  end)
end)

describe("a shared array that was closed", function()
  it("refuses all that uses it at the caller's line", function()
    local array, other = aimp.shm.array("int32_t", 10), aimp.shm.array("int32_t", 10)
    array:close()
    local uses = {
      function() return nil, array[0] end, function() array[0] = 1 end, function() return nil, #array end,
      function() return nil, array.ptr end, function() array:get(0) end, function() array:set(0, 1) end,
      function() return nil, array:length() end, function() array:fill(0) end,
      function() array:copy({ 1 }) end, function() other:copy(array) end,
      function() array:add(0, 1) end, function() array:cas(0, 0, 1) end,
    }
    for _, use in ipairs(uses) do
      misuse("the shared array is closed", use)
    end
  end)

  it("may be closed again and printed", function()
    local array = aimp.shm.array("int32_t", 10)
    array:close()
    array:close()
    assert.equal("aimp.shm.array (closed)", tostring(array))
  end)

  it("is closed by aimp.with, also when that fails", function()
    local inside
    aimp.with(aimp.shm.array("int32_t", 1), function(a)
      inside = a
      a[0] = 1
    end)
    misuse("closed", function() return nil, inside[0] end)
    assert.is_false(pcall(aimp.with, aimp.shm.array("int32_t", 1), function(a)
      inside = a
      error("x")
    end))
    misuse("closed", function() return nil, inside[0] end)
  end)
end)
