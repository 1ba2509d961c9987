-- SPDX-License-Identifier: MIT
--- What a task group (supervised.lua) does about its tasks: counts them, stops all at the first error, waits.
---
--- The first error, of a task or of the function that aimp.with calls (the *body*), *stops* the group: tasks
--- and body are cancelled. Who waits for the group waits for all tasks, and raises that error.
---
--- Invariant: `left` counts `tasks`, those whose end was not told yet. It is told from the ready queue, in
--- the order in which they ended.
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local tasks = require("aimp.task")

-- LuaJIT 2.1 of March 2022 miscompiles loops that it knows by name to be over pairs().
local each = pairs

local M = {}

local PENDING, FAILED = tasks.PENDING, tasks.FAILED

---@class aimp.task.Supervision
---@field tasks table<aimp.Task, true>
---@field left integer
---@field body aimp.Fiber|false         while it is to be cancelled with the tasks
---@field stop_error aimp.Error|false   what the body is told, once the group is stopped
---@field is_body_told boolean
---@field has_failed boolean
---@field error any                     the first
---@field failures aimp.Task[]          tasks that failed, in their order
---@field body_error any                of the body, when it was not the first
---@field waiters aimp.Fiber[]
local Supervision = {}
Supervision.__index = Supervision

---@return aimp.task.Supervision
function M.new()
  return setmetatable({
    tasks = {}, left = 0, failures = {}, waiters = {}, error = nil, body_error = nil,
    has_failed = false, body = false, stop_error = false, is_body_told = false,
  }, Supervision)
end

-- ---- tasks ----

---@param task aimp.Task
function Supervision:enlist(task)
  if self.tasks[task] then
    return
  end
  self.tasks[task], self.left = true, self.left + 1
  if task._state == PENDING then
    task:_add_waiter(self)
  else
    fiber.soon(self._child_done, self, task)
  end
end

local function wake_waiters(self)
  local waiters = self.waiters
  self.waiters = {}
  for _, f in ipairs(waiters) do
    fiber.wake(f)
  end
end

--- Called from the ready queue at a task's end.
function Supervision:_child_done(task)
  self.tasks[task], self.left = nil, self.left - 1
  if task._state == FAILED then
    self.failures[#self.failures + 1] = task
    self:fail(task._a, "another task of its group failed")
  end
  if self.left == 0 then
    wake_waiters(self)
  end
end

-- ---- stopping ----

local function list_of(set)
  local list = {}
  for task in each(set) do
    list[#list + 1] = task
  end
  return list
end

--- Cancels the tasks, and the body, which must not run now.
---@param reason string
function Supervision:stop(reason)
  self.stop_error = self.stop_error or tasks.cancel_error(reason)
  if self.body and not self.is_body_told then
    self.is_body_told = true
    fiber.throw(self.body, self.stop_error)
  end
  for _, task in ipairs(list_of(self.tasks)) do
    task:cancel(reason)
  end
end

--- Notes an error; the first one stops the group.
---@param err any
---@param reason string  which the others are told
function Supervision:fail(err, reason)
  if not self.has_failed then
    self.has_failed, self.error = true, err
    self:stop(reason)
  end
end

--- The body has ended. What it was told is the group's business and ends here, also when it was not heard.
---@param f aimp.Fiber
function Supervision:body_ended(f, ok, err)
  self.body = false
  if self.is_body_told then
    f.cancels = f.cancels - 1
    if rawequal(f.cancel_pending, self.stop_error) then
      f.cancel_pending = false
    end
  end
  if not ok and not self.has_failed then
    self:fail(err, "the function of its group failed")
  elseif not ok and not rawequal(err, self.stop_error) then
    self.body_error = err
  end
end

-- ---- waiting ----

--- What a waiter awaits, for descriptions.
local Joining = {}
Joining.__index = Joining

function Joining:describe()
  return ("%d tasks of a group"):format(self.group.left)
end

function Joining:first_pending()
  return (next(self.group.tasks))
end

local function withdraw(f)
  local waiters = f.awaits.group.waiters
  for i, waiter in ipairs(waiters) do
    if waiter == f then
      table.remove(waiters, i)
    end
  end
  f.awaits = false
end

local function wait(self, f)
  f.awaits = setmetatable({ group = self }, Joining)
  self.waiters[#self.waiters + 1] = f
  fiber.wait(withdraw, "the tasks of a group")
  f.awaits = false
end

local REASON = "the task that waits for its group was cancelled"

--- Waits for all. Who is cancelled meanwhile cancels the tasks, and still waits for their end.
---@async
---@param f aimp.Fiber  the running one
function Supervision:wait(f)
  while self.left > 0 do
    local ok, err = pcall(wait, self, f)
    if not ok and self.has_failed then
      self:stop(REASON)
    elseif not ok then
      self:fail(err, REASON)
    end
  end
end

-- Further errors go along with the first. A plain value cannot carry them: they are reported as unseen.
local function attach_others(self, first)
  local others, met = {}, { [first] = true }
  local function attach(err)
    if not met[err] then
      met[err], others[#others + 1] = true, err
    end
  end
  for _, task in ipairs(self.failures) do
    task:_mark_seen()
    attach(task._a)
  end
  if self.body_error ~= nil then
    attach(errors.wrap(self.body_error))
  end
  first.others = #others > 0 and others or nil
end

--- Raises the first error, if there was any. Level 1 is who calls this.
---@param level integer
function Supervision:raise_first(level)
  if not self.has_failed then
    return
  end
  local err, task = self.error, self.failures[1]
  if errors.is(err) then
    attach_others(self, err)
  end
  if task and rawequal(task._a, err) then
    err = task:_awaited_error(level + 1)
  end
  error(err, 0)
end

return M
