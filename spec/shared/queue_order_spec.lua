--- Whose items come when, and how many at most, with putters and getters in several processes.
-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local queues = require("spec.shared.queue_support")
local remote = require("spec.shared.remote_support")
local support = require("spec.pool.support")

local numbers = support.numbers

local function with_pool(name, processes, body)
  it(name, support.pooled({ processes = processes }, body))
end

--- In any process: puts { id, 1 } … { id, n }.
local function produce(queue, id, n)
  for i = 1, n do
    queue:put({ id, i })
    if i % 100 == 0 then
      require("aimp").sleep(0)
    end
  end
end

--- In any process: what it got, until the queue is closed; each item also goes through check.
local function consume(queue)
  local list = {}
  for item in queue:iter() do
    list[#list + 1] = item
    if #list % 50 == 0 then
      require("aimp").sleep(0)
    end
  end
  return list
end

--- That the items of each producer are in the order in which they were put.
local function assert_in_order(list)
  local last = {}
  for _, item in ipairs(list) do
    local id, i = item[1], item[2]
    assert.is_true(i > (last[id] or 0), ("%d of %s came after %d"):format(i, id, last[id] or 0))
    last[id] = i
  end
end

--- That the lists together have each item of each producer once.
local function assert_each_once(lists, ids, n)
  local seen, count = {}, 0
  for _, list in ipairs(lists) do
    for _, item in ipairs(list) do
      local name = item[1] .. "." .. item[2]
      assert.is_nil(seen[name], name .. " came twice")
      seen[name] = true
      count = count + 1
    end
  end
  assert.equal(#ids * n, count)
end

local bounds = { 0, 1, 2, 7, 1000 }

describe("items of one putter stay in order", function()
  with_pool("from several workers to the parent", 3, function(pool)
    for _, maxsize in ipairs(bounds) do
      local queue, ids, n = aimp.Queue({ maxsize = maxsize }), { "a", "b", "c" }, 400
      local tasks = {}
      for i, id in ipairs(ids) do
        tasks[i] = pool:apply(produce, queue, id, n)
      end
      aimp.spawn(function()
        aimp.gather(tasks)
        queue:close()
      end)
      local list = consume(queue)
      assert_in_order(list)
      assert_each_once({ list }, ids, n)
    end
  end)

  with_pool("from the parent and a worker to several workers, each item once", 3, function(pool)
    for _, maxsize in ipairs(bounds) do
      local queue, n = aimp.Queue({ maxsize = maxsize }), 400
      local producer = pool:apply(produce, queue, "worker", n)
      local consumers = { pool:apply(consume, queue), pool:apply(consume, queue), pool:apply(consume, queue) }
      produce(queue, "parent", n)
      producer:await()
      queue:close()
      local lists = aimp.gather(consumers)
      for _, list in ipairs(lists) do
        assert_in_order(list)
      end
      assert_each_once(lists, { "worker", "parent" }, n)
    end
  end)

  with_pool("between getters of all processes that come and go", 2, function(pool)
    local queue, n, lists = aimp.Queue(), 2000, {}
    local function take_some(count)
      local list = {}
      for i = 1, count do
        list[i] = queue:get()
      end
      return list
    end
    local producer = pool:apply(produce, queue, "p", n)
    local left, k = n, 0
    while left > 0 do
      k = k + 1
      local count = math.min(1 + k * 7 % 23, left)
      lists[#lists + 1] = k % 3 == 0 and take_some(count) or pool:apply(take_some, count):await()
      left = left - count
    end
    producer:await()
    local all = {}
    for _, list in ipairs(lists) do -- one after the other, so all together are in order
      for _, item in ipairs(list) do
        all[#all + 1] = item
      end
    end
    assert_in_order(all)
    assert.equal(n, #all)
  end)

  with_pool("although one process had more than it took when it went to sleep", 2, function(pool)
    local queue, in_worker = aimp.Queue(), remote.by_worker(pool)
    for i = 1, 1000 do
      queue:put(i)
    end
    local last = 0
    for _, worker in ipairs({ 1, 2, 1, 1, 2, 2, 1, 2 }) do
      local list = in_worker(worker, function()
        local some = {}
        for i = 1, 90 do -- fast: some are fetched ahead
          some[i] = queue:get()
        end
        require("aimp").sleep(0.001)
        return some
      end):await()
      for _, item in ipairs(list) do
        assert.equal(last + 1, item)
        last = item
      end
      assert.equal(1000 - last, queue:size())
      last = last + 1
      assert.equal(last, queue:get()) -- and the parent's get in between
    end
  end)

  with_pool("although getters give up all the time", 2, function(pool)
    local queue, n = aimp.Queue(), 600
    local function consume_impatiently()
      local list, inside = {}, require("aimp")
      local is_open = true
      while is_open do
        local ok, item = pcall(queue.get, queue, 0.0002)
        if ok then
          list[#list + 1] = item
        else
          is_open = item.code == "TIMEOUT"
          inside.sleep(0)
        end
      end
      return list
    end
    local consumers = { pool:apply(consume_impatiently), pool:apply(consume_impatiently) }
    local producers = { aimp.spawn(produce, queue, "parent", n), pool:apply(produce, queue, "worker", n) }
    aimp.gather(producers)
    queue:close()
    assert_each_once(aimp.gather(consumers), { "parent", "worker" }, n)
  end)
end)

describe("getters", function()
  with_pool("are served in the order in which they came, whatever process they are in", 2, function(pool)
    local queue, in_worker = aimp.Queue(), remote.by_worker(pool)
    local function get(q)
      return q:get()
    end
    pool:broadcast(function() return queue:size() end)
    local tasks = {}
    for i, worker in ipairs({ 1, 0, 2, 1, 2, 0, 0, 1 }) do
      tasks[i] = worker == 0 and aimp.spawn(get, queue) or in_worker(worker, get, queue)
      queues.getting(queue, i)
    end
    for i = 1, 8 do
      queue:put(i)
    end
    assert.same(numbers(8), aimp.gather(tasks))
    assert.is_nil(queue:try_get())
  end)

  with_pool("keep their turn while what they were given is on its way, and no longer", 1, function(pool)
    local queue, begun, go_on = aimp.Queue(), queues.sign(), queues.sign()
    local compute_until, begun_path, path = queues.compute_until, begun.path, go_on.path
    pool:apply(function() queue:size() end):await()
    local task = pool:apply(function()
      local inside = require("aimp")
      queue._core.items.ahead = 16 -- as if it had emptied the queue fast
      local getter = inside.spawn(function() return queue:get() end)
      inside.sleep(0) -- it has asked
      assert(io.open(begun_path, "w")):close()
      compute_until(path)
      return getter:await()
    end)
    queues.compute_until(begun_path) -- the getter's wish is not read before there are items
    for i = 1, 5 do
      queue:put(i)
    end
    support.eventually(function() return queue._core.offers:left() == 5 end, "all is given to the worker")
    assert.equal(5, queue:size())
    assert.equal(2, queue:get())
    go_on.raise()
    assert.equal(1, task:await())
    assert.equal(3, queue:get())
    assert.equal(2, queue:size())
    begun.lower()
    go_on.lower()
  end)

  with_pool("get one item each, although one of them could take all", 2, function(pool)
    local queue, in_worker = aimp.Queue(), remote.by_worker(pool)
    for i = 1, 300 do
      queue:put(i)
    end
    local greedy = in_worker(1, function()
      local count = 0
      for _ = 1, 150 do
        queue:get()
        count = count + 1
      end
      _G.may_go_on = require("aimp").Queue()
      _G.may_go_on:get()
      return count
    end)
    support.eventually(function() return queue:size() == 150 end, "it has got its items")
    assert.equal(151, in_worker(2, function() return queue:get() end):await())
    assert.equal(152, queue:get())
    in_worker(1, function() _G.may_go_on:put(true) end):await()
    assert.equal(150, greedy:await())
  end)
end)

describe("a bound", function()
  with_pool("holds for what was put and not got, with putters in all processes", 2, function(pool)
    for _, maxsize in ipairs({ 1, 3, 50 }) do
      local queue, n = aimp.Queue({ maxsize = maxsize }), 200
      local put = { aimp.Counter(), aimp.Counter(), aimp.Counter() }
      local function count_put(counter, count)
        for i = 1, count do
          queue:put(i)
          counter:add(1)
        end
      end
      local tasks = { pool:apply(count_put, put[1], n), pool:apply(count_put, put[2], n),
        aimp.spawn(count_put, put[3], n) }
      for got = 1, 3 * n do
        -- what has been counted was put, and at most the items so far and this one have been got
        assert.is_true(put[1]:get() + put[2]:get() + put[3]:get() <= maxsize + got - 1)
        assert.is_true(queue:size() <= maxsize)
        queue:get()
        if got % 10 == 0 then
          aimp.sleep(0)
        end
      end
      aimp.gather(tasks)
      assert.equal(0, queue:size())
    end
  end)

  with_pool("holds with the getters in workers", 2, function(pool)
    for _, maxsize in ipairs({ 1, 4, 64 }) do
      local queue, n, got = aimp.Queue({ maxsize = maxsize }), 300, aimp.Counter()
      local function count_got(count)
        for _ = 1, count do
          got:add(1) -- before: it may be got at any time from now on
          queue:get()
        end
      end
      local consumer = pool:apply(count_got, n)
      for put = 1, n do
        queue:put(put)
        assert.is_true(put <= maxsize + got:get())
      end
      consumer:await()
      assert.equal(0, queue:size())
    end
  end)

  with_pool("lets a worker that waits for room go on when there is some", 1, function(pool)
    local queue = aimp.Queue({ maxsize = 2 })
    local task = pool:apply(function()
      for i = 1, 6 do
        queue:put(i)
      end
    end)
    support.eventually(function() return queue:size() == 2 end, "the queue is full")
    support.settle(pool)
    assert.equal(2, queue:size())
    assert.is_false(task:done())
    for i = 1, 6 do
      assert.equal(i, queue:get())
    end
    task:await()
  end)

  with_pool("gives the room that one process was granted and does not use to others", 2, function(pool)
    local queue, in_worker = aimp.Queue({ maxsize = 100 }), remote.by_worker(pool)
    local done, sign = aimp.Queue(), queues.sign()
    local compute_until, path = queues.compute_until, sign.path
    local function drain()
      while queue:try_get() do end -- luacheck: ignore 542
    end
    -- it puts fast, so it is granted places ahead, and has them while it computes
    local hog = in_worker(1, function()
      for i = 1, 1000 do
        queue:put(i)
      end
      done:put(true)
      compute_until(path)
    end)
    while not done:try_get() do
      drain()
      aimp.sleep(0.001)
    end
    drain()
    for i = 1, 100 do
      assert.is_true(queue:try_put(i))
    end
    assert.is_false(queue:try_put("more"))
    drain()
    assert.equal(100, in_worker(2, function()
      local count = 0
      while queue:try_put(count) do
        count = count + 1
      end
      return count
    end):await())
    assert.is_false(hog:done())
    sign.raise()
    hog:await()
    sign.lower()
    drain()
  end)
end)
