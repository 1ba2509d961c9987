-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local fiber = require("aimp.fiber")
local schedulers = require("aimp.pool.schedulers")
local support = require("spec.pool.support")

local failure, misuse, numbers = support.failure, support.misuse, support.numbers

local function with_pool(name, options, body)
  it(name, support.pooled(options, body))
end

local function same(x) return x end

local function worker_id()
  return require("aimp").worker().id
end

-- The queues that a scheduler gives to so many tasks, as a string of digits.
local function choices(scheduler, count)
  local text = ""
  for task_id = 1, count do
    text = text .. scheduler:schedule_task(task_id, same, {})
  end
  return text
end

-- An object of the user's that does what `choose` says and notes what it is told.
local Recorder = {}
Recorder.__index = Recorder

local function recorder(choose)
  return setmetatable({ choose = choose, queues = {}, processes = {}, scheduled = {}, completed = {},
    count = 0 }, Recorder)
end

function Recorder:register_queue(qid)
  self.queues[#self.queues + 1] = qid
end

function Recorder:register_process(qid)
  self.processes[#self.processes + 1] = qid
end

function Recorder:schedule_task(task_id, fn, args)
  assert.is_nil(self.scheduled[task_id])
  self.count = self.count + 1
  self.scheduled[task_id] = { fn = fn, args = args }
  self.last = self.scheduled[task_id]
  return self.choose(self.count)
end

function Recorder:complete_task(task_id)
  assert.is_not_nil(self.scheduled[task_id])
  self.completed[task_id] = (self.completed[task_id] or 0) + 1
end

-- Every task that was scheduled is complete, once.
local function assert_settled(scheduler)
  for task_id in pairs(scheduler.scheduled) do
    assert.equal(1, scheduler.completed[task_id], "task " .. task_id)
  end
end

describe("round_robin", function()
  it("takes the queues by turns", function()
    assert.equal("123123123", choices(schedulers.open("round_robin", 3, 3), 9))
    assert.equal("1111", choices(schedulers.open("round_robin", 1, 4), 4))
  end)

  it("takes queues with more workers more often", function()
    assert.equal("121121121", choices(schedulers.open("round_robin", 2, 3), 9))
    local count = {}
    for qid in choices(schedulers.open("round_robin", 3, 7), 700):gmatch("%d") do
      count[qid] = (count[qid] or 0) + 1
    end
    assert.same({ ["1"] = 300, ["2"] = 200, ["3"] = 200 }, count)
  end)

  it("can be built on", function()
    local turns = aimp.RoundRobin()
    local own = setmetatable({}, { __index = turns })
    function own:schedule_task(id, fn, args)
      return fn == print and 2 or turns:schedule_task(id, fn, args)
    end
    assert.equal(own, schedulers.open(own, 3, 3))
    assert.equal("123", choices(own, 3))
    assert.equal(2, own:schedule_task(4, print, {}))
    assert.equal("123", choices(own, 3))
    assert.equal("123", choices(setmetatable({}, { __index = turns }), 3))
  end)
end)

for name, make in pairs({ RoundRobin = aimp.RoundRobin, LeastLoaded = aimp.LeastLoaded }) do
  describe("aimp." .. name, function()
    it("says so when there is nothing to choose from", function()
      local scheduler = make()
      local function choose()
        local qid = scheduler:schedule_task(1, same, {})
        return qid
      end
      misuse("schedule_task: no queue is registered", choose)
      scheduler:register_queue(1)
      misuse("schedule_task: no worker is registered: a pool needs at least one process", choose)
      misuse("register_process: there is no queue 2; register_queue comes first",
        function() scheduler:register_process(2) end)
      scheduler:register_process(1)
      assert.equal(1, choose())
      scheduler:complete_task(1)
    end)

    it("serves one pool", function()
      local scheduler = make()
      assert.equal(scheduler, schedulers.open(scheduler, 2, 2))
      misuse("register_queue: queue 1 is registered already; a scheduler serves one pool",
        function() scheduler:register_queue(1) end)
      assert.equal("1212", choices(scheduler, 4))
    end)

    with_pool("is what a pool may be given", { processes = 2, queuecount = 2, scheduler = make() },
      function(pool)
        local tasks = {}
        for i = 1, 10 do
          tasks[i] = pool:apply(worker_id)
        end
        local seen = {}
        for _, id in ipairs(aimp.gather(tasks)) do
          seen[id] = (seen[id] or 0) + 1
        end
        assert.same({ 5, 5 }, seen)
        misuse("aimp.Pool: option 'scheduler' serves another pool; make one for each",
          function() aimp.Pool({ processes = 1, scheduler = pool.scheduler }) end)
      end)
  end)
end

describe("least_loaded", function()
  it("takes the queue with the fewest tasks", function()
    local scheduler = schedulers.open("least_loaded", 2, 2)
    assert.equal("1212", choices(scheduler, 4))
    scheduler:complete_task(2)
    scheduler:complete_task(4)
    assert.equal(2, scheduler:schedule_task(5, same, {}))
    assert.equal(2, scheduler:schedule_task(6, same, {}))
    assert.equal(1, scheduler:schedule_task(7, same, {}))
  end)

  it("counts the workers of a queue", function()
    local scheduler = schedulers.open("least_loaded", 2, 3) -- two workers serve queue 1
    local count = select(2, choices(scheduler, 30):gsub("1", ""))
    assert.equal(20, count)
  end)

  it("ignores the end of a task that it does not know, or that has ended", function()
    local scheduler = schedulers.open("least_loaded", 2, 2)
    choices(scheduler, 2)
    scheduler:complete_task(99)
    scheduler:complete_task(1)
    scheduler:complete_task(1)
    assert.equal(1, scheduler:schedule_task(3, same, {}))
    assert.equal(1, scheduler:schedule_task(4, same, {}) + scheduler:schedule_task(5, same, {}) - 2)
  end)
end)

describe("tickets", function()
  it("complete a unit when its last item has settled, in whatever parts", function()
    local scheduler = recorder(function() return 1 end)
    local tickets = schedulers.tickets(scheduler)
    for id = 1, 3 do
      scheduler:schedule_task(id, same, {})
    end
    tickets:issue(1, 0, 10)
    tickets:issue(2, 10, 5)
    tickets:issue(3, 15, 1)
    tickets:settle(3, 7)
    tickets:settle(8, 4)
    assert.same({}, scheduler.completed)
    tickets:settle(0, 3)
    assert.same({ 1 }, scheduler.completed)
    tickets:settle_all()
    tickets:settle_all()
    assert.same({ 1, 1, 1 }, scheduler.completed)
  end)
end)

describe("a pool with several queues", function()
  with_pool("serves each by the workers (i - 1) % queuecount + 1", {
    processes = 3, queuecount = 2, scheduler = recorder(function(n) return n <= 20 and 1 or 2 end),
  }, function(pool)
    support.pids(pool)
    local tasks = {}
    for i = 1, 40 do
      tasks[i] = pool:apply(worker_id)
    end
    for i, id in ipairs(aimp.gather(tasks)) do
      assert.equal(i <= 20 and 1 or 0, id % 2)
    end
  end)

  with_pool("uses all of them by default", { processes = 2, queuecount = 2 }, function(pool)
    local seen = {}
    for _ = 1, 10 do
      local id = pool:apply(worker_id):await()
      seen[id] = (seen[id] or 0) + 1
    end
    assert.same({ 5, 5 }, seen)
    assert.equal(3000, pool:map(same, numbers(3000)):await().n)
  end)

  with_pool("spreads by load with least_loaded", {
    processes = 2, queuecount = 2, scheduler = "least_loaded",
  }, function(pool)
    local slow = pool:apply(function() require("aimp").sleep(100) end)
    local busy = 1 -- the first task goes to the first queue
    for _ = 1, 4 do
      assert.not_equal(busy, pool:apply(worker_id):await())
    end
    slow:cancel()
    failure("CANCELLED", function() slow:await() end)
    assert.equal(busy, pool:apply(worker_id):await())
    assert.equal(3000, pool:map(same, numbers(3000)):await().n)
    assert.equal(busy, pool:apply(worker_id):await())
  end)
end)

describe("a scheduler of the user's", function()
  local own

  local function with_own(name, options, choose, body)
    it(name, function()
      own = recorder(choose)
      options.scheduler = own
      support.pooled(options, body)()
    end)
  end

  with_own("is told of queues, then workers, then tasks", { processes = 3, queuecount = 2 },
    function(n) return n % 2 + 1 end, function(pool)
      assert.same({ 1, 2 }, own.queues)
      assert.same({ 1, 2, 1 }, own.processes)
      pool:apply(same, "x", nil, 3):await()
      assert.equal(same, own.last.fn)
      assert.same({ n = 3, "x", nil, 3 }, own.last.args)
      pool:submit(same, { 7 }):await()
      assert.equal(7, own.last.args[1])
      pool:map(same, { "a", "b" }, { chunksize = 2 }):await()
      assert.same({ n = 2, "a", "b" }, own.last.args)
    end)

  with_own("has no say in where a key goes", { processes = 2, queuecount = 2 },
    function() return 1 end, function(pool)
      local seen = {}
      for key = 1, 20 do
        local first = pool:submit(worker_id, {}, { key = key }):await()
        assert.equal(first, pool:submit(worker_id, {}, { key = key }):await())
        seen[first] = true
      end
      assert.same({ true, true }, seen)
      assert_settled(own)
    end)

  with_own("is told once of each task's end, however it ends", { processes = 2, queuecount = 2 },
    function(n) return n % 2 + 1 end, function(pool)
      local ends = {
        pool:apply(same, 1),
        pool:apply(function() error("no") end),
        pool:apply(function() os.exit(3) end),
        pool:submit(function() require("aimp").sleep(100) end, {}, { timeout = 0.01 }),
      }
      local cancelled = pool:apply(function() require("aimp").sleep(100) end)
      for _, task in ipairs(ends) do
        task:pawait()
      end
      cancelled:cancel()
      cancelled:pawait()
      local file = io.tmpfile()
      failure("ENCODE", function() pool:apply(same, file) end)
      failure("ENCODE", function() pool:submit(same, { file }) end)
      file:close()
      assert.equal(7, own.count)
      assert_settled(own)
    end)

  with_own("is told once of each unit of a map", { processes = 2, queuecount = 2 },
    function(n) return n % 2 + 1 end, function(pool)
      pool:map(same, numbers(5000)):await()
      assert_settled(own)
      local streamed = pool:map(function(x)
        if x == 70 then require("aimp").sleep(100) end
        return x
      end, numbers(200), { chunksize = 7 })
      assert.equal(1, (streamed()))
      streamed:cancel()
      support.eventually(function() return not streamed.owner end, "all items have settled")
      assert_settled(own)
      local file = io.tmpfile()
      failure("ENCODE", function() pool:map(same, { file, 1 }) end)
      file:close()
      assert_settled(own)
      local lost = pool:map(function() require("aimp").sleep(100) end, numbers(20))
      pool:terminate()
      failure("CLOSED", function() lost:await() end)
      assert_settled(own)
      pool:join()
    end)

  for _, wrong in ipairs({ 0, 3, 1.5, -1, "1", false, 0 / 0, 1 / 0 }) do
    with_own("is blamed for queue " .. tostring(wrong), { processes = 2, queuecount = 2 },
      function(n)
        if n == 1 then return wrong end
        return 1
      end, function(pool)
        misuse("scheduler chose queue .*there are 1 to 2", function() pool:apply(same, 1) end)
        assert.equal(2, pool:apply(same, 2):await())
        own.count = 0
        local ok, err = pcall(pool.map, pool, same, { 1, 2 })
        assert.is_false(ok)
        assert.matches("scheduler chose queue .*there are 1 to 2", tostring(err))
        assert.equal(2, pool:apply(same, 2):await())
      end)
  end

  with_own("is blamed when it fails in the middle of a map", { processes = 2 },
    function(n) return n > 30 and error("lost my mind") or 1 end, function(pool)
      local err = failure("REMOTE", function()
        pool:map(same, function() return 1 end, { chunksize = 1 }):await()
      end)
      assert.matches("lost my mind", err.message)
      own.count = 0
      assert.equal(2, pool:apply(same, 2):await())
    end)

  with_own("may fail when it is told of an end: that is reported, no more", { processes = 2 },
    function() return 1 end, function(pool)
      local told, on_error = 0, fiber.on_error
      fiber.on_error = function(err)
        assert.matches("cannot count", tostring(err))
        told = told + 1
      end
      own.complete_task = function() error("cannot count") end
      local ok, list = pcall(function()
        assert.equal(2, pool:apply(same, 2):await())
        return pool:map(same, numbers(10), { chunksize = 5 }):await()
      end)
      fiber.on_error = on_error
      assert.is_true(ok, tostring(list))
      assert.equal(10, list.n)
      assert.equal(3, told)
    end)
end)
