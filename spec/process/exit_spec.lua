-- SPDX-License-Identifier: MIT
--- What becomes of processes when the script that started them ends.
local after_each, describe, it, assert = after_each, describe, it, require("luassert")

local cli = require("spec.cli.support")
local helper = require("spec.helper")
local uv = require("luv")

local function is_gone(pid)
  return select(3, uv.kill(pid, 0)) == "ESRCH"
end

local function assert_gone(pids)
  for _, pid in ipairs(pids) do
    assert.is_true(helper.wait_until(function() return is_gone(pid) end), "a process is left")
  end
end

-- A script with one process that is no daemon and one that is; their targets print a word, then wait for
-- the pipe to be written to.
local function start(rest)
  local path = cli.script([[
    local aimp = require("aimp")
    local function target(word, daemon)
      print(word)
      repeat aimp.sleep(0.002) until not daemon and io.open(arg[1])
      print(word .. " ends")
    end
    local one = aimp.Process({ target = target, args = { "one", false } }):start()
    local daemon = aimp.Process({ target = target, args = { "daemon", true } })
    daemon.daemon = true
    daemon:start()
    print(one.pid .. " " .. daemon.pid)
  ]] .. rest)
  local gate = path:gsub("script%.lua$", "gate")
  local child = cli.start({ path, gate })
  local pids, others, seen = {}, "", 0
  while seen < 3 do
    local line = child:line()
    local a, b = line:match("^(%d+) (%d+)$")
    if a then
      pids = { tonumber(a), tonumber(b) }
    elseif line ~= "one" and line ~= "daemon" then
      others, seen = others .. line .. "\n", seen - 1
    end
    seen = seen + 1
  end
  child.out = others .. child.out
  return child, pids, function(suffix) assert(io.open(gate .. (suffix or ""), "w")):close() end
end

describe("at the end of a script", function()
  after_each(cli.remove_folders)

  it("a process is waited for, a daemon is killed", function()
    local child, pids, open = start("print('the script ends')")
    assert.equal("the script ends", child:line())
    for _, pid in ipairs(pids) do
      assert.is_false(is_gone(pid))
    end
    open()
    child:wait()
    assert.same({ 0, "", "one ends\n" }, { child.status, child.err, child.out })
    assert_gone(pids)
  end)

  it("by an error, that is told at once, and then the same", function()
    local child, pids, open = start("error('the reason')")
    child:wait_err("the reason")
    assert.is_false(is_gone(pids[1]))
    open()
    child:wait()
    assert.same({ 1, "one ends\n" }, { child.status, child.out })
    assert.is_nil(child.err:find("aimp:", 1, true))
    assert_gone(pids)
  end)

  it("tasks are cancelled first, and what comes back while it waits counts", function()
    local child, pids, open = start([[
      local worker = aimp.Worker({ target = function()
        repeat aimp.sleep(0.002) until io.open(arg[1])
        error("nobody looked at this")
      end }):start()
      aimp.spawn(function()
        print(select(2, pcall(worker.join, worker)).code)
      end)
      aimp.sleep(0)
    ]])
    assert.equal("CANCELLED", child:line())
    open()
    child:wait()
    assert.same({ 1, "one ends\n" }, { child.status, child.out })
    assert.equal(1, select(2, child.err:gsub("nobody looked at this", "")), child.err)
    assert_gone(pids)
  end)

  it("a shared object is served while it waits", function()
    local child = cli.run({ cli.script([[
      local aimp = require("aimp")
      local event, counter = aimp.Event({}), aimp.Counter({})
      aimp.Process({ target = function() event:wait() print("counted", counter:get()) end }):start()
      aimp.Process({ target = function() aimp.sleep(0.01) counter:add(7) event:set() end }):start()
    ]]) })
    assert.same({ 0, "", "counted\t7\n" }, { child.status, child.err, child.out })
  end)

  it("what waits for a shared object goes on waiting when the script's tasks are cancelled", function()
    local child = cli.run({ cli.script([[
      local aimp = require("aimp")
      local event, ready = aimp.Event(), aimp.Queue()
      local process = aimp.Process({ target = function()
        aimp.spawn(function() ready:put(true) end)
        print(event:wait())
      end })
      process:start()
      aimp.spawn(function()
        local ok, err = pcall(aimp.sleep, 1000)
        aimp.sleep(0.01)
        print(ok, err.code)
        event:set()
      end)
      ready:get()
      aimp.sleep(0) -- its task has begun
    ]]) })
    assert.same({ 0, "", "false\tCANCELLED\ntrue\n" }, { child.status, child.err, child.out })
  end)

  it("by os.exit, all are killed at once", function()
    local child, pids, open = start("repeat aimp.sleep(0.002) until io.open(arg[1] .. '2') os.exit(5)")
    open("2")
    child:wait()
    assert.same({ 5, "", "" }, { child.status, child.err, child.out })
    assert_gone(pids)
  end)

  it("by Ctrl-C or SIGTERM, all are killed at once, told in one line", function()
    for name, status in pairs({ SIGINT = 130, SIGTERM = 143 }) do
      local child, pids = start("io.write('flushed') aimp.sleep(1000)")
      child:kill(uv.constants[name])
      child:wait()
      assert.same({ status, "flushed" }, { child.status, child.out }) -- or it ended by its deadline
      assert.equal(name == "SIGINT" and "aimprun: interrupted\n" or "aimprun: terminated\n", child.err)
      assert_gone(pids)
    end
  end)

  it("by Ctrl-C, those that wait for a shared object say nothing", function()
    local child = cli.start({ cli.script([[
      local aimp = require("aimp")
      local lock, ready = aimp.Lock(), aimp.Queue()
      lock:acquire()
      for _ = 1, 3 do
        aimp.Process({ target = function()
          aimp.spawn(function() ready:put(true) end)
          lock:acquire()
        end }):start()
      end
      for _ = 1, 3 do ready:get() end
      print("ready")
      aimp.sleep(1000)
    ]]) })
    assert.equal("ready", child:line())
    child:kill(uv.constants.SIGINT)
    child:wait()
    assert.same({ 130, "aimprun: interrupted\n" }, { child.status, child.err })
  end)

  it("Ctrl-C ends the waiting for processes, too", function()
    local child, pids = start("print('the script ends') io.write('flushed')")
    assert.equal("the script ends", child:line())
    child:kill(uv.constants.SIGINT)
    child:wait()
    assert.same({ 130, "aimprun: interrupted\n", "flushed" }, { child.status, child.err, child.out })
    assert_gone(pids)
  end)

  it("the second Ctrl-C ends a script that is stuck, and all with it", function()
    local child, pids = start("while true do end")
    child:kill(uv.constants.SIGINT)
    child:wait_err("interrupted\n")
    child:kill(uv.constants.SIGINT)
    child:wait()
    assert.equal(130, child.status)
    assert_gone(pids)
  end)

  it("that is killed, all are killed, those of processes as well", function()
    local path = cli.script([[
      local aimp = require("aimp")
      local process = aimp.Process({ target = function()
        local inner = require("aimp").Process({ target = function() while true do end end }):start()
        print(inner.pid)
        while true do end
      end }):start()
      print(process.pid)
      aimp.sleep(1000)
    ]])
    local child = cli.start({ path })
    local pids = { tonumber(child:line()), tonumber(child:line()) }
    child:kill(9)
    assert.equal(9, child:wait().signal)
    assert_gone(pids)
  end)

  it("processes come before its pools, which they may need", function()
    local child = cli.run({ cli.script([[
      local aimp = require("aimp")
      local pool = aimp.Pool({ processes = 1 })
      local worker = pool:apply(aimp.pid):await()
      aimp.Process({ target = function()
        print(require("luv").kill(worker, 0))
      end }):start()
    ]]) })
    assert.same({ 0, "", "0\n" }, { child.status, child.err, child.out })
  end)
end)

describe("a worker of a pool that ends", function()
  after_each(cli.remove_folders)

  it("waits for processes that its tasks started, but for daemons", function()
    local child = cli.run({ cli.script([[
      local aimp = require("aimp")
      aimp.with(aimp.Pool({ processes = 1 }), function(pool)
        pool:apply(function()
          local inside = require("aimp")
          inside.Process({ target = function() require("aimp").sleep(1000) end, daemon = true }):start()
          inside.Process({ target = function() require("aimp").sleep(0.02) print("inner ends") end }):start()
        end):await()
      end)
      print("pool has ended")
    ]]) })
    assert.same({ 0, "", "inner ends\npool has ended\n" }, { child.status, child.err, child.out })
  end)
end)
