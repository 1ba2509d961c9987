-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")

local aimp = require("aimp")
local support = require("spec.shared.sync_support")

local failure, misuse, started, turns = support.failure, support.misuse, support.started, support.turns

local function in_task(name, body)
  it(name, support.task(body))
end

-- A task that acquires the lock, notes its number in `order`, and releases the lock when `go` is set.
local function taker(lock, order, number, go)
  return started(function()
    assert.is_true(lock:acquire())
    order[#order + 1] = number
    go:wait()
    lock:release()
  end)
end

describe("a lock", function()
  in_task("is held and released", function()
    local lock = aimp.Lock()
    assert.is_false(lock:locked())
    assert.is_true(lock:acquire())
    assert.is_true(lock:locked())
    lock:release()
    assert.is_false(lock:locked())
    assert.is_true(lock:acquire(0))
    lock:release()
  end)

  in_task("is held by one task at a time", function()
    local lock, inside, most, value = aimp.Lock({}), 0, 0, 0
    local tasks = {}
    for i = 1, 20 do
      tasks[i] = aimp.spawn(function()
        lock:acquire()
        inside = inside + 1
        most = math.max(most, inside)
        local before = value
        aimp.sleep(0)
        value = before + 1
        inside = inside - 1
        lock:release()
      end)
    end
    aimp.gather(tasks)
    assert.equal(1, most)
    assert.equal(20, value)
    assert.is_false(lock:locked())
  end)

  in_task("goes to those who wait in their order; nobody overtakes them", function()
    local lock, order, go = aimp.Lock(), {}, aimp.Event()
    go:set()
    lock:acquire()
    local tasks = {}
    for i = 1, 4 do
      tasks[i] = taker(lock, order, i, go)
    end
    lock:release() -- it is the first one's now, though that did not run yet
    assert.is_true(lock:locked())
    failure("TIMEOUT", lock.acquire, lock, 0)
    lock:acquire()
    order[#order + 1] = "last"
    lock:release()
    aimp.gather(tasks)
    assert.same({ 1, 2, 3, 4, "last" }, order)
  end)

  in_task("is not waited for longer than asked", function()
    local lock, clock = aimp.Lock(), support.fake_clock()
    lock:acquire()
    local late = started(lock.acquire, lock, 2)
    local order, go = {}, aimp.Event()
    local patient = taker(lock, order, 1, go)
    clock.advance(2)
    clock.restore()
    assert.matches("waited 2 s for a lock", failure("TIMEOUT", late.await, late).message)
    lock:release()
    turns()
    assert.same({ 1 }, order)
    go:set()
    patient:await()
    assert.is_false(lock:locked())
  end)

  in_task("passes over who was cancelled", function()
    local lock, order, go = aimp.Lock(), {}, aimp.Event()
    go:set()
    lock:acquire()
    local gone, next_one = taker(lock, order, 1, go), taker(lock, order, 2, go)
    gone:cancel()
    lock:release()
    next_one:await()
    assert.same({ 2 }, order)
    failure("CANCELLED", gone.await, gone)
  end)

  in_task("was got by one who is cancelled before it goes on", function()
    local lock = aimp.Lock()
    lock:acquire()
    local late = started(function()
      lock:with(function() aimp.sleep(100) end)
    end)
    lock:release()
    late:cancel()
    failure("CANCELLED", late.await, late)
    assert.is_false(lock:locked())
  end)

  in_task("is not acquired twice by one task", function()
    local lock = aimp.Lock()
    lock:acquire()
    misuse("lock:acquire: this task holds the lock already", function() lock:acquire() end)
    misuse("lock:acquire: this task holds the lock already", function() lock:acquire(0) end)
    misuse("lock:acquire: this task holds the lock already", function() lock:with(print) end)
    misuse("lock:acquire: this task holds the lock already", function()
      local x = aimp.with(lock, print)
      return x
    end)
    assert.is_true(lock:locked())
    lock:release()
    assert.is_false(lock:locked())
  end)

  in_task("is released by its holder only", function()
    local lock = aimp.Lock()
    misuse("lock:release: nobody holds the lock; was it released twice%?", function() lock:release() end)
    lock:acquire()
    local other = aimp.spawn(function()
      misuse("lock:release: another task holds the lock %(in process " .. aimp.pid() .. "%)",
        function() lock:release() end)
    end)
    other:await()
    support.assert_needs_task("lock:release: another task holds the lock", function() lock:release() end)
    assert.is_true(lock:locked())
    lock:release()
    misuse("nobody holds the lock", function() lock:release() end)
  end)

  in_task("is released by the task that got it last, when one gave up and tried again", function()
    local lock = aimp.Lock()
    lock._core:acquire("another process", nil, "7:t1", 1)
    lock._core:release("another process", "7:t1")
    lock._core:acquire("another process", nil, "7:t1", 2)
    lock._core:release("another process", "7:t1", 1) -- the first call's, which came late
    assert.is_true(lock:locked())
    lock._core:release("another process", "7:t1", 2)
    assert.is_false(lock:locked())
  end)

  in_task("goes to the next in line when the holder's process is gone", function()
    local lock, order, go = aimp.Lock(), {}, aimp.Event()
    lock._core:acquire("a process", nil, "7:t1", 1)
    local task = taker(lock, order, 1, go)
    lock._core:client_gone("another process")
    turns()
    assert.same({}, order)
    lock._core:client_gone("a process")
    lock._core:client_gone("a process")
    turns()
    assert.same({ 1 }, order)
    go:set()
    task:await()
    assert.is_false(lock:locked())
  end)

  in_task("refuses misuse at the caller's line", function()
    local lock = aimp.Lock()
    misuse("unknown option 'value'", function() aimp.Lock({ value = 1 }) end)
    misuse("bad argument #1 to 'lock:acquire' %(expected a number", function() lock:acquire("5") end)
    misuse("bad argument #1 to 'lock:with' %(expected a function, got nothing", function() lock:with() end)
    support.assert_needs_self(lock, "lock", { "acquire", "release", "locked", "with" })
    support.assert_needs_task("lock:acquire needs a running task", function() lock:acquire() end)
    support.assert_needs_task("lock:with needs a running task", function() lock:with(print) end)
    assert.is_false(lock:locked())
    assert.equal("aimp.Lock", tostring(lock))
  end)
end)

describe("lock:with", function()
  in_task("passes arguments and results", function()
    local lock = aimp.Lock()
    local results = { n = select("#", lock:with(function(...)
      assert.is_true(lock:locked())
      return select("#", ...), ...
    end, 1, nil, nil)), lock:with(function(a, b) return b, a end, 1, 2) }
    assert.same({ n = 4, 2, 1 }, results)
    assert.is_false(lock:locked())
  end)

  in_task("releases it whatever happens", function()
    local lock, value = aimp.Lock(), {}
    local ok, err = pcall(lock.with, lock, function() error(value) end)
    assert.is_false(ok)
    assert.equal(value, err)
    assert.is_false(lock:locked())
    local task = started(lock.with, lock, aimp.sleep, 100)
    assert.is_true(lock:locked())
    task:cancel()
    failure("CANCELLED", task.await, task)
    assert.is_false(lock:locked())
  end)

  in_task("blames who released it meanwhile", function()
    local lock = aimp.Lock()
    misuse("lock:release: nobody holds the lock", function()
      local x = lock:with(function() lock:release() end)
      return x
    end)
    local ok, err = pcall(lock.with, lock, function()
      lock:release()
      error("the first error", 0)
    end)
    assert.is_false(ok)
    assert.equal("the first error", err)
  end)

  in_task("is what aimp.with does with a lock", function()
    local lock = aimp.Lock()
    assert.equal(5, aimp.with(lock, function(given)
      assert.equal(lock, given)
      assert.is_true(lock:locked())
      return 5
    end))
    assert.is_false(lock:locked())
    assert.is_false(pcall(aimp.with, lock, error))
    assert.is_false(lock:locked())
  end)
end)
