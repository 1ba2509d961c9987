-- SPDX-License-Identifier: MIT
local support = require("spec.cli.support")
local uv = require("luv")

local SIGINT, SIGKILL, SIGTERM = uv.constants.SIGINT, uv.constants.SIGKILL, uv.constants.SIGTERM

--- Starts a child and waits until it says that it is where it should be.
local function start(code)
  local child = support.start({ "-e", "io.stdout:setvbuf('line') local aimp = require('aimp') " .. code })
  assert.equal("ready", child:line())
  return child
end

describe("a signal to aimprun", function()
  local child

  after_each(function()
    if child and child._open > 0 then
      child:kill(SIGKILL)
      child:wait()
    end
  end)

  it("cancels the main task: 130 after Ctrl-C, 143 after SIGTERM, one line", function()
    child = start("print('ready') aimp.sleep(1000)")
    child:kill(SIGINT)
    child:wait()
    assert.equal(130, child.status)
    assert.equal("aimprun: interrupted\n", child.err)
    child = start("print('ready') aimp.sleep(1000)")
    child:kill(SIGTERM)
    child:wait()
    assert.equal(143, child.status)
    assert.equal("aimprun: terminated\n", child.err)
  end)

  it("lets main and other tasks clean up, and runs the shutdown hooks", function()
    child = start([[
      require("aimp.shutdown").on(function() print("hook") end)
      aimp.spawn(function() print(pcall(aimp.sleep, 1000)) end)
      aimp.spawn(function() aimp.sleep(1000) end)
      aimp.spawn(function() pcall(aimp.sleep, 1000) error("not told") end)
      aimp.sleep(0)
      print("ready")
      local ok, err = pcall(aimp.sleep, 1000)
      print("main", ok, err.code, err.message)]])
    child:kill(SIGINT)
    child:wait()
    assert.matches("^main\tfalse\tCANCELLED\t[^\n]*interrupt\nfalse\t.*\nhook\n$", child.out)
    assert.equal("aimprun: interrupted\n", child.err)
    assert.equal(130, child.status)
  end)

  it("keeps the status also when the main task goes on to its end", function()
    child = start("print('ready') pcall(aimp.sleep, 1000) print('end')")
    child:kill(SIGTERM)
    child:wait()
    assert.equal("end\n", child.out)
    assert.equal(143, child.status)
  end)

  it("runs no further script", function()
    local first = "print('ready') pcall(require('aimp').sleep, 1000)"
    child = support.start({ "-e", first, "-e", "print('next')" })
    assert.equal("ready", child:line())
    child:kill(SIGINT)
    child:wait()
    assert.equal("", child.out)
    assert.equal(130, child.status)
  end)

  it("kills at once when it is the second, also in a computation", function()
    for _, code in ipairs({ "while true do end", "while true do pcall(aimp.sleep, 9) end" }) do
      child = start("print('ready') " .. code)
      child:kill(SIGINT)
      child:wait_err("interrupted\n")
      child:kill(SIGINT)
      child:wait()
      assert.equal(130, child.status)
      assert.equal("aimprun: interrupted\n", child.err)
    end
  end)

  it("kills with the status of the second", function()
    child = start("print('ready') while true do end")
    child:kill(SIGINT)
    child:wait_err("interrupted\n")
    child:kill(SIGTERM)
    child:wait()
    assert.equal(143, child.status)
  end)

  it("ends a computation even if it stays alone", function()
    child = start("print('ready') while true do end")
    child:kill(SIGTERM)
    child:wait()
    assert.equal(143, child.status)
    assert.equal("aimprun: terminated\n", child.err)
  end)

  it("is bounded when hooks or cleanup hang", function()
    child = start([[
      require("aimp.shutdown").on(function() while true do end end)
      print("ready")
      aimp.sleep(1000)]])
    child:kill(SIGINT)
    child:wait()
    assert.equal(130, child.status)
  end)

  it("may come while the process ends", function()
    child = start([[
      require("aimp.shutdown").on(function() print("hook") while true do end end)
      print("ready")]])
    assert.equal("hook", child:line())
    child:kill(SIGINT)
    child:wait_err("interrupted\n")
    child:kill(SIGINT)
    child:wait()
    assert.equal(130, child.status)
  end)

  it("is the script's own when it handles it through luv", function()
    child = start([[
      local uv = require("luv")
      local signal = uv.new_signal()
      local task = aimp.spawn(function() aimp.sleep(1000) end)
      signal:start("sigint", function() signal:close() task:cancel() end)
      print("ready")
      print((task:pawait()))]])
    child:kill(SIGINT)
    child:wait()
    assert.equal("false\n", child.out)
    assert.equal("", child.err)
    assert.equal(0, child.status)
  end)

  it("is handled although it was ignored at the start, as in a shell's background job", function()
    local script = [[trap "" INT; exec "$AIMPRUN" -e 'print("ready") require("aimp").sleep(1000)']]
    child = support.start({ "-c", script }, { program = "/bin/bash", env = { AIMPRUN = support.exe } })
    assert.equal("ready", child:line())
    child:kill(SIGINT)
    child:wait()
    assert.equal(130, child.status)
  end)
end)
