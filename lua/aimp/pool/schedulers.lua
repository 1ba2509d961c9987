--- Which queue a task goes to.
---
--- A scheduler is any object with these methods; the two built-in ones are below.
---   register_queue(qid)       once for each queue, before anything else
---   register_process(qid)     once for each worker that serves the queue
---   schedule_task(task_id, fn, args) → qid
---   complete_task(task_id)    the task has settled, however
--- A unit of a map is one task: its args are its items.
-- SPDX-License-Identifier: MIT
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")

local M = {}

--- What the pool's option `scheduler` may be: an object that says which queue a task goes to. Queues are
--- numbered from 1. A unit of a map, which is several items, is one task to it.
---@class aimp.Scheduler
---@field register_queue fun(self, qid: integer)    called once for each queue, before all else
---@field register_process fun(self, qid: integer)  called once for each worker that serves the queue
---@field schedule_task fun(self, task_id: integer, fn: function, args: table): integer  gives the queue for
---  a call of fn; args is the list of its arguments with field n, or of a map's items
---@field complete_task fun(self, task_id: integer)  the task has ended, however

---@class aimp.RoundRobin: aimp.Scheduler
local RoundRobin = {}
RoundRobin.__index = RoundRobin

function RoundRobin:register_queue(qid)
  self.weights[qid] = 0
end

--- A queue with more workers is chosen more often.
function RoundRobin:register_process(qid)
  self.weights[qid] = self.weights[qid] + 1
  self.turns[#self.turns + 1] = qid
end

function RoundRobin:schedule_task()
  local turns = self.turns
  if #turns == 0 then
    error("no worker is registered: a pool needs at least one process", 0)
  end
  self.turn = self.turn % #turns + 1
  return turns[self.turn]
end

function RoundRobin.complete_task() end

--- The queues by turns.
---@return aimp.RoundRobin
function M.round_robin()
  return setmetatable({ weights = {}, turns = {}, turn = 0 }, RoundRobin)
end

---@class aimp.LeastLoaded: aimp.Scheduler
local LeastLoaded = {}
LeastLoaded.__index = LeastLoaded

function LeastLoaded:register_queue(qid)
  self.queues[#self.queues + 1] = { id = qid, workers = 0, tasks = 0 }
  self.by_id[qid] = self.queues[#self.queues]
end

function LeastLoaded:register_process(qid)
  self.by_id[qid].workers = self.by_id[qid].workers + 1
end

function LeastLoaded:schedule_task(task_id)
  local best
  for _, queue in ipairs(self.queues) do
    if queue.workers > 0 and (not best or queue.tasks / queue.workers < best.tasks / best.workers) then
      best = queue
    end
  end
  if not best then
    error("no worker is registered: a pool needs at least one process", 0)
  end
  best.tasks = best.tasks + 1
  self.tasks[task_id] = best
  return best.id
end

function LeastLoaded:complete_task(task_id)
  local queue = self.tasks[task_id]
  if queue then
    queue.tasks = queue.tasks - 1
    self.tasks[task_id] = nil
  end
end

--- The queue with the fewest tasks for each of its workers.
---@return aimp.LeastLoaded
function M.least_loaded()
  return setmetatable({ queues = {}, by_id = {}, tasks = {} }, LeastLoaded)
end

--- The scheduler that the option names, with the pool's queues and workers registered.
---@param option string|table
---@param queues integer
---@param processes integer
function M.open(option, queues, processes)
  local scheduler = option
  if option == "round_robin" then
    scheduler = M.round_robin()
  elseif option == "least_loaded" then
    scheduler = M.least_loaded()
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
