-- SPDX-License-Identifier: MIT
local options = require("aimp.cli.options")
local support = require("spec.cli.support")
local uv = require("luv")

local run = support.run

describe("aimprun's options", function()
  after_each(support.remove_folders)

  it("run strings with -e, apart or together, in order", function()
    local child = run({ "-e", "print(1)", "-eprint(2)", "-e", "print(x, ...)" })
    assert.equal("1\n2\nnil\n", child.out)
    assert.equal(0, child.status)
  end)

  it("give the script its arguments and the global arg with negative indices", function()
    local path = support.script([[
      print(...)
      local low = 0
      while arg[low - 1] do low = low - 1 end
      for i = low, #arg do print(i, arg[i]) end]])
    local child = run({ "-O2", "-e", "x = 1", path, "a", "-b", "" })
    local lines = { "a\t-b\t", "-4\t" .. support.exe, "-3\t-O2", "-2\t-e", "-1\tx = 1", "0\t" .. path,
      "1\ta", "2\t-b", "3\t" }
    assert.equal(table.concat(lines, "\n") .. "\n", child.out)
  end)

  it("give the script the arguments that -e left in arg", function()
    local path = support.script("print(...)")
    assert.equal("changed\n", run({ "-e", "arg = { 'changed' }", path, "a", "b" }).out)
    assert.equal("\n", run({ "-e", "arg = nil", path, "a" }).out)
  end)

  it("put arg behind all options when there is no script", function()
    assert.equal("-e\tnil\n", run({ "-e", "print(arg[-2], arg[0])" }).out)
  end)

  it("run standard input for - and where nothing else is asked for", function()
    assert.equal("in\ta\n", run({ "-", "a" }, { stdin = "print('in', ...)" }).out)
    assert.equal("in\n", run({}, { stdin = "print('in')" }).out)
    local child = run({}, { stdin = "error('in')" })
    assert.equal(1, child.status)
    assert.matches("^aimprun: stdin:1: in\n", child.err)
  end)

  it("end with --, after which - is a file's name", function()
    local folder = support.folder({ ["-"] = "print('file')", ["-x"] = "print('dash')" })
    assert.equal("file\n", run({ "--", "-" }, { cwd = folder }).out)
    assert.equal("dash\n", run({ "--", "-x" }, { cwd = folder }).out)
  end)

  it("load modules with -l", function()
    local folder = support.folder({ ["m.lua"] = "print('loaded', ...)" })
    assert.equal("loaded\tm\ntrue\n",
      run({ "-lm", "-l", "m", "-e", "print(package.loaded.m)" }, { cwd = folder }).out)
    local child = run({ "-l", "nowhere" })
    assert.equal(1, child.status)
    assert.matches("^aimprun: module 'nowhere' not found:\n\tno field package.preload%['nowhere'%]\n",
      child.err)
  end)

  it("control the compiler with -j and -O", function()
    assert.equal("false\n", run({ "-joff", "-e", "print((jit.status()))" }).out)
    assert.equal("true\n", run({ "-j", "off", "-jon", "-e", "print((jit.status()))" }).out)
    assert.equal("nil\tnil\n", run({ "-O0", "-e",
      "local has = {} for _, v in ipairs({ jit.status() }) do has[v] = v end print(has.fold, has.cse)"
    }).out)
    assert.matches("TRACE", run({ "-jv=-", "-e", "for _ = 1, 200 do end" }).out)
  end)

  it("tell what is wrong with -j and -O like luajit", function()
    local child = run({ "-jnothing" })
    assert.equal("aimprun: unknown luaJIT command or jit.* modules not installed\n", child.err)
    assert.equal(1, child.status)
    child = run({ "-Ononsense" })
    assert.equal("aimprun: unknown or malformed optimization flag 'nonsense'\n", child.err)
    assert.equal(1, child.status)
  end)

  it("show the version with -v and --version", function()
    local line = "^aimp %d+%.%d+%.%d+ %-%- LuaJIT 2%.1%S* %-%- libuv [%d.]+\n"
    assert.matches(line .. "$", run({ "-v" }, { stdin = "print('not run')" }).out)
    assert.matches(line .. "1\n$", run({ "-v", "-e", "print(1)" }).out)
    assert.matches(line .. "$", run({ "--version", "-e", "print(1)" }).out)
  end)

  it("show help on stdout", function()
    for _, args in ipairs({ { "--help" }, { "-e", "print(1)", "--help", "script.lua" } }) do
      local child = run(args)
      assert.equal(options.HELP, child.out)
      assert.equal("", child.err)
      assert.equal(0, child.status)
    end
  end)

  it("have a help that fits a terminal and is aligned", function()
    local count = 0
    for line in options.HELP:gmatch("([^\n]*)\n") do
      assert.is_true(#line <= 80, line)
      assert.is_nil(line:find("[%s%c]$"), line)
      if line:find("^  %-") then
        count = count + 1
        assert.matches("^  %-[^ ]* ?%l* +%u.*%.$", line)
        assert.matches("^............ %u", line) -- each text begins in the same column
      end
    end
    assert.is_true(count >= 11)
    assert.equal(options.USAGE .. "\n", options.HELP:sub(1, #options.USAGE + 1))
    assert.matches("man aimprun", options.HELP)
  end)

  it("are refused with the usage and status 2", function()
    for _, word in ipairs({ "-x", "-e", "-l", "-j", "-ix", "-vx", "-Ex", "--nothing", "-b" }) do
      local child = run({ word })
      assert.equal(2, child.status, word)
      assert.equal("", child.out)
      local problem, usage = child.err:match("^aimprun: ([^\n]*)\n(.*)$")
      assert.is_truthy(problem:find(word, 1, true), problem)
      assert.equal(options.USAGE .. "\n", usage)
    end
    assert.matches("luajit %-b", run({ "-b", "x.lua" }).err)
  end)

  it("honour LUA_INIT, a string or a file, but not with -E", function()
    local path = support.script("print('file')")
    assert.equal("init\n1\n", run({ "-e", "print(1)" }, { env = { LUA_INIT = "print('init')" } }).out)
    assert.equal("file\n1\n", run({ "-e", "print(1)" }, { env = { LUA_INIT = "@" .. path } }).out)
    assert.equal("1\n", run({ "-E", "-e", "print(1)" }, { env = { LUA_INIT = "print('init')" } }).out)
    local child = run({ "-e", "print(1)" }, { env = { LUA_INIT = "error('init')" } })
    assert.matches("^aimprun: LUA_INIT:1: init\n", child.err)
    assert.equal("", child.out)
    assert.equal(1, child.status)
  end)

  it("honour LUA_PATH and LUA_CPATH like luajit, but not with -E", function()
    local env = { LUA_PATH = "/one/?.lua;;", LUA_CPATH = ";;/two/?.so" }
    local print_paths = "print(package.path) print(package.cpath)"
    local luajit = run({ "-e", print_paths }, { env = env, program = "luajit" }).out
    local ours = run({ "-e", print_paths }, { env = env }).out
    local function without_own(text)
      local own = uv.fs_realpath(support.exe):match("^(.*)/bin/[^/]*$"):gsub("%p", "%%%0")
      return (text:gsub(own .. "/[^;]*;", ""))
    end
    assert.equal(luajit, without_own(ours))
    luajit = run({ "-e", print_paths }, { program = "luajit" }).out
    assert.equal(luajit, without_own(run({ "-E", "-e", print_paths }, { env = env }).out))
  end)
end)

describe("aimprun's prompt", function()
  it("runs what it reads, shows values, goes on after errors", function()
    local child = run({ "-i" }, { stdin = "x = 1 +\n2\n=x, nil\nerror('oops')\n)\nprint('still', x)" })
    assert.equal(0, child.status)
    assert.matches("\nJIT: %u+[^\n]*\n> >> > 3\tnil\n> > > still\t3\n> \n$", child.out)
    assert.matches("^stdin:1: oops\nstack traceback:\n.*\nstdin:1: unexpected symbol near '%)'\n$", child.err)
  end)

  it("comes after the script, and its prompts can be changed", function()
    local child = run({ "-i", "-e", "_PROMPT, _PROMPT2 = 'a', 'b' print('script')" }, { stdin = "=1 +\n1" })
    assert.matches("\nscript\nJIT: [^\n]*\nab2\na\n$", child.out)
  end)

  it("lets what it runs wait, and tasks go on", function()
    local child = run({ "-i" }, { stdin = [[
t = require("aimp").spawn(function() require("aimp").sleep(0.001) return "waited" end)
=t:await()
]] })
    assert.matches("waited\n> \n$", child.out)
  end)
end)
