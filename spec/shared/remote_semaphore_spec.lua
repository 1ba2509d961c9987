-- SPDX-License-Identifier: MIT
--- Semaphores used from other processes.
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local holder = require("spec.shared.modules.holder")
local support = require("spec.shared.remote_support")
local uv = require("luv")

local eventually, failure, in_line, by_worker, assert_late, kill =
  support.eventually, support.failure, support.in_line, support.by_worker, support.assert_late, support.kill
local hold, wait_for = holder.hold, holder.wait_for

local function with_pool(name, body)
  it(name, support.pooled(body))
end

local function nothing() end

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
    assert.matches("remote_semaphore_spec.lua:%d+: semaphore:release: 1 of its permits, but .* holds 0;",
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
    local holding = on(1, hold, semaphore, pid, held, 2)
    held:wait()
    semaphore:acquire()
    local tasks = { on(2, semaphore.acquire, semaphore), on(2, semaphore.acquire, semaphore) }
    in_line(semaphore, 2)
    kill(pid, holding)
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
