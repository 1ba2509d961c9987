-- SPDX-License-Identifier: MIT
--- lua/aimp/pool/supervisor.lua: how workers go.
local host_module = require("spec.pool.supervisor_host")

local KILLED, CRASHED, ENDED = 9, 11, 0

--- A host whose workers 1 to `up` are ready and the others launched.
local function started(count, up, options)
  local host = host_module.new(options)
  local supervisor = host:supervise(count)
  supervisor:fill()
  for number = 1, up do
    host:up(number)
  end
  host:done()
  return host, supervisor
end

describe("stop_all", function()
  it("drains the ready, stops them when they hold nothing, and kills the others", function()
    local host, supervisor = started(3, 2)
    host:forked(3)
    host.busy[1] = true
    supervisor:stop_all()
    assert.equal("drain 1; stop 1; drain 2; signal 9 3", host:done())
    assert.same({ "stopping", "draining" }, { host:state(1), host:state(2) })
    host.busy[1] = nil
    supervisor:sweep()
    assert.equal("stop 2", host:done())
    for number, status in ipairs({ ENDED, ENDED, KILLED }) do
      assert.is_false(supervisor:is_empty())
      host:exited(number, status)
    end
    assert.is_true(supervisor:is_empty())
    assert.is_nil(host.broken)
    assert.equal("gone 1; gone 2; gone 3", host:done())
  end)

  it("kills a process as soon as it exists, and takes no notice of its being ready", function()
    local host, supervisor = started(1, 0)
    supervisor:stop_all()
    host:hello(1)
    host:ready(1)
    assert.equal("", host:done())
    host:forked(1)
    assert.equal("signal 9 1", host:done())
    host:exited(1, KILLED)
    assert.is_true(supervisor:is_empty())
  end)

  it("ends a back-off", function()
    local host, supervisor = started(1, 0)
    host:forked(1)
    host:exited(1, CRASHED)
    assert.equal(1, #host.timers)
    supervisor:stop_all()
    assert.same({ 0, true }, { #host.timers, supervisor:is_empty() })
  end)

  it("tells of a worker that ends badly", function()
    local host, supervisor = started(2, 2)
    supervisor:stop_all()
    host:exited(1, CRASHED)
    host:exited(2, ENDED)
    assert.same({ "worker 1 (pid 1001) was killed by signal 11 (SIGSEGV) while it ended" }, host.reports)
  end)

  it("tells nothing of one that was killed meanwhile", function()
    local host, supervisor = started(1, 1)
    supervisor:stop_all()
    supervisor:kill_all()
    host:exited(1, KILLED)
    assert.same({}, host.reports)
  end)
end)

describe("kill_all", function()
  it("kills all, whatever they do, and starts none again", function()
    local host, supervisor = started(3, 2)
    host.busy[1] = true
    supervisor:resize(1)
    host:done()
    supervisor:kill_all()
    assert.equal("signal 9 1; signal 9 2", host:done()) -- 3 has no process yet
    host:exited(1, KILLED)
    host:exited(2, KILLED)
    host:forked(3)
    host:exited(3, KILLED)
    assert.equal("gone 1; gone 2; remove_slot 2; signal 9 3; gone 3; remove_slot 3", host:done())
    assert.is_true(supervisor:is_empty())
  end)
end)

describe("abandon", function()
  it("kills and forgets, without waiting for an end", function()
    local host, supervisor = started(2, 1)
    supervisor:abandon()
    assert.equal("signal 9 1; forget 1; forget 2", host:done())
    assert.same({ true, 0 }, { supervisor:is_empty(), #host.timers })
  end)
end)

describe("resize", function()
  it("starts more", function()
    local host, supervisor = started(1, 1)
    supervisor:resize(3)
    assert.equal("launch 2; launch 3", host:done())
  end)

  it("lets the surplus finish, and does not replace it", function()
    local host, supervisor = started(3, 3)
    host.busy[2] = true
    supervisor:resize(1)
    assert.equal("drain 2; stop 2; remove_slot 2; drain 3; remove_slot 3", host:done())
    host:exited(2, ENDED)
    host.busy[2] = nil
    supervisor:sweep()
    host:exited(3, ENDED)
    assert.equal("gone 2; remove_slot 2; stop 3; gone 3; remove_slot 3", host:done())
    assert.same({ "ready", "vacant", "vacant" }, { host:state(1), host:state(2), host:state(3) })
  end)

  it("dismisses what is not up yet, without counting it as failed", function()
    local host, supervisor = started(8, 0)
    supervisor:resize(1)
    supervisor:resize(8)
    for number = 2, 8 do
      host:forked(number)
      host:exited(number, KILLED)
    end
    assert.is_nil(host.broken)
    host:up(1)
    for number = 2, 8 do
      host:up(number)
      assert.equal("ready", host:state(number))
    end
  end)

  it("does not hurry those that are going already", function()
    local host, supervisor = started(2, 2)
    host.busy[1] = true
    supervisor:resize(1)
    host:done()
    supervisor:resize(2)
    supervisor:resize(1)
    assert.is_nil(host:done():find("signal", 1, true))
    assert.equal("draining", host:state(2))
  end)

  it("up again starts a place anew when its worker has gone", function()
    local host, supervisor = started(2, 2)
    supervisor:resize(1)
    supervisor:resize(2)
    host:done()
    host:exited(2, ENDED)
    assert.equal("gone 2; launch 2", host:done())
  end)
end)

describe("sweep", function()
  it("replaces workers whose quota is used up, when all they did is answered", function()
    local host, supervisor = started(2, 2, { has_quota = true })
    host.spent[0], host.busy[0] = true, true
    supervisor:sweep()
    assert.equal("", host:done())
    host.busy[0] = nil
    supervisor:sweep()
    assert.equal("drain 1; stop 1", host:done())
    host:exited(1, ENDED)
    host.spent[0] = nil
    assert.equal("gone 1; launch 1", host:done())
    host:up(1)
    assert.same({ 1, 0 }, { supervisor.workers[1].restarts, #host.reports })
  end)
end)

describe("a worker", function()
  it("is sent a signal as soon as there is a process to get it", function()
    local host, supervisor = started(1, 0)
    supervisor:kill(supervisor.workers[1], 15)
    assert.equal("", host:done())
    host:forked(1)
    assert.equal("signal 15 1", host:done())
  end)

  it("that is gone gets no signal", function()
    local host, supervisor = started(1, 1)
    supervisor.respawn = false
    host:exited(1, KILLED)
    host:done()
    supervisor:kill(supervisor.workers[1], 9)
    assert.equal("", host:done())
  end)
end)
