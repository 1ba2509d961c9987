-- SPDX-License-Identifier: MIT
local errors = require("aimp.errors")

describe("aimp.errors", function()
  it("makes objects with a code, a message and fields", function()
    local e = errors.new("REMOTE", "boom", { pid = 7, cause = "x" })
    assert.equal("REMOTE", e.code)
    assert.equal("boom", e.message)
    assert.equal(7, e.pid)
    assert.equal("boom", tostring(e))
    e.traceback = "stack traceback:\n\there"
    assert.equal("boom\nstack traceback:\n\there", tostring(e))
  end)

  it("refuses an unknown code at the caller's line", function()
    local ok, message = pcall(function() errors.new("REMOT", "x") end)
    assert.is_false(ok)
    assert.matches("errors_spec.lua:%d+: unknown error code 'REMOT'", message)
  end)

  it("tells its objects from other values", function()
    local e = errors.new("CLOSED", "x")
    assert.is_true(errors.is(e))
    assert.is_true(errors.is(e, "CLOSED"))
    assert.is_false(errors.is(e, "HTTP"))
    assert.is_false(errors.is({ code = "CLOSED" }))
    assert.is_false(errors.is(nil))
    assert.is_false(errors.is("CLOSED"))
  end)

  it("raises misuse at the wanted level", function()
    local function public() errors.raise_misuse(2, "bad %s", "thing") end
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, message = pcall(function() public() end)
    assert.is_false(ok)
    assert.matches("errors_spec.lua:" .. line .. ": bad thing$", message)
  end)

  describe("describe", function()
    local function raising() error("no text") end

    it("gives a text of any value", function()
      assert.equal("nil", errors.describe(nil))
      assert.equal("text", errors.describe("text"))
      assert.equal("3", errors.describe(3))
      assert.matches("^table: ", errors.describe({}))
      assert.equal("said", errors.describe({ message = "said" }))
      local own = setmetatable({ message = "x" }, { __tostring = function() return "own" end })
      assert.equal("own", errors.describe(own))
    end)

    it("survives a __tostring that raises or returns no text", function()
      assert.matches("table value whose __tostring fails",
        errors.describe(setmetatable({}, { __tostring = raising })))
      assert.matches("table value whose __tostring fails",
        errors.describe(setmetatable({}, { __tostring = function() return {} end })))
      local proxy = newproxy(true)
      getmetatable(proxy).__tostring = raising
      assert.matches("userdata value whose __tostring fails", errors.describe(proxy))
    end)

    it("survives a raising __index and a hidden metatable", function()
      assert.matches("^table: ", errors.describe(setmetatable({}, { __index = raising })))
      assert.matches("^table: ", errors.describe(setmetatable({}, { __metatable = "locked" })))
    end)
  end)

  describe("handler", function()
    it("turns a value into an object with traceback and cause", function()
      local cause = { 1 }
      local _, e = xpcall(function() error(cause) end, errors.handler)
      assert.is_true(errors.is(e, "REMOTE"))
      assert.equal(cause, e.cause)
      assert.matches("stack traceback:.*errors_spec.lua", e.traceback)
    end)

    it("takes nil", function()
      local _, e = xpcall(function() error(nil) end, errors.handler)
      assert.equal("nil", e.message)
      assert.is_nil(e.cause)
    end)

    it("keeps an error object and its traceback", function()
      local raised = errors.new("HTTP", "x", { traceback = "old" })
      local _, e = xpcall(function() error(raised) end, errors.handler)
      assert.equal(raised, e)
      assert.equal("old", e.traceback)
    end)
  end)

  describe("nearest", function()
    local known = { "processes", "timeout", "initializer" }

    it("finds slips of the fingers", function()
      assert.equal("processes", errors.nearest("proceses", known))
      assert.equal("processes", errors.nearest("Processes", known))
      assert.equal("timeout", errors.nearest("timoeut", known))
      assert.equal("initializer", errors.nearest("initialiser", known))
    end)

    it("finds nothing where nothing is near, nor for other types", function()
      assert.is_nil(errors.nearest("zzzzzzzz", known))
      assert.is_nil(errors.nearest(5, known))
      assert.is_nil(errors.nearest("x", {}))
      assert.is_nil(errors.nearest(("x"):rep(1e5), known))
    end)
  end)

  it("joins tracebacks up to a bound", function()
    assert.equal("b", errors.join_tracebacks(nil, "b"))
    assert.equal("a\nawaited by\nb", errors.join_tracebacks("a", "b"))
    local text = "a"
    for _ = 1, 10000 do
      text = errors.join_tracebacks(text, "some more")
    end
    assert.is_true(#text < 20000)
  end)
end)
