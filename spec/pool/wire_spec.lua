-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local bit = require("bit")
local ffi = require("ffi")
local codec = require("aimp.codec")
local errors = require("aimp.errors")
local store_module = require("aimp.pool.store")
local wire = require("aimp.pool.wire")

local TAG = require("aimp.ffi").TAG
local VALUE = store_module.VALUE

local function parent_sender()
  local position = 0
  return codec.sender({
    from_worker = false, what = "argument", forget = function() end,
    define = function()
      position = position + 1
      return position
    end,
  })
end

local sender = parent_sender()
local receiver = codec.receiver({ from_worker = true, peer = sender })
local worker_sender = codec.sender({ from_worker = true, what = "result" })

local function format_of(tag)
  return bit.band(tag, 0xff)
end

local function count_of(tag)
  return bit.rshift(tag, 8)
end

-- The bytes as the worker would get them; they are borrowed, so copied here.
local function packed(items, lo, hi, spread)
  local tag, needs, data, len = wire.pack_items(sender, items, lo, hi, spread)
  return tag, ffi.string(data, len), needs
end

-- What a worker sends for these results, as one frame.
local function frame_of(values, n, base)
  local buf = require("string.buffer").new()
  local format = worker_sender:pack_list(buf, values, 1, n)
  return base + format, buf:tostring()
end

local function unpack_batch(tag, bytes, first, count)
  local store = store_module.new()
  store:reserve(first + count - 1)
  local data = ffi.cast("const uint8_t *", bytes)
  local failure = wire.unpack_batch(receiver, tag, data, #bytes, first, count, store)
  return store, failure
end

local function refused(tag, bytes, count)
  local store, failure = unpack_batch(tag, bytes, 0, count)
  assert.is_true(errors.is(failure, "DECODE"), tostring(failure))
  assert.equal(store_module.MISSING, store:state_of(0))
  return failure
end

describe("packing items", function()
  it("sends numbers as doubles, bit for bit", function()
    local tag, bytes, needs = packed({ 9, 1.5, -0, 1 / 0, 0 / 0, 9 }, 2, 5, false)
    assert.equal(TAG.NUMBERS, format_of(tag))
    assert.equal(4, count_of(tag))
    assert.equal(0, needs)
    assert.equal(32, #bytes)
    local numbers = ffi.cast("const double *", bytes)
    assert.equal(1.5, numbers[0])
    assert.equal(-1 / 0, 1 / numbers[1])
    assert.equal(1 / 0, numbers[2])
    assert.is_true(numbers[3] ~= numbers[3])
  end)

  it("sends more numbers than ever before", function()
    local items = {}
    for i = 1, 5000 do
      items[i] = i
    end
    local _, bytes = packed(items, 1, 5000, false)
    local numbers = ffi.cast("const double *", bytes)
    assert.same({ 40000, 1, 5000 }, { #bytes, numbers[0], numbers[4999] })
    _, bytes = packed(items, 1001, 1002, false)
    assert.equal(1001, ffi.cast("const double *", bytes)[0])
  end)

  it("sends a list as soon as one item is no number", function()
    for _, other in ipairs({ "7", false, {}, 7LL }) do
      local tag = packed({ 1, 2, other }, 1, 3, false)
      assert.equal(TAG.LIST, bit.band(format_of(tag), 0xf0))
      assert.equal(3, count_of(tag))
    end
    assert.equal(TAG.LIST, bit.band(format_of(packed({ 1, nil, 3 }, 1, 3, false)), 0xf0))
  end)

  it("marks lists of arguments, also when there are no arguments", function()
    local tag = packed({ { 1, 2 }, {} }, 1, 2, true)
    assert.equal(TAG.MULTI, bit.band(format_of(tag), 0xf0))
  end)

  it("names the item that cannot be sent by its place in the whole list", function()
    local items = {}
    for i = 1, 20 do
      items[i] = "text"
    end
    local file = io.tmpfile()
    items[17] = { conn = file }
    local ok, err = pcall(wire.pack_items, sender, items, 11, 20, false)
    file:close()
    assert.is_false(ok)
    assert.is_true(errors.is(err, "ENCODE"), tostring(err))
    assert.matches("item 17.*conn", err.message)
  end)
end)

describe("unpacking a batch", function()
  it("reads packed numbers", function()
    local bytes = ffi.string(ffi.new("double[3]", 1, -0.0, 0 / 0), 24)
    local store = unpack_batch(TAG.NUMBERS, bytes, 40, 3)
    assert.equal(1, select(2, store:take(40)))
    assert.equal(-1 / 0, 1 / select(2, store:take(41)))
    local state, nan = store:take(42)
    assert.is_true(state == VALUE and nan ~= nan)
  end)

  it("reads nils without a payload", function()
    local store = unpack_batch(TAG.EMPTY, "", 7, 2)
    assert.equal(VALUE, store:state_of(7))
    assert.equal(VALUE, store:state_of(8))
    assert.equal(store_module.MISSING, store:state_of(9))
  end)

  it("reads lists with holes, plain or not", function()
    local shared = { name = "shared" }
    for _, values in ipairs({ { "a", nil, 3 }, { shared, nil, shared } }) do
      local tag, bytes = frame_of(values, 3, TAG.LIST)
      local store = unpack_batch(tag, bytes, 0, 3)
      assert.same(values[1], select(2, store:take(0)))
      assert.same({ VALUE }, { store:take(1) })
      assert.same(values[3], select(2, store:take(2)))
    end
  end)

  it("reads several values an item", function()
    local tag, bytes = frame_of({ { n = 3, nil, 2, nil }, { n = 0 } }, 2, TAG.MULTI)
    local store = unpack_batch(tag, bytes, 0, 2)
    local _, first, all = store:take(0)
    assert.is_nil(first)
    assert.same({ n = 3, nil, 2 }, all)
    assert.equal(0, select(3, store:take(1)).n)
  end)
end)

describe("what a broken worker sends", function()
  it("is refused when numbers are missing or too many", function()
    refused(TAG.NUMBERS, "", 3)
    refused(TAG.NUMBERS, ("x"):rep(23), 3)
    refused(TAG.NUMBERS, ("x"):rep(32), 3)
  end)

  it("is refused when it is no payload at all", function()
    for _, tag in ipairs({ TAG.LIST, TAG.LIST + 1, TAG.MULTI, TAG.MULTI + 1 }) do
      refused(tag, "", 2)
      refused(tag, "\255\254\253", 2)
      refused(tag, ("\0"):rep(64), 2)
    end
  end)

  it("is refused when the tag is unknown", function()
    local _, bytes = frame_of({ "a" }, 1, 0)
    for _, tag in ipairs({ 0, 1, 15, 18, 31, 40, 60, 255 }) do
      refused(tag, bytes, 1)
    end
  end)

  it("is refused when a list of values is none, or says an impossible length", function()
    for _, value in ipairs({ 5, "text", {}, { n = "2" }, { n = -1 }, { n = 1.5 }, { n = 0 / 0 },
      { n = 1e9 }, { n = 1 / 0 } }) do
      local tag, bytes = frame_of({ value }, 1, TAG.MULTI)
      assert.matches("list of values", refused(tag, bytes, 1).message)
    end
    local tag, bytes = frame_of({ { n = 1, 1 } }, 1, TAG.MULTI)
    refused(tag, bytes, 2)
  end)

  it("is refused when a list has no table", function()
    local buf = require("string.buffer").new()
    refused(TAG.LIST, buf:encode(5):tostring(), 1)
  end)
end)

describe("an error from a worker", function()
  local function told(value)
    local buf = require("string.buffer").new()
    local format = worker_sender:pack(buf, 1, value)
    local bytes = buf:tostring()
    local err = wire.unpack_error(receiver, format + 256, ffi.cast("const uint8_t *", bytes), #bytes)
    assert.is_true(errors.is(err))
    return err
  end

  it("arrives with all that belongs to it", function()
    local err = told({ code = "ENCODE", message = "cannot", traceback = "at x", cause = { a = 1 }, pid = 7 })
    assert.same({ "ENCODE", "cannot", "at x", 1, 7 },
      { err.code, err.message, err.traceback, err.cause.a, err.pid })
  end)

  it("is made sane where it is not", function()
    local err = told({ code = "NO_SUCH", message = { 1 }, traceback = 5, pid = "x" })
    assert.equal("REMOTE", err.code)
    assert.equal("string", type(err.message))
    assert.is_nil(err.traceback)
    assert.is_nil(err.pid)
    assert.equal("DECODE", told("only text").code)
    assert.equal("DECODE", told(nil).code)
    assert.equal("string", type(tostring(told({}))))
  end)

  it("that cannot be read is a DECODE error itself", function()
    local bytes = "\255\1\2"
    local err = wire.unpack_error(receiver, 256, ffi.cast("const uint8_t *", bytes), #bytes)
    assert.is_true(errors.is(err, "DECODE"))
  end)
end)

describe("the results of one call", function()
  it("are all given, and garbage is an error", function()
    local buf = require("string.buffer").new()
    local format = worker_sender:pack(buf, 3, 1, nil, "x")
    local bytes = buf:tostring()
    local data = ffi.cast("const uint8_t *", bytes)
    assert.same({ true, 1, nil, "x" }, { wire.unpack_values(receiver, format + 3 * 256, data, #bytes) })
    local ok, err = wire.unpack_values(receiver, format + 3 * 256, data, #bytes - 1)
    assert.is_false(ok)
    assert.is_true(errors.is(err, "DECODE"))
  end)
end)
