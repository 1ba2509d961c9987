-- SPDX-License-Identifier: MIT
--- add and cas: what they return and refuse, and that processes which use them together lose nothing.
local describe, it, after_each, assert = describe, it, after_each, require("luassert")

local aimp = require("aimp")
local ffi = require("ffi")
local support = require("spec.pool.support")

local misuse = support.misuse
local small = { "int8_t", "uint8_t", "int16_t", "uint16_t", "int32_t", "uint32_t" }

after_each(jit.flush) -- a compiled trace may hold the array that it was compiled for

local function with_pool(name, body)
  it(name, support.pooled({ processes = 2 }, body))
end

-- Runs fn(array, a barrier's array, times) in both workers at the same time.
local function in_both(pool, fn, array, times)
  local met, tasks = aimp.shm.array("int32_t", 1), {}
  support.pids(pool)
  for i = 1, 2 do
    tasks[i] = pool:submit(fn, { array, met, times }, { key = i })
  end
  aimp.gather(tasks)
end

describe("array:add", function()
  it("returns the new value and wraps around as the type does", function()
    for _, ctype in ipairs(small) do
      local array, like = aimp.shm.array(ctype, 3), ffi.new(ctype .. "[1]")
      for _, n in ipairs({ 1, 100, -3, 2 ^ 31, -2 ^ 15, 127, 2 ^ 32 + 1, -1 }) do
        like[0] = ffi.cast("int64_t", like[0]) + ffi.cast("int64_t", n)
        assert.equal(like[0], array:add(1, n), ctype)
        assert.equal(like[0], array[1], ctype)
      end
      assert.same({ 0, 0 }, { array[0], array[2] })
    end
  end)

  it("adds 64-bit integers exactly", function()
    local signed, unsigned = aimp.shm.array("int64_t", 1), aimp.shm.array("uint64_t", 1)
    assert.is_true(signed:add(0, 2 ^ 53) == 9007199254740992LL)
    assert.is_true(signed:add(0, 1) == 9007199254740993LL)
    assert.is_true(signed:add(0, -9007199254740995LL) == -2LL)
    assert.is_true(ffi.istype("int64_t", signed:add(0, 0)))
    assert.is_true(unsigned:add(0, -1) == 0xffffffffffffffffULL)
    assert.is_true(unsigned:add(0, 3ULL) == 2ULL)
    assert.is_true(ffi.istype("uint64_t", unsigned:add(0, 0)))
    local int = aimp.shm.array("int32_t", 1)
    assert.equal(-5, int:add(0, -5LL))
  end)

  it("refuses at the caller's line what is no integer", function()
    local array = aimp.shm.array("int32_t", 2)
    for _, n in ipairs({ 1.5, 0 / 0, math.huge, 2 ^ 63, "1", {}, ffi.new("complex", 1) }) do
      misuse("array:add: expected an integer", function() return nil, array:add(0, n) end)
    end
    misuse("expected an integer .*, got a nil", function() return nil, array:add(0) end)
    misuse("index 2 is no integer", function() return nil, array:add(2, 1) end)
    assert.equal(0, array[0])
  end)

  it("is misuse of anything but integers", function()
    for _, ctype in ipairs({ "double", "float", "bool", "complex", "int32_t[2]", "struct { int a; }" }) do
      local array = aimp.shm.array(ctype, 1)
      misuse("array:add: only integers can be changed atomically", function() return nil, array:add(0, 1) end)
      misuse("array:cas: only integers can be changed", function() return nil, array:cas(0, 0, 1) end)
    end
  end)

  with_pool("loses nothing of what two workers add to one element", function(pool)
    for _, ctype in ipairs({ "int32_t", "uint64_t", "uint16_t" }) do
      local array = aimp.shm.array(ctype, 3)
      in_both(pool, function(cells, met, times)
        met:add(0, 1)
        while met:add(0, 0) < 2 do end -- luacheck: ignore 542
        for _ = 1, times do
          cells:add(1, 3)
        end
      end, array, 300000)
      assert.equal(tonumber(ffi.cast(ctype, 1800000)), tonumber(array[1]), ctype)
      assert.same({ 0, 0 }, { tonumber(array[0]), tonumber(array[2]) })
    end
  end)

  with_pool("gives each caller a number of its own", function(pool)
    local next_ticket, taken = aimp.shm.array("int32_t", 1), aimp.shm.array("uint8_t", 200001)
    in_both(pool, function(cells, met, times)
      met:add(0, 1)
      while met:add(0, 0) < 2 do end -- luacheck: ignore 542
      for _ = 1, times do
        local ticket = cells.tickets:add(0, 1)
        cells.taken[ticket] = cells.taken[ticket] + 1
      end
    end, { tickets = next_ticket, taken = taken }, 100000)
    assert.equal(0, taken[0])
    for i = 1, 200000 do
      if taken[i] ~= 1 then
        assert.equal(1, taken[i], "ticket " .. i)
      end
    end
  end)
end)

describe("array:cas", function()
  it("sets what has the expected value, and nothing else", function()
    for _, ctype in ipairs(small) do
      local array = aimp.shm.array(ctype, 3)
      assert.is_false(array:cas(1, 1, 2))
      assert.equal(0, array[1])
      assert.is_true(array:cas(1, 0, 100))
      assert.is_false(array:cas(1, 0, 5))
      assert.is_true(array:cas(1, 100, 7))
      assert.same({ 0, 7, 0 }, { array[0], array[1], array[2] })
    end
    local signed = aimp.shm.array("int8_t", 1)
    assert.is_true(signed:cas(0, 0, -5))
    assert.is_true(signed:cas(0, -5, -128))
    assert.equal(-128, signed[0])
  end)

  it("compares 64-bit integers exactly, given as cdata or numbers", function()
    local array = aimp.shm.array("int64_t", 1)
    assert.is_true(array:cas(0, 0, 9007199254740993LL))
    assert.is_false(array:cas(0, 9007199254740992LL, 1))
    assert.is_true(array:cas(0, 9007199254740993LL, -1))
    assert.is_true(array:cas(0, -1LL, 3))
    assert.is_true(array[0] == 3LL)
    local unsigned = aimp.shm.array("uint64_t", 1)
    assert.is_true(unsigned:cas(0, 0ULL, 0xffffffffffffffffULL))
    assert.is_true(unsigned:cas(0, 0xffffffffffffffffULL, 2 ^ 40))
    assert.is_true(unsigned[0] == 1099511627776ULL)
  end)

  it("refuses at the caller's line what the type cannot hold", function()
    for ctype, wrong in pairs({
      int8_t = { 128, -129, 1.5 }, uint8_t = { 256, -1, "1" }, int32_t = { 2 ^ 31, 2 ^ 40, 0 / 0 },
      uint32_t = { 2 ^ 32, -1, 0x100000000ULL }, uint64_t = { -1, 2 ^ 63, {} },
      int64_t = { 2 ^ 63, -1e300, true },
    }) do
      local array = aimp.shm.array(ctype, 1)
      for _, value in ipairs(wrong) do
        local pattern = "array:cas: expected an integer that fits into '" .. ctype .. "'"
        misuse(pattern, function() return nil, array:cas(0, value, 0) end)
        misuse(pattern, function() return nil, array:cas(0, 0, value) end)
      end
      misuse("expected an integer .* got a nil", function() return nil, array:cas(0, 0) end)
      misuse("index 1 is no integer", function() return nil, array:cas(1, 0, 0) end)
      assert.equal(0, tonumber(array[0]))
    end
  end)

  with_pool("makes any change of an element one of two workers at a time", function(pool)
    for _, ctype in ipairs({ "int32_t", "int64_t" }) do
      local array = aimp.shm.array(ctype, 1)
      in_both(pool, function(cells, met, times)
        met:add(0, 1)
        while met:add(0, 0) < 2 do end -- luacheck: ignore 542
        for _ = 1, times do
          local old
          repeat
            old = cells:get(0)
          until cells:cas(0, old, old + 2)
        end
      end, array, 200000)
      assert.equal(800000, tonumber(array[0]), ctype)
    end
  end)
end)
