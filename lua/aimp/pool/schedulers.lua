--- Which queue a task goes to.
---
--- A scheduler is any object with the methods of aimp.Scheduler. Its pool registers its queues, then its
--- workers, once; then it asks for the queue of each task, and tells of each task's end. A unit of a map is
--- one task: its args are its items. A task with a key goes to the worker of the key; the scheduler is asked
--- and told all the same. With one queue and a built-in scheduler nobody is asked.
-- SPDX-License-Identifier: MIT
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")

local M = {}

--- What the option `scheduler` of a pool may be: an object that chooses the queue of each task, with these
--- methods. Queues are numbered from 1.
---@class aimp.Scheduler
---@field register_queue fun(self: aimp.Scheduler, qid: integer)    once for each queue, before anything else
---@field register_process fun(self: aimp.Scheduler, qid: integer)  once for each worker that serves the queue
---@field schedule_task fun(self: aimp.Scheduler, task_id: integer, fn: function, args: table): integer  qid
---@field complete_task fun(self: aimp.Scheduler, task_id: integer)  the task has settled, however

-- ---- what the built-in ones share ----

-- To be called directly by a scheduler's method.
local function add_queue(scheduler, qid)
  if scheduler._by_id[qid] then
    errors.raise_misuse(3, "register_queue: queue %s is registered already; a scheduler serves one pool",
      errors.describe(qid))
  end
  local queue = { id = qid, workers = 0, tasks = 0 }
  scheduler._by_id[qid] = queue
  scheduler._queues[#scheduler._queues + 1] = queue
end

local function add_process(scheduler, qid)
  local queue = scheduler._by_id[qid]
  if not queue then
    errors.raise_misuse(3, "register_process: there is no queue %s; register_queue comes first",
      errors.describe(qid))
  end
  queue.workers = queue.workers + 1
end

local function refuse_choice(scheduler)
  if #scheduler._queues == 0 then
    errors.raise_misuse(3, "schedule_task: no queue is registered to choose from")
  end
  errors.raise_misuse(3, "schedule_task: no worker is registered: a pool needs at least one process")
end

-- ---- by turns ----

--- A scheduler that takes the queues by turns, those with more workers more often; what `scheduler =
--- "round_robin"` stands for, the default. A scheduler of one's own may build on it:
---
---     local turns = aimp.RoundRobin()
---     local scheduler = setmetatable({}, { __index = turns })
---     function scheduler:schedule_task(id, fn, args)
---       return fn == urgent and 1 or turns:schedule_task(id, fn, args)
---     end
---     local pool = aimp.Pool({ processes = 4, queuecount = 2, scheduler = scheduler })
---@class aimp.RoundRobin: aimp.Scheduler
local RoundRobin = {}
RoundRobin.__index = RoundRobin
RoundRobin.__name = "aimp.RoundRobin"

--- There is a queue of this number. Pools call it once for each of theirs.
---
--- Raises nothing but misuse: a queue that it knows, as that of another pool.
---
--- Example: `scheduler:register_queue(1)`
---@param qid integer  the queue's id
function RoundRobin:register_queue(qid)
  add_queue(self, qid)
end

--- A worker serves this queue. A queue with more workers is chosen more often.
---
--- Raises nothing but misuse: a queue that it does not know.
---
--- Example: `scheduler:register_process(1)`
---@param qid integer  the queue's id
function RoundRobin:register_process(qid)
  add_process(self, qid)
  self._turns[#self._turns + 1] = qid
end

--- The queue of the next task.
---
--- Raises nothing but misuse: without a worker there is nothing to choose from.
---
--- Example: `local qid = scheduler:schedule_task(1, print, { n = 0 })`
---@return integer qid  the queue's id
function RoundRobin:schedule_task()
  local turns = self._turns
  if #turns == 0 then
    refuse_choice(self)
  end
  self._turn = self._turn % #turns + 1
  return turns[self._turn]
end

--- Does nothing: the turns do not depend on it.
---
--- Raises nothing.
---
--- Example: `scheduler:complete_task(1)`
function RoundRobin.complete_task() end

--- Makes a scheduler that takes queues by turns.
---
--- Raises nothing.
---
--- Example: `local pool = aimp.Pool({ processes = 4, queuecount = 2, scheduler = aimp.RoundRobin() })`
---@return aimp.RoundRobin
function M.RoundRobin()
  return setmetatable({ _queues = {}, _by_id = {}, _turns = {}, _turn = 0 }, RoundRobin)
end

-- ---- by load ----

--- A scheduler that takes the queue with the fewest tasks for each of its workers; what `scheduler =
--- "least_loaded"` stands for.
---@class aimp.LeastLoaded: aimp.Scheduler
local LeastLoaded = {}
LeastLoaded.__index = LeastLoaded
LeastLoaded.__name = "aimp.LeastLoaded"

--- There is a queue of this number. Pools call it once for each of theirs.
---
--- Raises nothing but misuse: a queue that it knows, as that of another pool.
---
--- Example: `scheduler:register_queue(1)`
---@param qid integer  the queue's id
function LeastLoaded:register_queue(qid)
  add_queue(self, qid)
end

--- A worker serves this queue. A queue with more workers gets more tasks.
---
--- Raises nothing but misuse: a queue that it does not know.
---
--- Example: `scheduler:register_process(1)`
---@param qid integer  the queue's id
function LeastLoaded:register_process(qid)
  add_process(self, qid)
end

local function load_of(queue)
  return queue.tasks / queue.workers
end

--- The queue of the next task.
---
--- Raises nothing but misuse: without a worker there is nothing to choose from.
---
--- Example: `local qid = scheduler:schedule_task(1, print, { n = 0 })`
---@param task_id integer  id of the task, for complete_task
---@return integer qid     the queue's id
function LeastLoaded:schedule_task(task_id)
  local best
  for _, queue in ipairs(self._queues) do
    if queue.workers > 0 and (not best or load_of(queue) < load_of(best)) then
      best = queue
    end
  end
  if not best then
    refuse_choice(self)
  end
  best.tasks = best.tasks + 1
  self._tasks[task_id] = best
  return best.id
end

--- The task has settled: its queue has one less. A task that it does not know is ignored.
---
--- Raises nothing.
---
--- Example: `scheduler:complete_task(1)`
---@param task_id integer  id of the task
function LeastLoaded:complete_task(task_id)
  local queue = self._tasks[task_id]
  if queue then
    queue.tasks = queue.tasks - 1
    self._tasks[task_id] = nil
  end
end

--- Makes a scheduler that goes by load.
---
--- Raises nothing.
---
--- Example: `local pool = aimp.Pool({ processes = 4, queuecount = 2, scheduler = aimp.LeastLoaded() })`
---@return aimp.LeastLoaded
function M.LeastLoaded()
  return setmetatable({ _queues = {}, _by_id = {}, _tasks = {} }, LeastLoaded)
end

-- ---- for the pool ----

local function is_taken(scheduler)
  local class = getmetatable(scheduler)
  return (class == RoundRobin or class == LeastLoaded) and #scheduler._queues > 0
end

--- The scheduler that the option names, with the pool's queues and workers registered. To be called directly
--- by aimp.Pool.
---@param option string|table
---@param queues integer
---@param processes integer
function M.open(option, queues, processes)
  local scheduler = option
  if is_taken(option) then
    errors.raise_misuse(3, "aimp.Pool: option 'scheduler' serves another pool; make one for each")
  end
  if option == "round_robin" then
    scheduler = M.RoundRobin()
  elseif option == "least_loaded" then
    scheduler = M.LeastLoaded()
  end
  for qid = 1, queues do
    scheduler:register_queue(qid)
  end
  for worker = 1, processes do
    scheduler:register_process((worker - 1) % queues + 1)
  end
  return scheduler
end

--- Tells the scheduler. Its code runs in the middle of ours: its errors are reported, no more.
function M.complete(scheduler, task_id)
  local ok, err = xpcall(scheduler.complete_task, errors.handler, scheduler, task_id)
  if not ok then
    fiber.on_error(err)
  end
end

---@class aimp.Tickets
local Tickets = {}
Tickets.__index = Tickets

--- A unit of items [first, first + count) went out as the scheduler's task.
function Tickets:issue(task_id, first, count)
  local ticket = { task_id = task_id, left = count }
  for index = first, first + count - 1 do
    self.at[index] = ticket
  end
end

--- These items have settled: their units may be complete.
function Tickets:settle(first, count)
  for index = first, first + count - 1 do
    local ticket = self.at[index]
    self.at[index] = nil
    if ticket then
      ticket.left = ticket.left - 1
      if ticket.left == 0 then
        M.complete(self.scheduler, ticket.task_id)
      end
    end
  end
end

--- All items have settled.
function Tickets:settle_all()
  for index in pairs(self.at) do
    self:settle(index, 1)
  end
end

local function nothing() end

local no_tickets = { issue = nothing, settle = nothing, settle_all = nothing }

--- What a scheduler was told of the units of one map, which settle in parts.
---@param scheduler? table  nil: nobody needs to be told
---@return aimp.Tickets
function M.tickets(scheduler)
  return scheduler and setmetatable({ scheduler = scheduler, at = {} }, Tickets) or no_tickets
end

return M
