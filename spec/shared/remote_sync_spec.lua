-- SPDX-License-Identifier: MIT
--- Events, locks, semaphores, barriers and counters used from other processes.
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local support = require("spec.pool.support")
local uv = require("luv")

local eventually, failure = support.eventually, support.failure

local function with_pool(name, body, options)
  it(name, support.pooled(options or { processes = 2 }, body))
end

-- Waits until so many wait in the object's line.
local function in_line(object, n)
  eventually(function() return object._core.line:count() == n end, n .. " wait")
end

local function nothing() end

-- A function that starts fn(...) in the given worker, 1 or 2.
local function by_worker(pool)
  local function here() return require("aimp").worker().id end
  local keys, n = {}, 0
  repeat
    n = n + 1
    keys[pool:submit(here, {}, { key = "k" .. n }):await()] = "k" .. n
  until keys[1] and keys[2]
  return function(worker, fn, ...)
    return pool:submit(fn, { n = select("#", ...), ... }, { key = keys[worker] })
  end
end

-- What a function that is called in a worker complains of, as a string with a position.
local function complaint(pool, fn, ...)
  local task = pool:apply(fn, ...)
  return failure("REMOTE", task.await, task).cause
end

-- That a task in a worker raised TIMEOUT with this text.
local function assert_late(text, task)
  local cause = failure("REMOTE", task.await, task).cause
  assert.equal("TIMEOUT", cause.code)
  assert.matches(text, cause.message)
end

-- Kills the worker in which the task runs, which fails by that.
local function kill(pid, task)
  uv.kill(pid:get(), "sigkill")
  failure("WORKER_DIED", task.await, task)
end

-- In a worker: acquires n times, says so, and lives until it is killed.
local function hold(object, pid, held, n)
  for _ = 1, n or 1 do
    object:acquire()
  end
  pid:set(require("aimp").pid())
  held:set()
  require("aimp").sleep(1000)
end

-- In a worker: tells its pid, then waits.
local function wait_for(object, method, pid)
  pid:set(require("aimp").pid())
  object[method](object)
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

describe("a lock", function()
  with_pool("is held by one task of all processes", function(pool)
    local lock, counter = aimp.Lock(), aimp.Counter()
    local function add_slowly(times)
      for _ = 1, times do
        lock:with(function()
          local value = counter:get()
          require("aimp").sleep(0)
          counter:set(value + 1)
        end)
      end
    end
    local tasks = { aimp.spawn(add_slowly, 50) }
    for i = 2, 5 do
      tasks[i] = pool:apply(add_slowly, 50)
    end
    aimp.gather(tasks)
    assert.equal(250, counter:get())
    assert.is_false(lock:locked())
  end)

  with_pool("goes to those who wait in their order, wherever they are", function(pool)
    local lock, order, on = aimp.Lock(), aimp.Counter(), by_worker(pool)
    local function take()
      lock:acquire()
      local place = order:add()
      lock:release()
      return place
    end
    lock:acquire()
    local tasks = {}
    for i = 1, 9 do
      tasks[i] = i % 3 == 0 and aimp.spawn(take) or on(i % 3, take)
      in_line(lock, i)
    end
    lock:release()
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9 }, aimp.gather(tasks))
    assert.is_false(lock:locked())
  end)

  with_pool("is not waited for longer than asked", function(pool)
    local lock = aimp.Lock()
    lock:acquire()
    for _, timeout in ipairs({ 0, 0.01 }) do
      local task = pool:apply(lock.acquire, lock, timeout)
      assert_late("waited " .. timeout .. " s for a lock", task)
    end
    in_line(lock, 0)
    lock:release()
    assert.is_false(lock:locked())
  end)

  with_pool("passes over who was cancelled", function(pool)
    local lock = aimp.Lock()
    local function take() return lock:with(function() return "mine" end) end
    lock:acquire()
    local cancelled = pool:apply(take)
    in_line(lock, 1)
    local other = pool:apply(take)
    in_line(lock, 2)
    cancelled:cancel()
    in_line(lock, 1)
    lock:release()
    assert.equal("mine", other:await())
    failure("CANCELLED", cancelled.await, cancelled)
    assert.is_false(lock:locked())
  end)

  with_pool("is given back by one who gave up as it came", function(pool)
    local lock, storm = aimp.Lock(), aimp.Counter()
    local function try()
      local a = require("aimp")
      for i = 1, 300 do
        if pcall(lock.acquire, lock, i % 4 * 0.0002) then
          storm:add()
          lock:release()
        end
        a.sleep(0)
      end
    end
    aimp.gather({ pool:apply(try), pool:apply(try), pool:apply(try), pool:apply(try), aimp.spawn(try) })
    assert.is_true(lock:acquire(10))
    lock:release()
    assert.is_true(storm:get() > 0)
    in_line(lock, 0)
  end)

  with_pool("is released in a worker although its task was cancelled meanwhile", function(pool)
    local lock = aimp.Lock()
    local state = pool:apply(function()
      local a = require("aimp")
      local go = a.Event()
      local task = a.spawn(function()
        lock:with(function() go:wait() end)
      end)
      while not lock:locked() do
        a.sleep(0)
      end
      go:set()
      task:cancel() -- it has been woken and does not wait: it is told at its next wait
      task:pawait()
      return task:state()
    end):await()
    assert.equal("cancelled", state)
    assert.is_true(lock:acquire(10))
  end)

  with_pool("that a dead worker held goes to the next in line", function(pool)
    local lock, pid, held, on = aimp.Lock(), aimp.Counter(), aimp.Event(), by_worker(pool)
    local holder = on(1, hold, lock, pid, held)
    held:wait()
    local order = aimp.Counter()
    local function take() return lock:with(function() return order:add() end) end
    local first = on(2, take)
    in_line(lock, 1)
    local second = aimp.spawn(take)
    in_line(lock, 2)
    kill(pid, holder)
    assert.equal(1, first:await())
    assert.equal(2, second:await())
    assert.is_false(lock:locked())
  end)

  with_pool("is not given to a worker that died while it waited", function(pool)
    local lock, pid, on = aimp.Lock(), aimp.Counter(), by_worker(pool)
    lock:acquire()
    local waiter = on(1, wait_for, lock, "acquire", pid)
    in_line(lock, 1)
    local other = on(2, lock.with, lock, nothing)
    in_line(lock, 2)
    kill(pid, waiter)
    in_line(lock, 1)
    lock:release()
    other:await()
    assert.is_false(lock:locked())
  end)

  with_pool("that a worker's task got just before it died is not lost", function(pool)
    local lock, pid, on = aimp.Lock(), aimp.Counter(), by_worker(pool)
    lock:acquire()
    local waiter = on(1, wait_for, lock, "acquire", pid)
    in_line(lock, 1)
    uv.kill(pid:get(), "sigstop") -- it will not know that it has it
    lock:release()
    assert.is_true(lock:locked())
    kill(pid, waiter)
    assert.is_true(lock:acquire(10))
    lock:release()
  end)

  with_pool("says what is wrong at the caller's line in a worker, too", function(pool)
    local lock = aimp.Lock()
    assert.matches("remote_sync_spec.lua:%d+: lock:release: nobody holds the lock",
      complaint(pool, function() lock:release() end))
    assert.matches("remote_sync_spec.lua:%d+: lock:acquire: this task holds the lock already",
      complaint(pool, function()
        lock:with(function() lock:acquire() end)
      end))
    assert.is_false(lock:locked())
    lock:acquire()
    assert.matches("remote_sync_spec.lua:%d+: lock:release: another task holds the lock %(in process "
      .. aimp.pid() .. "%)", complaint(pool, function() lock:release() end))
    assert.matches("remote_sync_spec.lua:%d+: lock:acquire needs a running task", complaint(pool, function()
      local ok, message
      require("aimp").spawn(function() end):on_done(function()
        ok, message = pcall(function() lock:acquire() end)
      end)
      while ok == nil do
        require("aimp").sleep(0)
      end
      error(message, 0)
    end))
    assert.is_true(lock:locked())
  end)
end)

describe("a semaphore", function()
  with_pool("lets so many of all processes in", function(pool)
    local semaphore, inside, most = aimp.Semaphore({ value = 3 }), aimp.Counter(), aimp.Counter()
    local noting = aimp.Lock()
    local function visit(times)
      for _ = 1, times do
        semaphore:acquire()
        local now = inside:add()
        noting:with(function() most:set(math.max(most:get(), now)) end)
        inside:add(-1)
        semaphore:release()
      end
    end
    local tasks = { aimp.spawn(visit, 20) }
    for i = 2, 7 do
      tasks[i] = pool:apply(visit, 20)
    end
    aimp.gather(tasks)
    assert.is_true(most:get() <= 3)
    assert.equal(3, semaphore:value())
    assert.equal(3, pool:apply(semaphore.value, semaphore):await())
  end)

  with_pool("takes permits back from the process that has them only", function(pool)
    local semaphore, on = aimp.Semaphore({ value = 3 }), by_worker(pool)
    local function acquire(n)
      for _ = 1, n do
        semaphore:acquire()
      end
    end
    local function release(n) semaphore:release(n) end
    on(1, acquire, 2):await()
    local task = on(2, release)
    assert.matches("remote_sync_spec.lua:%d+: semaphore:release: 1 of its permits, but this process holds 0",
      failure("REMOTE", task.await, task).cause)
    task = on(1, release, 3)
    assert.matches("3 of its permits, but this process holds 2", failure("REMOTE", task.await, task).cause)
    assert.equal(1, semaphore:value())
    on(1, release, 2):await()
    assert.equal(3, semaphore:value())
    task = on(1, release)
    assert.matches("this process holds 0", failure("REMOTE", task.await, task).cause)
    assert.equal(3, semaphore:value())
  end)

  with_pool("stays with a process that holds permits and has forgotten it", function(pool)
    local semaphore, on = aimp.Semaphore({ value = 2 }), by_worker(pool)
    on(1, function(given) given:acquire() end, semaphore):await()
    for _ = 1, 3 do
      on(1, function() collectgarbage() end):await()
    end
    assert.equal(1, semaphore:value())
    on(1, function(given) given:release() end, semaphore):await()
    assert.equal(2, semaphore:value())
  end)

  with_pool("gets its permits back from dead workers, for the next in line", function(pool)
    local semaphore, on = aimp.Semaphore({ value = 3 }), by_worker(pool)
    local pid, held = aimp.Counter(), aimp.Event()
    local holder = on(1, hold, semaphore, pid, held, 2)
    held:wait()
    semaphore:acquire()
    local tasks = { on(2, semaphore.acquire, semaphore), on(2, semaphore.acquire, semaphore) }
    in_line(semaphore, 2)
    kill(pid, holder)
    assert.same({ true, true }, aimp.gather(tasks))
    assert.equal(0, semaphore:value())
    semaphore:release()
    assert.equal(1, semaphore:value())
  end)

  with_pool("is not waited for by the dead, the late and the cancelled", function(pool)
    local semaphore, pid, on = aimp.Semaphore(), aimp.Counter(), by_worker(pool)
    semaphore:acquire()
    local dead = on(1, wait_for, semaphore, "acquire", pid)
    in_line(semaphore, 1)
    local cancelled, late = on(2, semaphore.acquire, semaphore), on(2, semaphore.acquire, semaphore, 0.01)
    local patient = on(2, semaphore.with, semaphore, nothing)
    assert_late("waited 0.01 s for a permit", late)
    in_line(semaphore, 3)
    cancelled:cancel()
    in_line(semaphore, 2)
    kill(pid, dead)
    in_line(semaphore, 1)
    semaphore:release()
    patient:await()
    assert.equal(1, semaphore:value())
  end)

  with_pool("keeps its number of permits in a storm of timeouts and deaths", function(pool)
    local semaphore = aimp.Semaphore({ value = 2 })
    local function try(kills)
      local a = require("aimp")
      for i = 1, 200 do
        if pcall(semaphore.acquire, semaphore, i % 4 * 0.0002) then
          if kills and i > 150 then
            uv.kill(a.pid(), "sigkill")
          end
          semaphore:release()
        end
        a.sleep(0)
      end
    end
    local tasks = {}
    for i = 1, 12 do
      tasks[i] = pool:apply(try, i % 4 == 0)
    end
    aimp.gather(tasks, { return_exceptions = true })
    eventually(function() return semaphore:value() == 2 end, "all permits are back")
    in_line(semaphore, 0)
  end)

  with_pool("carries signals between processes when it is not bounded", function(pool)
    local semaphore = aimp.Semaphore({ value = 0, bounded = false })
    local tasks = { pool:apply(semaphore.acquire, semaphore), pool:apply(semaphore.acquire, semaphore) }
    in_line(semaphore, 2)
    pool:apply(semaphore.release, semaphore, 3):await()
    assert.same({ true, true }, aimp.gather(tasks))
    assert.equal(1, semaphore:value())
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
