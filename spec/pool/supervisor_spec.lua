-- SPDX-License-Identifier: MIT
local host_module = require("spec.pool.supervisor_host")

local KILLED, EXITED_3 = 9, 3 * 256

--- A host whose `count` workers are launched, or up where `is_up`.
local function started(count, is_up, options)
  local host = host_module.new(options)
  local supervisor = host:supervise(count)
  supervisor:fill()
  for number = 1, is_up and count or 0 do
    host:up(number)
  end
  if is_up then
    host:done()
  end
  return host, supervisor
end

describe("a worker's start", function()
  it("goes from launching through starting to ready", function()
    local host, supervisor = started(1)
    assert.equal("launch 1", host:done())
    assert.equal("launching", host:state(1))
    host:forked(1)
    assert.same({ "starting", 1001, 51 }, { host:state(1), supervisor.workers[1].pid, host.pidfds[0] })
    host:hello(1)
    host:ready(1)
    assert.same({ "ready", "ready 1; up 1" }, { host:state(1), host:done() })
  end)

  it("may be told ready before it is told forked", function()
    local host, supervisor = started(1)
    host:hello(1)
    host:ready(1)
    host:forked(1)
    assert.same({ "ready", 1001 }, { host:state(1), supervisor.workers[1].pid })
  end)

  it("gives each a number, and the start method", function()
    local host = started(3, false, { spawn = true })
    assert.equal("launch 1; launch 2; launch 3", host:done())
    assert.same({ { id = 1, worker = 1, spawn = 1 }, { id = 3, worker = 3, spawn = 1 } },
      { host.requests[0], host.requests[2] })
  end)

  it("is killed when it does not say hello in time, however long its initializer then takes", function()
    local host = started(1)
    host:forked(1)
    assert.equal(1, #host.timers)
    assert.equal(10, host:elapse())
    assert.equal("launch 1; signal 9 1", host:done())
    host:exited(1, KILLED)
    assert.equal("vacant", host:state(1))
    host:elapse() -- the back-off
    host:forked(1)
    host:hello(1)
    assert.equal(0, #host.timers)
  end)

  it("is refused twice over", function()
    local host, supervisor = started(1, true)
    supervisor:fill()
    assert.equal("", host:done())
    host:ready(1)
    assert.equal("", host:done())
  end)
end)

describe("a failed start", function()
  it("is tried again after a back-off that doubles, and opens the breaker the third time", function()
    local host, supervisor = started(1)
    local waits = {}
    for try = 1, 3 do
      host:forked(1)
      host:hello(1)
      host:ready(1, "try " .. try)
      host:exited(1, KILLED)
      if try < 3 then
        waits[try] = host:elapse()
      end
    end
    assert.same({ 0.1, 0.2 }, waits)
    assert.equal("try 3", host.broken.message)
    assert.same({ 0, true }, { #host.timers, supervisor:is_empty() })
    supervisor:refill()
    assert.equal("vacant", host:state(1))
  end)

  it("counts once for all that were started side by side", function()
    local host = started(8)
    for number = 1, 8 do
      host:forked(number)
      host:exited(number, EXITED_3)
    end
    assert.is_nil(host.broken)
    assert.equal(8, #host.timers)
  end)

  it("is forgotten when another one comes up", function()
    local host = started(2)
    host:forked(1)
    host:up(2)
    for _ = 1, 5 do
      host:exited(1, EXITED_3)
      assert.is_near(0.1, host:elapse(), 1e-9)
      host:forked(1)
      host:exited(2, KILLED) -- this one was up, so the next comes at once
      host:up(2)
    end
    assert.is_nil(host.broken)
  end)

  it("says how the process ended", function()
    local host = started(1)
    for _ = 1, 2 do
      host:forked(1)
      host:exited(1, EXITED_3)
      host:elapse()
    end
    host:forked(1)
    host:exited(1, EXITED_3)
    assert.equal("START", host.broken.code)
    assert.equal("worker 1 (pid 1001) exited with status 3 before it was ready", host.broken.message)
  end)

  it("may be a fork that failed", function()
    local host = started(1)
    host.listeners[0]:on_launch_failed(11)
    assert.same({ "vacant", 1 }, { host:state(1), #host.timers })
    host:elapse()
    host:up(1)
    assert.equal("ready", host:state(1))
  end)

  it("that is known at once is raised at who fills", function()
    for _, what in ipairs({ "open", "configure", "fork" }) do
      local host = host_module.new()
      host.refuse[what] = "refused: " .. what
      local supervisor = host:supervise(2)
      local ok, err = pcall(supervisor.fill, supervisor)
      assert.is_false(ok)
      assert.matches("refused: " .. what, type(err) == "table" and err.message or err)
      assert.is_true(supervisor:is_empty())
    end
  end)

  it("that is known at once is tried again when an event asked for it", function()
    for _, what in ipairs({ "open", "configure", "fork" }) do
      local host = started(1, true)
      host.refuse[what] = "refused: " .. what
      host:exited(1, KILLED)
      assert.same({ "vacant", 1 }, { host:state(1), #host.timers })
      host.refuse[what] = nil
      host:elapse()
      host:up(1)
      assert.equal("ready", host:state(1))
    end
  end)
end)

describe("a worker that dies", function()
  it("is replaced at once, after what it sent was read", function()
    local host = started(2, true)
    host.on_drain = function() host.log[#host.log + 1] = "drained" end
    host:exited(1, KILLED)
    assert.equal("drained; gone 1; launch 1", host:done())
    assert.same({ 1, 1001, 9 }, { host.deaths[1].worker, host.deaths[1].pid, host.deaths[1].signal })
    host:up(1)
    assert.same({ "ready", 1 }, { host:state(1), host.supervisor.workers[1].restarts })
  end)

  it("together with the template is told as lost", function()
    local host = started(2, true)
    host:exited(1, nil)
    host:exited(2, nil)
    assert.matches("lost with the template", host.deaths[2].how)
    assert.equal("gone 1; launch 1; gone 2; launch 2", host:done())
  end)

  it("takes no part in what its place did before", function()
    local host, supervisor = started(1, true)
    supervisor:kill(supervisor.workers[1], 15)
    host:exited(1, 15)
    assert.same({ false, false }, { supervisor.workers[1].killed, supervisor.workers[1].was_ready })
  end)
end)

describe("a process that is started once", function()
  local function once(label)
    return started(1, false, { once = true, label = label })
  end

  it("gets its work before it is up, and not again", function()
    local host = once()
    assert.equal("ready 1; launch 1", host:done())
    host:up(1)
    assert.equal("up 1", host:done())
  end)

  it("is not replaced when it ends", function()
    local host, supervisor = once()
    host:up(1)
    host:exited(1, EXITED_3)
    assert.same({ "vacant", true, 0 }, { host:state(1), supervisor:is_empty(), #host.timers })
    supervisor:fill()
    assert.equal("vacant", host:state(1))
    assert.same({}, host.reports)
    assert.is_nil(host.broken)
  end)

  it("is not tried again when it does not come up, which its label tells", function()
    local host, supervisor = once("process 'p'")
    host:forked(1)
    host:exited(1, EXITED_3)
    assert.equal("process 'p' (pid 1001) exited with status 3 before it was ready", host.broken.message)
    assert.same({ true, 0 }, { supervisor:is_empty(), #host.timers })
  end)

  it("is stopped with an exit status, whose difference is nobody's surprise", function()
    local host, supervisor = once()
    host:up(1)
    supervisor:worker_at(0).exit_status = 1
    supervisor:stop_all()
    assert.equal(1, host.stop_status)
    host:exited(1, EXITED_3)
    assert.same({}, host.reports)
  end)
end)
