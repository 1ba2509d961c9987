-- SPDX-License-Identifier: MIT
local describe, it, assert, after_each = describe, it, require("luassert"), after_each
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local cli = require("spec.cli.support")
local launcher = require("aimp.pool.launcher")
local support = require("spec.process.support")

local failure, misuse = support.failure, support.misuse

after_each(launcher.close)
after_each(cli.remove_folders)

describe("a worker among tasks", function()
  it("gives all its results, and is terminated when it is cancelled", function()
    local function sleep()
      require("aimp").sleep(1000)
    end
    local two = aimp.Worker({ target = function() return 1, 2 end })
    assert.same({ 1, 2 }, { aimp.wait_for(two, 60) })
    local slow, failing = aimp.Worker({ target = sleep }), aimp.Worker({ target = error, args = { "no" } })
    local ok = pcall(aimp.gather, { slow, failing })
    assert.is_false(ok)
    assert.is_true(slow:join(60))
    assert.equal(-15, slow.exitcode)
    slow:pawait()
    local late = aimp.Worker({ target = sleep })
    local _, err = pcall(aimp.wait_for, late, 0.01)
    assert.equal("TIMEOUT", err.code)
    assert.is_true(late:join(60))
    assert.equal(-15, late.exitcode)
    late:pawait()
  end)

  it("that the script ended itself is no error that nobody looked at", function()
    local child = cli.run({ cli.script([[
      local aimp = require("aimp")
      local worker = aimp.Worker({ target = aimp.sleep, args = { 1000 } }):start()
      worker:terminate()
      worker:join()
      local slow = aimp.Worker({ target = aimp.sleep, args = { 1000 } })
      pcall(aimp.gather, { slow, aimp.Worker({ target = error, args = { "no" } }) })
      slow:join()
      print(worker.exitcode, slow.exitcode)
    ]]) })
    assert.same({ 0, "", "-15\t-15\n" }, { child.status, child.err, child.out })
  end)
end)

describe("aimp.Worker", function()
  it("gives what its target returned: the pid of its process", function()
    local worker = aimp.Worker({ target = function() return require("aimp").pid() end })
    assert.equal(worker:await(), worker.pid)
    assert.not_equal(aimp.pid(), worker.pid)
    assert.equal(worker.pid, worker:result())
    assert.equal(0, worker.exitcode)
  end)

  it("gives all results, nils included, as often as they are asked for", function()
    local worker = aimp.Worker({ target = function(...) return ... end, args = { nil, { 7 }, nil, n = 3 } })
    local waiting = {}
    for i = 1, 3 do
      waiting[i] = aimp.spawn(function() return select("#", worker:await()), select(2, worker:await()) end)
    end
    aimp.sleep(0)
    assert.is_true(worker:is_alive())
    for i = 1, 3 do
      local count, second = waiting[i]:await()
      assert.same({ 3, { 7 } }, { count, second })
    end
    assert.equal(3, select("#", worker:result()))
    assert.same({ true, nil, { 7 } }, { worker:pawait() })
  end)

  it("may have no result", function()
    assert.equal(0, select("#", aimp.Worker({ target = function() end }):await()))
  end)

  it("has no result before its end, even when it is not started", function()
    local worker = aimp.Worker({ target = function() end, name = "slow" })
    misuse("worker:result: worker 'slow' has not ended; await it", function() worker:result() end)
    worker:start()
    misuse("worker:result: worker 'slow' has not ended; await it", function() worker:result() end)
    worker:join()
    worker:result()
  end)

  it("joins without giving or raising anything of the target's", function()
    local worker = aimp.Worker({ target = error, args = { "no" } }):start()
    assert.same({ true, n = 1 }, { n = select("#", worker:join()), worker:join() })
    failure("REMOTE", function() worker:result() end)
  end)

  it("is numbered on its own", function()
    local number = tonumber(aimp.Worker({ target = print }).name:match("^Worker%-(%d+)$"))
    aimp.Process({ target = print })
    assert.equal(("Worker-%d"):format(number + 1), aimp.Worker({ target = print }).name)
  end)

  it("brings a large result", function()
    local text = aimp.Worker({ target = string.rep, args = { "x", 3e6 } }):await()
    assert.equal(3e6, #text)
  end)

  it("leaves nothing unsettled when a hundred run at once", function()
    local list = {}
    for i = 1, 100 do
      list[i] = aimp.Worker({ target = function(x) return x * x end, args = { i } }):start()
    end
    local results = aimp.gather(list)
    for i = 1, 100 do
      assert.equal(i * i, results[i])
    end
  end)
end)

describe("the error of a worker", function()
  it("is raised whenever it is awaited, with its value and traceback", function()
    local worker = aimp.Worker({ target = function() error({ reason = 7 }) end, name = "sad" })
    for _ = 1, 2 do
      local err = failure("REMOTE", function() worker:await() end)
      assert.same({ 7, "sad" }, { err.cause.reason, err.task })
      assert.matches("worker_spec%.lua:%d+: in function", err.traceback)
    end
    local ok, err = worker:pawait()
    assert.same({ false, 7 }, { ok, err.cause.reason })
    assert.equal(7, failure("REMOTE", function() worker:result() end).cause.reason)
    assert.same({ 1, worker.pid }, { worker.exitcode, err.pid })
  end)

  it("is told once on stderr when nobody looks, and in the exit status; else not", function()
    local text = [[
      local aimp = require("aimp")
      local worker = aimp.Worker({ target = function() error("the reason") end }):start()
      worker:join()
    ]]
    local child = cli.run({ cli.script(text) })
    assert.equal(1, child.status)
    assert.equal(1, select(2, child.err:gsub("the reason", "")), child.err)
    child = cli.run({ cli.script(text .. "print(worker:pawait())") })
    assert.same({ 0, "" }, { child.status, child.err })
    assert.matches("^false\t.*the reason", child.out)
  end)

  it("is WORKER_DIED where it was killed or left before its target returned", function()
    local worker = aimp.Worker({ target = function() while true do end end, name = "lost" })
    worker:start()
    worker:join(0.01)
    worker:kill()
    local err = failure("WORKER_DIED", function() worker:await() end)
    assert.equal(("worker 'lost' (pid %d) was killed by signal 9 (SIGKILL) before its target had returned")
      :format(worker.pid), err.message)
    assert.same({ worker.pid, 9, -9 }, { err.pid, err.signal, worker.exitcode })
    worker = aimp.Worker({ target = os.exit, args = { 3 } })
    err = failure("WORKER_DIED", function() worker:await() end)
    assert.same({ 3, 3 }, { err.status, worker.exitcode })
    worker = aimp.Worker({ target = os.exit, args = { 0 } })
    failure("WORKER_DIED", function() worker:await() end)
    assert.equal(0, worker.exitcode)
  end)

  it("is ENCODE for a result that cannot be sent", function()
    local worker = aimp.Worker({ target = function() return { co = coroutine.create(print) } end })
    local err = failure("ENCODE", function() worker:await() end)
    assert.matches("cannot send coroutine at result 1 → co", err.message)
    assert.equal(1, worker.exitcode)
  end)

  it("keeps a result that came before the process was killed", function()
    local worker = aimp.Worker({ target = function()
      require("aimp").Process({ target = function() require("aimp").sleep(1000) end }):start()
      return "kept" -- and the process waits for the other one
    end })
    worker:start()
    support.eventually(function() return worker._call:done() end, "the result comes")
    assert.is_true(worker:is_alive())
    worker:terminate()
    assert.equal("kept", worker:await())
    assert.equal(-15, worker.exitcode)
  end)
end)
