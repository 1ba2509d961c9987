-- SPDX-License-Identifier: MIT
local support = require("spec.codec.support")

local plain = support.plain
local FILE = "spec/codec/refusals_spec.lua"

describe("refusals", function()
  local pair, file, thread

  before_each(function()
    pair = support.pair()
    file = io.tmpfile()
    thread = coroutine.create(function() end)
  end)

  after_each(function()
    file:close()
  end)

  local function refusal(...)
    local ok, err = pcall(...)
    assert.is_false(ok)
    assert.equal("ENCODE", err.code)
    return err.message
  end

  local function of_send(...)
    return refusal(pair.send, pair, ...)
  end

  local function of_prepare(fn)
    return refusal(pair.fn, pair, fn)
  end

  local function line_of(fn)
    return ("(%s:%d)"):format(debug.getinfo(fn, "S").short_src, debug.getinfo(fn, "S").linedefined)
  end

  it("name the argument", function()
    assert.equal("cannot send userdata at argument 1", of_send(file))
    assert.equal("cannot send coroutine at argument 3", of_send(1, {}, thread))
    assert.equal("cannot send coroutine at argument 5", of_send(1, 2, 3, nil, thread))
  end)

  it("name the way to the value", function()
    assert.equal("cannot send userdata at argument 2 → conn → fh", of_send(1, { conn = { fh = file } }))
    assert.equal('cannot send userdata at argument 1 → [3] → ["a b"] → [true]',
      of_send({ 1, 2, { ["a b"] = { [true] = file } } }))
    assert.equal("cannot send userdata at argument 1 → a key", of_send({ [file] = 1 }))
    assert.equal("cannot send userdata at argument 1 → metatable → fh",
      of_send(setmetatable({}, { fh = file })))
  end)

  it("name the shortest way", function()
    local t = { deep = { deeper = { fh = file } }, fh = file }
    t.deep.top = t
    assert.equal("cannot send userdata at argument 1 → fh", of_send(t))
  end)

  it("name the item of a list and the result of a worker", function()
    local buf = require("string.buffer").new()
    assert.equal("cannot send userdata at item 17",
      refusal(pair.sender.pack_list, pair.sender, buf, { [16] = 1, [17] = file }, 10, 20))
    assert.equal("cannot send userdata at result 2 → x", refusal(pair.back, pair, 1, { x = file }))
  end)

  it("name upvalues", function()
    local conn = { fh = file }
    local function fetch() return conn end
    plain(fetch)
    assert.equal(("cannot send userdata at function 'fetch' %s → upvalue 'conn' → fh"):format(line_of(fetch)),
      of_prepare(fetch))
    local function run() return fetch() end
    plain(run)
    assert.equal(("cannot send userdata at function 'run' %s → upvalue 'fetch' → upvalue 'conn' → fh")
      :format(line_of(run)), of_prepare(run))
    assert.equal(("cannot send userdata at argument 1 → cb → upvalue 'conn' → fh"), of_send({ cb = fetch }))
    assert.equal(("cannot send userdata at argument 1 → function 'fetch' %s → upvalue 'conn' → fh")
      :format(line_of(fetch)), of_send(fetch))
  end)

  it("name globals", function()
    rawset(_G, "spec_handle", file)
    local source = "return function()\n return (function() return spec_handle end)() end"
    local fn = assert(loadstring(source, "=script"))()
    local message = of_prepare(fn)
    rawset(_G, "spec_handle", nil)
    assert.equal("cannot send userdata at function (script:1) → global 'spec_handle'", message)
  end)

  it("are for C functions without a name", function()
    local wrapped = coroutine.wrap(function() end)
    assert.equal("cannot send C function without a name at C function", of_prepare(wrapped))
    assert.equal("cannot send C function without a name at argument 1 → f", of_send({ f = wrapped }))
  end)

  it("are for functions with an environment of their own", function()
    local function fn() end
    setfenv(fn, setmetatable({}, { __index = _G }))
    assert.matches("^cannot send function with an environment of its own at function 'fn' ", of_prepare(fn))
    assert.equal("cannot send function with an environment of its own at argument 1 → [1]", of_send({ fn }))
  end)

  it("are for callbacks and pointers", function()
    local ffi = require("ffi")
    local callback = ffi.cast("int (*)(int)", function(x) return x end)
    local message = of_send({ callback })
    callback:free()
    assert.equal("cannot send pointer (int (*)()) at argument 1 → [1]", message)
    assert.equal("cannot send pointer (char *) at argument 1", of_send(ffi.cast("char *", 0)))
  end)

  it("are for lightuserdata that is an address", function()
    local light = require("string.buffer").decode("\5abcdefgh")
    assert.equal("cannot send userdata at argument 1", of_send(light))
    assert.equal("cannot send userdata at argument 1 → [1]", of_send({ light }))
  end)

  it("are for functions made in a worker", function()
    local made = pair:call(plain(function() return function() end end))
    local message = refusal(pair.back, pair, { f = made })
    assert.matches("^cannot send function %(.*refusals_spec.lua:%d+%) that was made in a worker at ", message)
    assert.matches(" at result 1 → f$", message)
  end)

  it("define nothing", function()
    local good, bad = plain(function() return 1 end), plain(function() return file end)
    of_send({ good, bad, setmetatable({}, {}) })
    assert.equal(0, #pair.log)
    assert.equal(1, (pair:send(good))())
    assert.equal(2, #pair.log)
  end)

  it("leave the receiver able to go on, many times", function()
    local value = 0
    local fn = plain(function()
      value = value + 1
      return value
    end)
    local other = plain(function() return file, fn() end)
    for i = 1, 50 do
      of_prepare(other)
      of_send({ fn, thread })
      assert.equal(i, pair:call(fn))
    end
  end)

  it("name the function's file", function()
    local fn = plain(function() return file end)
    assert.matches(FILE, of_prepare(fn), 1, true)
  end)
end)
