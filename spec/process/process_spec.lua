-- SPDX-License-Identifier: MIT
local describe, it, assert, after_each = describe, it, require("luassert"), after_each
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local launcher = require("aimp.pool.launcher")
local support = require("spec.process.support")
local uv = require("luv")

local failure, sleeper = support.failure, support.sleeper

local function nothing() end

local function is_gone(pid)
  return select(3, uv.kill(pid, 0)) == "ESRCH"
end

local function title_of(pid)
  local file = assert(io.open(("/proc/%d/cmdline"):format(pid)))
  local text = file:read("*a")
  file:close()
  return (text:gsub("%z+$", ""))
end

-- What the kernel gave the executable at exec (getauxval(AT_RANDOM)); forked processes share it.
local function exec_mark_of(method)
  return aimp.Worker({ start_method = method, target = function()
    local ffi = require("ffi")
    ffi.cdef("unsigned long getauxval(unsigned long type);")
    return ffi.string(ffi.cast("const char *", ffi.C.getauxval(25)), 16)
  end }):await()
end

after_each(launcher.close)

describe("aimp.Process", function()
  it("has a name, a pid and no exit code while it runs, then the exit code 0", function()
    local process = aimp.Process({ target = function() require("aimp").sleep(0.01) end, name = "napper" })
    assert.same({ "napper", false }, { process.name, process:is_alive() })
    assert.is_nil(process.pid)
    process:start()
    local pid = process.pid
    assert.is_nil(select(2, uv.kill(pid, 0)))
    assert.is_true(process:is_alive())
    assert.is_nil(process.exitcode)
    assert.is_true(process:join())
    assert.same({ pid, 0, false }, { process.pid, process.exitcode, process:is_alive() })
    assert.is_true(is_gone(pid))
  end)

  it("is numbered where it has no name", function()
    local first = aimp.Process({ target = nothing }).name
    local number = tonumber(first:match("^Process%-(%d+)$"))
    assert.equal(("Process-%d"):format(number + 1), aimp.Process({ target = nothing }).name)
  end)

  it("is started by await, and can be awaited again", function()
    local process = aimp.Process({ target = nothing })
    assert.equal(0, process:await())
    assert.equal(0, process:await())
    assert.same({ true, 0 }, { process:pawait() })
  end)

  it("can be awaited after its start, by several tasks", function()
    local process = aimp.Process({ target = nothing })
    assert.equal(process, process:start())
    local waiting = {}
    for i = 1, 3 do
      waiting[i] = aimp.spawn(function() return process:await() end)
    end
    assert.same({ 0, 0, 0 }, aimp.gather(waiting))
  end)

  it("can stand where a task can", function()
    local list = { aimp.Process({ target = nothing }), aimp.Process({ target = os.exit, args = { 2 } }) }
    assert.same({ 0, 2 }, aimp.gather(list))
    assert.equal(0, aimp.wait_for(aimp.Process({ target = nothing }), 60))
  end)

  it("gives the target its arguments, nils included, and drops what it returns", function()
    local path = os.tmpname()
    local process = aimp.Process({
      target = function(...)
        local file = assert(io.open(path, "w"))
        file:write(select("#", ...), " ", tostring((...)), " ", select(3, ...).x)
        file:close()
        return coroutine.create(print) -- which could not be sent
      end,
      args = { nil, 2, { x = "y" }, n = 4 },
    })
    assert.equal(0, process:await())
    local file = assert(io.open(path))
    assert.equal("4 nil y", file:read("*a"))
    file:close()
    os.remove(path)
  end)

  it("calls a target that is a callable table", function()
    local callable = setmetatable({ status = 6 }, { __call = function(self) os.exit(self.status) end })
    assert.equal(6, aimp.Process({ target = callable }):await())
  end)

  it("shows its name to the system and, in it, to aimp.worker", function()
    local process = sleeper({ name = "painter" })
    assert.equal("aimp: painter", title_of(process.pid))
    process:kill()
    process:join()
    local me = aimp.Worker({ target = function() return require("aimp").worker() end, name = "me" })
    assert.same({ id = 1, pid = me:await().pid, pool = "me" }, me:await())
    assert.equal(me.pid, me:await().pid)
  end)

  it("is started by the start method that it names, or that was set", function()
    for _, method in ipairs({ "forkserver", "fork" }) do
      assert.equal(exec_mark_of(method), exec_mark_of(method))
    end
    assert.not_equal(exec_mark_of("spawn"), exec_mark_of("spawn"))
    aimp.set_start_method("spawn")
    local marks = { exec_mark_of(nil), exec_mark_of(nil), exec_mark_of("fork") }
    aimp.set_start_method("forkserver")
    assert.not_equal(marks[1], marks[2])
    assert.equal(marks[3], exec_mark_of(nil))
  end)

  it("tells of itself", function()
    local process = aimp.Process({ target = nothing, name = "x" })
    assert.equal("aimp.Process: x (new)", tostring(process))
    process:start()
    assert.equal(("aimp.Process: x (running, pid %d)"):format(process.pid), tostring(process))
    process:join()
    assert.equal(("aimp.Process: x (ended, pid %d)"):format(process.pid), tostring(process))
  end)

  it("cannot be sent", function()
    local process = aimp.Process({ target = nothing })
    local err = failure("ENCODE", function()
      aimp.Process({ target = print, args = { process } }):start()
    end)
    assert.matches("a process cannot be sent.*argument 1", err.message)
  end)

  it("is one of a hundred that run at once", function()
    local list = {}
    for i = 1, 100 do
      list[i] = aimp.Process({ target = function(status)
        require("aimp").sleep(0.01)
        os.exit(status)
      end, args = { i } }):start()
    end
    local codes = aimp.gather(list)
    for i = 1, 100 do
      assert.equal(i, codes[i])
      assert.equal(i, list[i].exitcode)
    end
  end)
end)

describe("process:join", function()
  it("leaves the process running when the time is up", function()
    local process = sleeper()
    assert.is_false(process:join(0.01))
    assert.is_true(process:is_alive())
    assert.is_false(process:join(0))
    assert.is_nil(process.exitcode)
    process:kill()
    assert.is_true(process:join(60))
    assert.is_true(process:join(0))
    assert.is_true(process:join())
  end)

  it("that is cancelled leaves it running", function()
    local process = sleeper()
    for _, method in ipairs({ "join", "await" }) do
      local waiting = aimp.spawn(function() return process[method](process) end)
      aimp.sleep(0)
      waiting:cancel()
      failure("CANCELLED", function() waiting:await() end)
      assert.is_true(process:is_alive())
    end
    process:terminate()
    assert.equal(-15, process:await())
  end)
end)

describe("a target", function()
  it("runs as a task beside others, and may wait for what they do", function()
    local worker = aimp.Worker({ target = function()
      local inside, sum = require("aimp"), 0
      local other = inside.spawn(function()
        inside.sleep(0.001)
        return 4
      end)
      sum = sum + other:await()
      for _ = 1, 3 do inside.sleep(0) end
      return sum, inside.worker().pool
    end, name = "summer" })
    assert.same({ 4, "summer" }, { worker:await() })
  end)

  it("gets the values that its variables have when the process is started", function()
    local value = 1
    local worker = aimp.Worker({ target = function() return value end })
    value = 2
    worker:start()
    value = 3
    assert.equal(2, worker:await())
  end)

  it("may start processes itself, and await them", function()
    local worker = aimp.Worker({ target = function()
      local inside = require("aimp")
      local inner = inside.Worker({ target = function(x)
        return x * 2, require("aimp").worker().pool
      end, args = { 21 }, name = "inner" })
      local code = inside.Process({ target = os.exit, args = { 9 } }):await()
      return code, inside.worker().pool, inner:await()
    end, name = "outer" })
    assert.same({ 9, "outer", 42, "inner" }, { worker:await() })
  end)

  it("may have pools, and run in one", function()
    local worker = aimp.Worker({ target = function()
      local inside = require("aimp")
      return inside.with(inside.Pool({ processes = 2 }), function(pool)
        return pool:map(function(x)
          return require("aimp").Worker({ target = math.abs, args = { -x } }):await()
        end, { 1, 2, 3 }):await()
      end)
    end })
    assert.same({ 1, 2, 3, n = 3 }, worker:await())
  end)

  it("is joined and closed by aimp.with, and terminated first when that fails", function()
    local function sleep()
      require("aimp").sleep(1000)
    end
    local process = aimp.Process({ target = math.abs, args = { 1 } })
    assert.equal("done", aimp.with(process, function(p)
      p:start()
      return "done"
    end))
    assert.error_matches(function() return process.exitcode end, "is closed")
    process = aimp.Process({ target = sleep })
    local ok, err = pcall(aimp.with, process, function(p)
      p:start()
      error("enough", 0)
    end)
    assert.same({ false, "enough" }, { ok, err })
    assert.error_matches(function() process:is_alive() end, "is closed")
    assert.equal("new", aimp.with(aimp.Process({ target = sleep }), function(p) return p._state end))
  end)

  it("takes the tasks that it left behind along, which may clean up", function()
    local path = os.tmpname()
    local process = aimp.Process({ target = function()
      local inside = require("aimp")
      inside.spawn(function()
        local _, err = pcall(inside.sleep, 1000)
        local file = assert(io.open(path, "w"))
        file:write(err.code)
        file:close()
      end)
      inside.sleep(0)
    end })
    assert.equal(0, process:await())
    local file = assert(io.open(path))
    assert.equal("CANCELLED", file:read("*a"))
    file:close()
    os.remove(path)
  end)
end)
