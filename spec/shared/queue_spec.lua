--- aimp.Queue within one process. Across processes: queue_remote_spec.lua.
-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")

local aimp = require("aimp")
local fiber = require("aimp.fiber")
local support = require("spec.shared.sync_support")

local failure, misuse, started, turns = support.failure, support.misuse, support.started, support.turns

local function in_task(name, body)
  it(name, support.task(body))
end

--- All that is there, in order.
local function drained(queue)
  local list = {}
  while queue:size() > 0 do
    list[#list + 1] = queue:get()
  end
  return list
end

local function put_all(queue, ...)
  for _, value in ipairs({ ... }) do
    queue:put(value)
  end
end

describe("a queue", function()
  in_task("gives items in the order in which they were put", function()
    local queue = aimp.Queue()
    put_all(queue, 1, "two", 3.5)
    queue:put(false)
    assert.equal(4, queue:size())
    assert.equal(1, queue:get())
    assert.equal("two", queue:get(1))
    assert.equal(3.5, queue:get(0))
    assert.is_false(queue:get())
    assert.equal(0, queue:size())
  end)

  in_task("goes on in order however its items come and go", function()
    local queue, put, got = aimp.Queue(), 0, 0
    for round = 1, 60 do
      for _ = 1, round % 7 do
        put = put + 1
        queue:put(put)
      end
      for _ = 1, math.min(round % 5, queue:size()) do
        got = got + 1
        assert.equal(got, queue:get())
      end
    end
    assert.equal(put - got, queue:size())
    for _, value in ipairs(drained(queue)) do
      got = got + 1
      assert.equal(got, value)
    end
    assert.equal(put, got)
  end)

  in_task("hands over the very values, as long as no other process has it", function()
    local queue, item = aimp.Queue(), setmetatable({}, { __index = { deep = true } })
    queue:put(item)
    assert.equal(item, queue:get())
    local co = coroutine.create(function() end)
    queue:put(co)
    assert.equal(co, queue:get())
  end)

  in_task("lets go of what was got", function()
    local queue, alive = aimp.Queue(), setmetatable({}, { __mode = "k" })
    for i = 1, 10 do
      local item = { i }
      alive[item] = true
      queue:put(item)
    end
    for _ = 1, 9 do
      queue:get()
    end
    collectgarbage()
    collectgarbage()
    local left = 0
    for item in pairs(alive) do
      left = left + item[1]
    end
    assert.equal(10, left) -- the last alone
  end)

  in_task("lets a getter wait for an item", function()
    local queue = aimp.Queue()
    local task = started(queue.get, queue)
    assert.is_false(task:done())
    queue:put("here")
    assert.equal("here", task:await())
    assert.equal(0, queue:size())
  end)

  in_task("serves getters in the order in which they came", function()
    local queue, order = aimp.Queue(), {}
    for i = 1, 3 do
      aimp.spawn(function() order[i] = queue:get() end)
    end
    turns(2)
    put_all(queue, "a", "b", "c")
    assert.is_nil(queue:try_get()) -- they are taken, although nobody ran yet
    turns(2)
    assert.same({ "a", "b", "c" }, order)
  end)

  in_task("gives what comes to those who wait and not to one who comes later", function()
    local queue = aimp.Queue()
    local first = started(queue.get, queue)
    queue:put(1)
    queue:put(2)
    assert.equal(2, queue:get())
    assert.equal(1, first:await())
  end)

  in_task("tries to get and to put without waiting", function()
    local queue = aimp.Queue({ maxsize = 1 })
    assert.is_nil(queue:try_get())
    assert.is_true(queue:try_put("x"))
    assert.is_false(queue:try_put("y"))
    assert.equal("x", queue:try_get())
    assert.is_nil(queue:try_get())
  end)

  in_task("is used by what is no task, where nothing waits", function()
    local queue, seen = aimp.Queue(), nil
    fiber.outside(function()
      queue:try_put(1)
      seen = { queue:try_get(), queue:size(), queue:closed() }
      queue:close()
    end)
    assert.same({ 1, 0, false }, seen)
    assert.is_true(queue:closed())
  end)
end)

describe("a bounded queue", function()
  in_task("lets putters wait while it is full, and serves them in order", function()
    local queue, order = aimp.Queue({ maxsize = 2 }), {}
    put_all(queue, 1, 2)
    for i = 3, 5 do
      aimp.spawn(function()
        queue:put(i)
        order[#order + 1] = i
      end)
    end
    turns(2)
    assert.equal(2, queue:size())
    assert.equal(1, queue:get())
    assert.equal(2, queue:size()) -- 3 is in
    turns()
    assert.same({ 3 }, order)
    assert.same({ 2, 3, 4, 5 }, { queue:get(), queue:get(), queue:get(), queue:get() })
    turns()
    assert.same({ 3, 4, 5 }, order)
    assert.equal(0, queue:size())
  end)

  in_task("is not overtaken by one who does not wait", function()
    local queue = aimp.Queue({ maxsize = 1 })
    queue:put(1)
    local waiting = started(queue.put, queue, 2)
    assert.is_false(queue:try_put(3))
    assert.equal(1, queue:get())
    assert.is_false(queue:try_put(3)) -- 2 has the place
    waiting:await()
    assert.equal(2, queue:get())
  end)

  in_task("passes items through one place", function()
    local queue, got = aimp.Queue({ maxsize = 1 }), {}
    local putter = aimp.spawn(function()
      for i = 1, 100 do
        queue:put(i)
        assert.is_true(queue:size() <= 1)
      end
      queue:close()
    end)
    for value in queue:iter() do
      got[#got + 1] = value
    end
    putter:await()
    assert.equal(100, #got)
    assert.equal(100, got[100])
  end)
end)

describe("a wait for a queue", function()
  in_task("ends after its timeout", function()
    local queue, clock = aimp.Queue({ maxsize = 1 }), support.fake_clock()
    local getter = started(queue.get, queue, 2)
    clock.advance(1.9)
    turns()
    assert.is_false(getter:done())
    clock.advance(0.1)
    assert.matches("waited 2 s for an item of a queue", failure("TIMEOUT", getter.await, getter).message)
    queue:put("full")
    local putter = started(queue.put, queue, "late", 3)
    clock.advance(3)
    assert.matches("waited 3 s for room in a queue", failure("TIMEOUT", putter.await, putter).message)
    clock.restore()
    assert.same({ "full" }, drained(queue)) -- what was too late is not in it
    failure("TIMEOUT", queue.get, queue, 0)
    queue:put("full", 0)
    failure("TIMEOUT", queue.put, queue, "more", 0)
  end)

  in_task("that is cancelled is withdrawn", function()
    local queue = aimp.Queue({ maxsize = 1 })
    local gone, other = started(queue.get, queue), started(queue.get, queue)
    gone:cancel()
    queue:put(1)
    assert.equal(1, other:await())
    failure("CANCELLED", gone.await, gone)
    queue:put(2)
    local putter, next_putter = started(queue.put, queue, 3), started(queue.put, queue, 4)
    putter:cancel()
    assert.equal(2, queue:get())
    next_putter:await()
    assert.same({ 4 }, drained(queue))
  end)

  in_task("that has its item is not undone by a cancellation that comes later", function()
    local queue, kept = aimp.Queue(), nil
    local getter = started(function()
      kept = queue:get()
      aimp.sleep(10)
    end)
    queue:put("mine")
    getter:cancel()
    failure("CANCELLED", getter.await, getter)
    assert.equal("mine", kept)
    assert.equal(0, queue:size())
  end)
end)

describe("a closed queue", function()
  in_task("gives what is left and then raises CLOSED", function()
    local queue = aimp.Queue()
    put_all(queue, 1, 2)
    assert.is_false(queue:closed())
    queue:close()
    queue:close()
    assert.is_true(queue:closed())
    assert.equal(1, queue:get())
    assert.equal(2, queue:try_get())
    assert.matches("closed, and nothing is left", failure("CLOSED", queue.get, queue).message)
    failure("CLOSED", queue.get, queue, 0)
    assert.is_nil(queue:try_get())
  end)

  in_task("takes nothing more", function()
    local queue = aimp.Queue()
    queue:close()
    assert.matches("the queue is closed", failure("CLOSED", queue.put, queue, 1).message)
    failure("CLOSED", queue.try_put, queue, 1)
    assert.equal(0, queue:size())
  end)

  in_task("tells all who wait to get", function()
    local queue = aimp.Queue()
    local a, b = started(queue.get, queue), started(queue.get, queue, 10)
    queue:close()
    failure("CLOSED", a.await, a)
    failure("CLOSED", b.await, b)
  end)

  in_task("tells all who wait to put, whose items are not in it", function()
    local queue = aimp.Queue({ maxsize = 1 })
    queue:put(1)
    local a, b = started(queue.put, queue, 2), started(queue.put, queue, 3, 10)
    queue:close()
    failure("CLOSED", a.await, a)
    failure("CLOSED", b.await, b)
    assert.same({ 1 }, drained(queue))
  end)

  in_task("ends every iteration when it is empty", function()
    local queue, got, ended = aimp.Queue(), {}, 0
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = aimp.spawn(function()
        for value in queue:iter() do
          got[#got + 1] = value
          aimp.sleep(0)
        end
        ended = ended + 1
      end)
    end
    put_all(queue, 1, 2, 3, 4, 5)
    turns(3)
    queue:put(false) -- is an item, not the end
    queue:close()
    aimp.gather(tasks)
    assert.same({ 1, 2, 3, 4, 5, false }, got)
    assert.equal(3, ended)
    for _ in queue:iter() do
      error("there is nothing")
    end
  end)
end)

describe("misuse of a queue is refused at the caller's line:", function()
  local queue = aimp.Queue()

  in_task("options", function()
    local function refused(pattern, options)
      misuse(pattern, function() aimp.Queue(options) end)
    end
    refused("aimp.Queue: option 'maxsize' must be at least 0, got %-1", { maxsize = -1 })
    refused("'maxsize' must be an integer, got 1.5", { maxsize = 1.5 })
    refused("'maxsize' must be an integer, got the string '1'", { maxsize = "1" })
    refused("'maxsize' must be an integer, got inf", { maxsize = math.huge })
    refused("unknown option 'max_size', did you mean 'maxsize'", { max_size = 1 })
    refused("options must be a table, got 5", 5)
  end)

  in_task("items that are nil", function()
    misuse("queue:put: an item must not be nil", function() queue:put() end)
    misuse("queue:put: an item must not be nil", function() queue:put(nil, 1) end)
    misuse("queue:try_put: an item must not be nil", function() queue:try_put(nil) end)
    assert.equal(0, queue:size())
  end)

  in_task("timeouts that are no times", function()
    misuse("#1 to 'queue:get' %(expected a number of seconds, 0 or more, got %-1", function()
      queue:get(-1)
    end)
    misuse("#1 to 'queue:get' .* got the string 'x'", function() queue:get("x") end)
    misuse("#2 to 'queue:put' .* got inf", function() queue:put(1, math.huge) end)
    misuse("#2 to 'queue:put' .* got nan", function() queue:put(1, 0 / 0) end)
    assert.equal(0, queue:size())
  end)

  in_task("calls without a colon", function()
    support.assert_needs_self(queue, "queue", {
      "put", "get", "try_put", "try_get", "size", "close", "closed", "iter",
    })
  end)

  in_task("waiting where nothing can wait", function()
    support.assert_needs_task("queue:get needs a running task", function() queue:get() end)
    support.assert_needs_task("queue:put needs a running task", function() queue:put(1) end)
    support.assert_needs_task("iterating over a queue needs a running task", function()
      for _ in queue:iter() do end
    end)
    assert.equal(0, queue:size())
  end)

  in_task("and what a queue is can be seen", function()
    assert.matches("^aimp.Queue", tostring(queue))
  end)
end)
