-- SPDX-License-Identifier: MIT
--- Locks used from other processes.
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local holder = require("spec.shared.modules.holder")
local support = require("spec.shared.remote_support")
local uv = require("luv")

local failure, in_line, by_worker, complaint, assert_late, kill =
  support.failure, support.in_line, support.by_worker, support.complaint, support.assert_late, support.kill
local hold, wait_for = holder.hold, holder.wait_for

local function with_pool(name, body)
  it(name, support.pooled(body))
end

local function nothing() end

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
    local holding = on(1, hold, lock, pid, held)
    held:wait()
    local order = aimp.Counter()
    local function take() return lock:with(function() return order:add() end) end
    local first = on(2, take)
    in_line(lock, 1)
    local second = aimp.spawn(take)
    in_line(lock, 2)
    kill(pid, holding)
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
    assert.matches("remote_lock_spec.lua:%d+: lock:release: nobody holds the lock",
      complaint(pool, function() lock:release() end))
    assert.matches("remote_lock_spec.lua:%d+: lock:acquire: this task holds the lock already",
      complaint(pool, function()
        lock:with(function() lock:acquire() end)
      end))
    assert.is_false(lock:locked())
    lock:acquire()
    assert.matches("remote_lock_spec.lua:%d+: lock:release: another task holds the lock %(in process "
      .. aimp.pid() .. "%)", complaint(pool, function() lock:release() end))
    assert.matches("remote_lock_spec.lua:%d+: lock:acquire needs a running task", complaint(pool, function()
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
