-- SPDX-License-Identifier: MIT
--- How processes end, and what is told of it.
local describe, it, assert, after_each = describe, it, require("luassert"), after_each
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local cli = require("spec.cli.support")
local helper = require("spec.helper")
local launcher = require("aimp.pool.launcher")
local shutdown = require("aimp.shutdown")
local support = require("spec.process.support")
local uv = require("luv")

local sleeper = support.sleeper

local function spin()
  while true do end
end

-- A process that computes for ever.
local function spinner()
  local process = aimp.Process({ target = spin }):start()
  local path = ("/proc/%d/stat"):format(process.pid)
  assert.is_truthy(helper.wait_until(function() -- it has used the processor for a while
    local file = assert(io.open(path))
    local ticks = file:read("*a"):match("%) R" .. (" %-?%d+"):rep(10) .. " (%d+)")
    file:close()
    return tonumber(ticks) and tonumber(ticks) > 2
  end, 20))
  return process
end

after_each(launcher.close)
after_each(cli.remove_folders)

describe("the exit code", function()
  it("is -15 after terminate, whatever the process does", function()
    for _, process in ipairs({ sleeper(), spinner() }) do
      process:terminate()
      assert.is_true(process:is_alive())
      assert.equal(-15, process:await())
      assert.same({ -15, false }, { process.exitcode, process:is_alive() })
      process:terminate()
      process:kill()
      assert.equal(-15, process:await())
    end
  end)

  it("is -9 after kill, whatever the process does", function()
    for _, process in ipairs({ sleeper(), spinner() }) do
      process:kill()
      assert.equal(-9, process:await())
    end
  end)

  it("is that of the first signal when it is ended before it is up", function()
    local process = aimp.Process({ target = spin }):start()
    process:terminate()
    assert.equal(-15, process:await())
    process = aimp.Process({ target = spin, initializer = spin }):start()
    assert.is_false(process:join(0.01))
    process:kill()
    assert.equal(-9, process:await())
  end)

  it("is the status that the target gave os.exit", function()
    for _, status in ipairs({ 0, 3, 255 }) do
      assert.equal(status, aimp.Process({ target = os.exit, args = { status } }):await())
    end
    assert.equal(1, aimp.Process({ target = os.exit, args = { false } }):await())
  end)

  it("is the negative signal number after a crash", function()
    local function raise(number)
      local ffi = require("ffi")
      ffi.cdef("int raise(int sig);")
      ffi.C.raise(number)
    end
    for _, number in ipairs({ 6, 11, 9 }) do
      assert.equal(-number, aimp.Process({ target = raise, args = { number } }):await())
    end
  end)

  it("is that of a signal from anywhere, also while nobody waits", function()
    local process = sleeper()
    uv.kill(process.pid, "sigusr1")
    assert.is_truthy(helper.wait_until(function() return not process:is_alive() end))
    assert.equal(-10, process.exitcode)
  end)

  it("is that of a target that handled SIGTERM itself", function()
    local path = os.tmpname()
    local process = aimp.Process({ target = function()
      local luv = require("luv")
      local handle = luv.new_signal()
      handle:start("sigterm", function() os.exit(44) end)
      local file = assert(io.open(path, "w"))
      file:write("up")
      file:close()
      require("aimp").sleep(1000)
    end }):start()
    assert.is_truthy(helper.wait_until(function() return uv.fs_stat(path).size == 2 end))
    process:terminate()
    assert.equal(44, process:await())
    os.remove(path)
  end)

  it("is -9 when the template is lost", function()
    local process = sleeper()
    uv.kill(launcher.pid(), "sigkill")
    assert.equal(-9, process:await())
    assert.equal(0, aimp.Process({ target = function() end }):await())
  end)

  it("is -9 when the program's end is told while it runs", function()
    local process, worker = sleeper(), aimp.Worker({ target = spin }):start()
    local pids = { process.pid, worker.pid }
    shutdown.run()
    assert.same({ -9, -9 }, { process.exitcode, worker.exitcode })
    assert.same({ false, false, pids[1], pids[2] },
      { process:is_alive(), worker:is_alive(), process.pid, worker.pid })
    local err = support.failure("CLOSED", function() worker:await() end)
    assert.matches("^worker 'Worker%-%d+' ended: so did the program$", err.message)
    for _, pid in ipairs(pids) do
      assert.is_truthy(helper.wait_until(function() return select(3, uv.kill(pid, 0)) == "ESRCH" end))
    end
  end)

  it("is 1 when the target raised, which stderr tells with the traceback", function()
    local child = cli.run({ cli.script([[
      local aimp = require("aimp")
      local function inner() error("the reason") end
      local function target() inner() return 1 end
      local process = aimp.Process({ target = target, name = "sad" })
      print(process:await(), process.exitcode, process.pid)
    ]]) })
    local pid = child.out:match("^1\t1\t(%d+)\n$")
    assert.is_truthy(pid, child.out)
    local pattern = "^aimp: process 'sad' %(pid " .. pid .. "%): [^\n]*script%.lua:2: the reason\n"
      .. "stack traceback:\n.*script%.lua:2: in function 'inner'\n[^\n]*script%.lua:3: in function <[^\n]*\n$"
    assert.matches(pattern, child.err)
    assert.equal(0, child.status)
  end)

  it("is 1 for whatever it raised, told in a line", function()
    local child = cli.run({ cli.script([[
      local aimp = require("aimp")
      local function recurse() return 1 + recurse() end
      local hostile = setmetatable({}, { __tostring = function() error("no") end })
      for _, target in ipairs({ function() error(nil) end, function() error({}) end, recurse,
        function() error(setmetatable({}, { __tostring = function() return "text" end })) end,
        function() error(hostile) end }) do
        print(aimp.Process({ target = target }):await())
      end
    ]]) })
    assert.equal(("1\n"):rep(5), child.out)
    assert.equal(5, select(2, child.err:gsub("aimp: process 'Process%-%d' %(pid %d+%): ", "")), child.err)
    assert.matches("stack overflow", child.err)
    assert.matches("%d%): text\n", child.err)
    assert.equal(0, child.status)
  end)
end)

describe("a process that ends", function()
  it("waits for the processes that it started, but for daemons", function()
    local child = cli.run({ cli.script([[
      local aimp = require("aimp")
      local function outer()
        local inside = require("aimp")
        local inner = inside.Process({ target = function()
          require("aimp").sleep(0.05)
          print("inner ends")
        end }):start()
        local daemon = inside.Process({ target = function() require("aimp").sleep(1000) end, daemon = true })
        daemon:start()
        print(daemon.pid)
        assert(inner.pid)
        print("outer ends")
      end
      print(aimp.Process({ target = outer }):await())
    ]]) })
    local pid = tonumber(child:line())
    assert.equal("outer ends\ninner ends\n0\n", child.out)
    assert.is_truthy(helper.wait_until(function() return select(3, uv.kill(pid, 0)) == "ESRCH" end))
  end)

  it("tells of errors of its tasks that nobody looked at", function()
    local child = cli.run({ cli.script([[
      local aimp = require("aimp")
      print(aimp.Process({ target = function()
        require("aimp").spawn(function() error("unseen") end)
        require("aimp").sleep(0)
      end }):await())
    ]]) })
    assert.equal("0\n", child.out)
    assert.equal(1, select(2, child.err:gsub("unseen\n", "")), child.err)
  end)

  it("flushes what it wrote", function()
    local child = cli.run({ cli.script([[
      local aimp = require("aimp")
      aimp.Process({ target = function() io.write("part") end }):await()
      aimp.Process({ target = function() io.write("s") os.exit(2) end }):await()
      aimp.Process({ target = function() io.write(" of it") error("x", 0) end }):await()
    ]]) })
    assert.equal("parts of it", child.out)
  end)
end)
