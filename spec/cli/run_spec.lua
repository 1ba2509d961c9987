-- SPDX-License-Identifier: MIT
--- The life of a script under aimprun: how it ends and what is said of its errors.
local support = require("spec.cli.support")

local run = support.run

local function run_script(text, ...)
  return run({ support.script(text), ... })
end

describe("aimprun", function()
  after_each(support.remove_folders)

  it("runs the script as the main task", function()
    local child = run_script([[
      local aimp = require("aimp")
      local task = aimp.spawn(function(x) aimp.sleep(0.001) return x * 2 end, 21)
      print(task:await(), aimp.worker())
      return "ignored", false]])
    assert.equal("42\tnil\n", child.out)
    assert.equal("", child.err)
    assert.equal(0, child.status)
  end)

  it("names a missing script and a syntax error", function()
    local child = run({ "/nowhere/x.lua" })
    assert.equal("aimprun: cannot open /nowhere/x.lua: No such file or directory\n", child.err)
    assert.equal(1, child.status)
    child = run({ "-e", "x =" })
    assert.equal("aimprun: (command line):1: unexpected symbol near '<eof>'\n", child.err)
    assert.equal(1, child.status)
  end)

  it("reports an error with its traceback, which shows the script only", function()
    local path = support.script("local function f()\n  error('boom')\nend\nf()\n")
    local child = run({ path })
    assert.equal(1, child.status)
    local short = path -- short enough not to be cut
    assert.equal(("aimprun: %s:2: boom\nstack traceback:\n\t[C]: in function 'error'\n" ..
      "\t%s:2: in function 'f'\n\t%s:4: in main chunk\n"):format(short, short, short), child.err)
  end)

  it("reports errors with the traces of the tasks they came through", function()
    local child = run_script([[
      local aimp = require("aimp")
      local function deep() aimp.sleep(0) error("deep down") end
      local function outer(task) return (task:await()) end
      outer(aimp.spawn(function() deep() end))]])
    assert.equal(1, child.status)
    assert.matches("^aimprun: [^\n]*script.lua:2: deep down\nstack traceback:\n", child.err)
    assert.matches("in function 'deep'\n.*\nawaited by\nstack traceback:\n", child.err)
    assert.matches("in function 'outer'\n.*in main chunk\n$", child.err)
    assert.not_matches("aimp/task/spawn.lua", child.err)
  end)

  it("reports values that are no strings", function()
    local function err_of(code)
      local child = run({ "-e", code })
      assert.equal(1, child.status)
      return child.err
    end
    assert.matches("^aimprun: nil\nstack traceback:\n.*in main chunk\n$", err_of("error(nil)"))
    assert.matches("^aimprun: table: 0x%x+\nstack", err_of("error({})"))
    local with_tostring = "error(setmetatable({}, { __tostring = function() %s end }))"
    assert.matches("^aimprun: told\nstack", err_of(with_tostring:format("return 'told'")))
    assert.matches("^aimprun: %(a table value whose __tostring fails%)\nstack",
      err_of(with_tostring:format("error('no')")))
    assert.matches("^aimprun: stack overflow", (err_of("local function f() return 1 + f() end f()")
      :gsub("%(command line%):1: ", "")))
  end)

  it("does not run what comes after an error", function()
    local child = run({ "-e", "print(1)", "-e", "error('stop')", "-e", "print(2)" })
    assert.equal("1\n", child.out)
    child = run({ "-i", "-e", "error('stop')" }, { stdin = "print(3)" })
    assert.not_matches("\n.", child.out) -- the version is one line
    assert.equal(1, child.status)
  end)

  it("reports an error that nobody looked at, and goes on", function()
    local child = run_script([[
      local aimp = require("aimp")
      aimp.spawn(function() error("unseen") end)
      aimp.sleep(0)
      print("goes on")]])
    assert.equal("goes on\n", child.out)
    assert.matches("^aimprun: a task failed and nobody looked at its error:\n", child.err)
    assert.matches("\n[^\n]*script.lua:2: unseen\nstack traceback:\n", child.err)
    assert.equal(1, child.status)
  end)

  it("is content with an error that somebody looked at", function()
    local child = run_script([[
      local aimp = require("aimp")
      print((aimp.spawn(function() error("seen") end):pawait()))]])
    assert.equal("false\n", child.out)
    assert.equal("", child.err)
    assert.equal(0, child.status)
  end)

  it("reports an error in a luv callback with its traceback, and goes on", function()
    local child = run_script([[
      local aimp, uv = require("aimp"), require("luv")
      local timer = uv.new_timer()
      local function fail() local x = nil; return x.field end
      timer:start(1, 0, function() timer:close() fail() end)
      aimp.sleep(0.01)
      print("goes on")]])
    assert.equal("goes on\n", child.out)
    assert.matches("^aimprun: [^\n]*script.lua:3: attempt to index local 'x' %(a nil value%)\nstack trace",
      child.err)
    assert.matches("in function 'fail'\n[^\n]*script.lua:4: in function <[^\n]*>\n$", child.err)
    assert.equal(1, child.status)
  end)

  it("survives any value as an error in a luv callback", function()
    local child = run_script([[
      local aimp, uv = require("aimp"), require("luv")
      local values = { false, {}, setmetatable({}, { __tostring = function() error("no") end }), 1 }
      for i = 1, 5 do
        local timer = uv.new_timer()
        timer:start(1, 0, function() timer:close() error(values[i]) end)
      end
      aimp.sleep(0.01)
      print("goes on")]])
    assert.equal("goes on\n", child.out)
    local count = select(2, child.err:gsub("aimprun: ", ""))
    assert.equal(5, count)
    assert.equal(1, child.status)
  end)

  it("cancels what still runs when the script ends", function()
    local child = run_script([[
      local aimp = require("aimp")
      aimp.spawn(function()
        local ok, err = pcall(aimp.sleep, 1000)
        print(ok, err.code)
      end)
      aimp.sleep(0)]])
    assert.equal("false\tCANCELLED\n", child.out)
    assert.equal(0, child.status)
  end)

  it("is not kept alive by open handles nor by requests that never end", function()
    local child = support.start({ "-e", [[
      local uv = require("luv")
      local server = uv.new_tcp()
      server:bind("127.0.0.1", 0)
      server:listen(1, print)
      uv.new_timer():start(1000000, 0, print)
      local pipe = uv.pipe()
      uv.fs_read(pipe.read, 1, -1, print) -- blocks a thread for ever
      print("end")]] }):wait()
    assert.equal("end\n", child.out)
    assert.equal("", child.err)
    assert.equal(0, child.status)
  end)

  it("reports a deadlock with the place of the wait", function()
    local child = run_script([[
      local aimp = require("aimp")
      local first, second
      first = aimp.spawn(function() second:await() end)
      second = aimp.spawn(function() first:await() end)
      first:await()]])
    assert.matches("^aimprun: deadlock: ", child.err)
    assert.matches("script.lua:5: in main chunk\n", child.err)
    assert.equal(1, child.status)
  end)

  it("closes the Lua state, so finalizers run", function()
    local child = run_script([[
      local sentinel = newproxy(true)
      getmetatable(sentinel).__gc = function() print("collected") end
      keep = sentinel]])
    assert.equal("collected\n", child.out)
  end)

  it("has its internal modes refused to users", function()
    for _, args in ipairs({ { "--template" }, { "--worker", "1" } }) do
      local child = support.shell("exec \"$AIMPRUN\" " .. table.concat(args, " ") .. " 3>&- 4>&- 5>&- 6>&-")
      assert.equal(1, child.status)
      assert.matches("aimp's own use", child.err)
    end
  end)
end)

describe("aimprun's os.exit", function()
  local function status_of(code)
    return run({ "-e", code }).status
  end

  it("ends with the given status", function()
    assert.equal(0, status_of("os.exit()"))
    assert.equal(3, status_of("os.exit(3)"))
    assert.equal(0, status_of("os.exit(true)"))
    assert.equal(1, status_of("os.exit(false)"))
    assert.equal(4, status_of("os.exit(4, true)"))
    assert.equal(1, status_of("os.exit('x')"))
  end)

  it("flushes and runs the shutdown hooks, from any task or callback", function()
    local hook = "require('aimp.shutdown').on(function() io.write(' hook') end) "
    local exit = "io.write('out') os.exit(5)"
    for _, code in ipairs({
      exit,
      "require('aimp').spawn(function() " .. exit .. " end) require('aimp').sleep(1000)",
      "require('luv').new_timer():start(0, 0, function() " .. exit .. " end) require('aimp').sleep(1000)",
      "coroutine.wrap(function() " .. exit .. " end)()",
    }) do
      local child = run({ "-e", hook .. code })
      assert.equal("out hook", child.out)
      assert.equal(5, child.status)
    end
  end)

  it("closes the state when asked to", function()
    local code = "local s = newproxy(true) getmetatable(s).__gc = function() print('gc') end os.exit(0, %s)"
    assert.equal("gc\n", run({ "-e", code:format("true") }).out)
    assert.equal("", run({ "-e", code:format("false") }).out)
  end)

  it("does not wait for threads", function()
    local child = run({ "-e", [[
      local uv = require("luv")
      local pipe = uv.pipe()
      uv.fs_read(pipe.read, 1, -1, print)
      os.exit(6, true)]] })
    assert.equal(6, child.status)
  end)
end)
