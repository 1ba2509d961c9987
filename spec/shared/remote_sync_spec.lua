-- SPDX-License-Identifier: MIT
--- Events, barriers and counters used from other processes; how shared objects travel.
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local holder = require("spec.shared.modules.holder")
local support = require("spec.shared.remote_support")
local uv = require("luv")

local eventually, failure, in_line = support.eventually, support.failure, support.in_line
local by_worker, kill = support.by_worker, support.kill
local complaint, assert_late = support.complaint, support.assert_late
local wait_for = holder.wait_for

local function with_pool(name, body)
  it(name, support.pooled(body))
end

describe("a shared object", function()
  local counter = aimp.Counter()

  with_pool("is the same as argument, as captured variable, in tables and on its way back", function(pool)
    counter:set(0)
    assert.equal(1, pool:apply(function(given) return given:add() end, counter):await())
    assert.equal(2, pool:apply(function() return counter:add() end):await())
    assert.equal(3, pool:apply(function(t)
      assert(t[t.list[1]] == "as key")
      return t.list[1]:add()
    end, { list = { counter }, [counter] = "as key" }):await())
    local back, list = pool:apply(function(given) return given, { given } end, counter):await()
    assert.equal(counter, back)
    assert.equal(counter, list[1])
    assert.equal(3, counter:get())
  end)

  for _, class in ipairs({ "Event", "Lock", "Semaphore", "Counter" }) do
    with_pool("travels: aimp." .. class, function(pool)
      local object = aimp[class]()
      assert.equal("aimp." .. class, pool:apply(tostring, object):await())
      assert.equal(object, pool:apply(function(given) return given end, object):await())
    end)
  end
end)

describe("an event", function()
  with_pool("is waited for in workers and set here", function(pool)
    local event = aimp.Event()
    local tasks = { pool:apply(event.wait, event), pool:apply(event.wait, event) }
    in_line(event, 2)
    event:set()
    assert.same({ true, true }, aimp.gather(tasks))
    assert.is_true(pool:apply(event.is_set, event):await())
    event:clear()
    assert.is_false(pool:apply(event.is_set, event):await())
  end)

  with_pool("is set in a worker, also outside of its tasks", function(pool)
    local event, again = aimp.Event(), aimp.Event()
    pool:apply(function() event:set() end)
    event:wait()
    local task = pool:apply(function()
      local a = require("aimp")
      a.spawn(function() end):on_done(function() again:set() end)
      again:wait()
      local was_set = again:is_set()
      again:clear()
      return was_set, again:is_set()
    end)
    again:wait()
    local before, after = task:await()
    assert.is_true(before)
    assert.is_false(after)
  end)

  with_pool("is not waited for longer than asked", function(pool)
    local event = aimp.Event()
    for _, timeout in ipairs({ 0, 0.01 }) do
      local task = pool:apply(event.wait, event, timeout)
      assert_late("waited " .. timeout .. " s for an event", task)
    end
    in_line(event, 0)
  end)

  with_pool("forgets who was cancelled or died", function(pool)
    local event, pid = aimp.Event(), aimp.Counter()
    local cancelled = pool:apply(event.wait, event)
    in_line(event, 1)
    cancelled:cancel()
    failure("CANCELLED", cancelled.await, cancelled)
    in_line(event, 0)
    local killed = pool:apply(wait_for, event, "wait", pid)
    in_line(event, 1)
    kill(pid, killed)
    in_line(event, 0)
  end)
end)

describe("a barrier", function()
  with_pool("is met at by tasks of several processes, round after round", function(pool)
    local barrier = aimp.Barrier({ parties = 3 })
    local function rounds(n)
      local numbers = {}
      for i = 1, n do
        numbers[i] = barrier:wait()
      end
      return numbers
    end
    local lists = aimp.gather({ pool:apply(rounds, 20), pool:apply(rounds, 20), aimp.spawn(rounds, 20) })
    for round = 1, 20 do
      local numbers = { lists[1][round], lists[2][round], lists[3][round] }
      table.sort(numbers)
      assert.same({ 1, 2, 3 }, numbers)
    end
    assert.same({ 3, 0 }, { pool:apply(function()
      return barrier:parties(), barrier:waiting()
    end):await() })
  end)

  with_pool("does not count who left", function(pool)
    local barrier, pid, on = aimp.Barrier({ parties = 3 }), aimp.Counter(), by_worker(pool)
    local dead = on(1, wait_for, barrier, "wait", pid)
    in_line(barrier, 1)
    local cancelled = on(2, barrier.wait, barrier)
    in_line(barrier, 2)
    kill(pid, dead)
    in_line(barrier, 1)
    cancelled:cancel()
    in_line(barrier, 0)
    local late = on(2, barrier.wait, barrier, 0.01)
    assert_late("waited 0.01 s for the others at a barrier", late)
    assert.equal(0, barrier:waiting())
    assert_late("waited 0 s for the others at a barrier", on(2, barrier.wait, barrier, 0))
    local first = on(2, barrier.wait, barrier)
    in_line(barrier, 1)
    local second = on(1, barrier.wait, barrier, 100)
    in_line(barrier, 2)
    assert.equal(3, barrier:wait())
    assert.equal(1, first:await())
    assert.equal(2, second:await())
  end)

  with_pool("counts one who is late when the others have gone on with it", function(pool)
    local barrier, pid = aimp.Barrier({ parties = 2 }), aimp.Counter()
    local timeout = 0.05
    local late = pool:apply(function()
      pid:set(require("aimp").pid())
      return barrier:wait(timeout)
    end)
    in_line(barrier, 1)
    uv.kill(pid:get(), "sigstop")
    local stopped_at = aimp.now()
    assert.equal(2, barrier:wait())
    eventually(function() return aimp.now() > stopped_at + timeout end, "the time limit is over")
    uv.kill(pid:get(), "sigcont")
    assert.equal(1, late:await())
  end)

  with_pool("agrees with all who come whether they met", function(pool)
    local barrier = aimp.Barrier({ parties = 2 })
    local function meet(times)
      local met = 0
      for i = 1, times do
        local ok, err = pcall(barrier.wait, barrier, i % 5 * 0.0003)
        met = met + (ok and 1 or 0)
        assert(ok or err.code == "TIMEOUT")
      end
      return met
    end
    local met = aimp.gather({ pool:apply(meet, 400), pool:apply(meet, 400) })
    assert.equal(met[1], met[2])
    assert.equal(0, barrier:waiting())
  end)
end)

describe("a counter", function()
  with_pool("loses no addition", function(pool)
    local counter = aimp.Counter()
    local function add(times)
      for _ = 1, times do
        counter:add()
      end
    end
    aimp.gather({ pool:apply(add, 500), pool:apply(add, 500), pool:apply(add, 500), aimp.spawn(add, 500) })
    assert.equal(2000, counter:get())
    assert.same({ 2002.5, 2002.5, 7 }, { pool:apply(function()
      local sum = counter:add(2.5)
      local value = counter:get()
      counter:set(7)
      return sum, value, counter:get()
    end):await() })
    assert.matches("remote_sync_spec.lua:%d+: counter:add: 7 %+ 9007199254740991 reaches 2%^53",
      complaint(pool, function() counter:add(2 ^ 53 - 1) end))
  end)
end)

describe("through a process in the middle", function()
  with_pool("what a worker's worker held goes to the next in line", function(pool)
    local lock, semaphore = aimp.Lock(), aimp.Semaphore({ value = 3 })
    local held, pid = aimp.Event(), aimp.Counter()
    local middle = pool:apply(function()
      local a = require("aimp")
      return a.with(a.Pool({ processes = 1 }), function(inner)
        local task = inner:apply(function()
          lock:acquire()
          semaphore:acquire()
          semaphore:acquire()
          semaphore:release(2)
          semaphore:acquire()
          pid:set(require("aimp").pid())
          held:set()
          require("aimp").sleep(1000)
        end)
        semaphore:acquire() -- the middle's own
        local _, err = task:pawait()
        return err.code, semaphore:value()
      end)
    end)
    held:wait()
    eventually(function() return semaphore:value() == 1 end, "two permits are held")
    assert.is_true(lock:locked())
    uv.kill(pid:get(), "sigkill")
    assert.is_true(lock:acquire(10))
    lock:release()
    local code, free = middle:await()
    assert.equal("WORKER_DIED", code)
    assert.equal(2, free)
    assert.equal(2, semaphore:value())
  end)
end)
