-- SPDX-License-Identifier: MIT
--- Ends of the parent that nobody prepared, and its workers. Ordered ends: spec/cli/worker_spec.lua.
local describe, it, assert = describe, it, require("luassert")
local after_each = after_each
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local cli = require("spec.cli.support")
local helper = require("spec.helper")
local uv = require("luv")

local last_mark = 0

-- A script whose processes can all be found, by a mark in their environment.
local function start(script)
  last_mark = last_mark + 1
  local mark = ("%d-%d"):format(uv.os_getpid(), last_mark)
  local child = cli.start({ "-" }, { stdin = script, env = { AIMP_SPEC_MARK = mark } })
  child.mark = "AIMP_SPEC_MARK=" .. mark
  return child
end

local function text_of(path)
  local file = io.open(path)
  local text = file and file:read("*a") or ""
  if file then
    file:close()
  end
  return text
end

-- All processes of a script, zombies not counted: those have no environment.
local function processes(child)
  local pids = {}
  for name in uv.fs_scandir_next, assert(uv.fs_scandir("/proc")) do
    if name:match("^%d+$") and text_of(("/proc/%s/environ"):format(name)):find(child.mark, 1, true) then
      pids[#pids + 1] = tonumber(name)
    end
  end
  return pids
end

local function assert_all_gone(child)
  assert.is_true(helper.wait_until(function() return #processes(child) == 0 end), "processes are left")
end

local busy = [[
  local aimp = require("aimp")
  local pool = aimp.Pool({ processes = 2, childconcurrency = 1 })
  local last
  for _ = 1, 50 do
    last = pool:apply(function() while true do end end)
  end
  repeat
    aimp.sleep(0.001)
    assert(not last:done())
    local workers = pool:stats().workers
  until workers[1].running == 1 and workers[2].running == 1
  for _, worker in ipairs(pool:stats().workers) do print(worker.pid) end
]]

describe("a parent that is killed", function()
  after_each(cli.remove_folders)

  it("takes workers along that loop on the CPU", function()
    local child = start(busy .. "aimp.sleep(1000)")
    child:line()
    child:line()
    assert.equal(4, #processes(child)) -- itself, the template, two workers
    child:kill(9)
    assert.equal(9, child:wait().signal)
    assert_all_gone(child)
  end)

  it("together with its template takes them along, too", function()
    local child = start(busy .. "print(require('aimp.pool.launcher').pid()) aimp.sleep(1000)")
    child:line()
    child:line()
    local template = tonumber(child:line())
    child:kill(19) -- SIGSTOP: it starts nothing new
    uv.kill(template, "sigkill")
    child:kill(9)
    child:wait()
    assert_all_gone(child)
  end)

  it("takes workers along that are idle, whichever the start method", function()
    for _, method in ipairs({ "forkserver", "spawn" }) do
      local child = start(([[
        local aimp = require("aimp")
        local pool = aimp.Pool({ processes = 2, start_method = "%s" })
        pool:broadcast(aimp.pid)
        print("up")
        aimp.sleep(1000)
      ]]):format(method))
      child:line()
      assert.equal(4, #processes(child))
      child:kill(9)
      child:wait()
      assert_all_gone(child)
    end
  end)

  it("right after it made a pool leaves nothing", function()
    local child = start([[
      local aimp = require("aimp")
      local pool = aimp.Pool({ processes = 4 })
      print("made")
      io.stdout:flush()
      while pool do end
    ]])
    child:line()
    child:kill(9)
    child:wait()
    assert_all_gone(child)
  end)

  it("while its workers are in their initializers leaves nothing", function()
    local child = start([[
      local aimp = require("aimp")
      local pool = aimp.Pool({ processes = 2, initializer = function()
        io.write("begun\n")
        io.stdout:flush()
        while true do end
      end })
      aimp.sleep(1000)
      pool:close()
    ]])
    child:line()
    child:line()
    child:kill(9)
    child:wait()
    assert_all_gone(child)
  end)

  it("takes a stopped worker along", function()
    local child = start(busy .. "aimp.sleep(1000)")
    uv.kill(tonumber(child:line()), "sigstop")
    child:line()
    child:kill(9)
    child:wait()
    assert_all_gone(child)
  end)

  it("takes the workers of a nested pool along", function()
    local child = start([[
      local aimp = require("aimp")
      local pool = aimp.Pool({ processes = 1 })
      pool:apply(function()
        local inner = require("aimp").Pool({ processes = 1 })
        _G.kept = inner
        inner:apply(math.abs, 1):await()
        _G.loops = inner:apply(function() while true do end end)
      end):await()
      print("up")
      aimp.sleep(1000)
    ]])
    child:line()
    assert.equal(5, #processes(child))
    child:kill(9)
    child:wait()
    assert_all_gone(child)
  end)

  it("leaves no shared memory with a name", function()
    local function names()
      local found = {}
      for name in uv.fs_scandir_next, assert(uv.fs_scandir("/dev/shm")) do
        found[#found + 1] = name:match("aimp")
      end
      return found
    end
    local child = start(busy .. "aimp.sleep(1000)")
    child:line()
    assert.same({}, names())
    child:kill(9)
    child:wait()
    assert_all_gone(child)
  end)
end)

describe("a script that ends without closing its pool", function()
  it("ends at once with what it did, and says nothing", function()
    local child = start(busy .. "print('end')"):wait()
    assert.same({ 0, "" }, { child.status, child.err })
    assert.matches("end\n$", child.out)
    assert_all_gone(child)
  end)

  it("by os.exit in a task of its own does, too", function()
    local child = start(busy .. "aimp.spawn(os.exit, 7):await()"):wait()
    assert.same({ 7, "" }, { child.status, child.err })
    assert_all_gone(child)
  end)

  it("by an error reports that error alone", function()
    local child = start(busy .. "error('the reason')"):wait()
    assert.equal(1, child.status)
    assert.matches("^aimprun: stdin:%d+: the reason\n", child.err)
    assert.is_nil(child.err:find("CLOSED", 1, true) or child.err:find("pool", 1, true))
    assert_all_gone(child)
  end)

  it("before its workers are up does, too", function()
    local child = start("require('aimp').Pool({ processes = 4 }):apply(math.abs, 1)"):wait()
    assert.same({ 0, "" }, { child.status, child.err })
    assert_all_gone(child)
  end)

end)

describe("a worker whose standard output is gone", function()
  it("survives a closed pipe, as its parent does", function()
    local child = cli.shell([[
      set -o pipefail
      "$AIMPRUN" -e '
        local aimp = require("aimp")
        local pool = aimp.Pool({ processes = 2 })
        pool:map(function()
          for _ = 1, 100 do print(("x"):rep(1000)) end
        end, { 1, 2, 3, 4 }):await()
        io.stderr:write("all ran\n")
        pool:close()
        pool:join()' | head -c 10 >/dev/null
    ]])
    assert.matches("^all ran\n", child.err)
  end)
end)
