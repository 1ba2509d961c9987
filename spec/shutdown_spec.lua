-- SPDX-License-Identifier: MIT
local shutdown = require("aimp.shutdown")

describe("aimp.shutdown", function()
  local calls, on_error

  local function hook(name)
    return function() calls[#calls + 1] = name end
  end

  before_each(function()
    calls, on_error = {}, shutdown.on_error
    assert.equal(0, shutdown.count())
  end)

  after_each(function()
    shutdown.on_error = on_error
    shutdown.run()
  end)

  it("calls the hooks once, the last first", function()
    shutdown.on(hook("a"))
    shutdown.on(hook("b"))
    shutdown.run()
    shutdown.run()
    assert.same({ "b", "a" }, calls)
  end)

  it("knows a function once, at its latest place", function()
    local a = shutdown.on(hook("a"))
    shutdown.on(hook("b"))
    shutdown.on(a)
    shutdown.run()
    assert.same({ "a", "b" }, calls)
  end)

  it("forgets with off", function()
    local a = shutdown.on(hook("a"))
    shutdown.on(hook("b"))
    shutdown.off(a)
    shutdown.off(a)
    shutdown.run()
    assert.same({ "b" }, calls)
  end)

  it("goes on after an error, which is reported", function()
    local told = {}
    function shutdown.on_error(err)
      told[#told + 1] = err.message
      error("again")
    end
    shutdown.on(hook("a"))
    shutdown.on(function() error("broken", 0) end)
    shutdown.on(hook("c"))
    shutdown.run()
    assert.same({ "c", "a" }, calls)
    assert.same({ "broken" }, told)
  end)

  it("may be run again by a hook, and take new ones then", function()
    shutdown.on(hook("a"))
    shutdown.on(function()
      shutdown.run()
      shutdown.on(hook("late"))
    end)
    shutdown.run()
    assert.same({ "a", "late" }, calls)
  end)
end)
