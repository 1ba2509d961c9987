-- SPDX-License-Identifier: MIT
--- aimp.TaskGroup: tasks that end together. None of them outlives the group, and no error of one is lost.
---
---   open ──close(), terminate() or the end of aimp.with──► closed
---
--- Here: what users call. What happens when tasks end or fail is in supervision.lua.
local check = require("aimp.check")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local lists = require("aimp.task.list")
local spawn = require("aimp.task.spawn")
local supervision = require("aimp.task.supervision")
local with = require("aimp.with")

local M = {}

--- Tasks that belong together, for `aimp.with`:
---
---     aimp.with(aimp.TaskGroup(), function(group)
---       group:spawn(fetch, "a")
---       group:spawn(fetch, "b")
---     end) -- both have ended here
---
--- When the function ends, the tasks are waited for. The first error, of a task or of the function itself,
--- cancels the other tasks and the function; when all have ended it is raised, with further errors in its
--- field `others`. Cancelling who waits cancels the tasks. A task that is merely cancelled is no error.
---
--- Without `aimp.with`: `close`, then `join`, which raises; `terminate` cancels the tasks.
---@class aimp.TaskGroup
---@field package _supervision aimp.task.Supervision
---@field package _is_closed boolean
local TaskGroup = {}
TaskGroup.__index = TaskGroup
TaskGroup.__name = "aimp.TaskGroup"

local function check_self(self, method)
  if type(self) ~= "table" or getmetatable(self) ~= TaskGroup then
    errors.raise_misuse(3, "%s: not a task group; call it as group:%s()", method, method)
  end
end

local function refuse_end(self, method)
  if self._is_closed then
    errors.raise_misuse(3, "group:%s: the group is closed", method)
  elseif self._supervision.stop_error then
    error(self._supervision.stop_error, 0) -- as at any wait of those whom the group cancels
  end
end

--- Starts fn(...) as a task of the group.
---
--- Raises CANCELLED when the group ends already, because of an error.
---
--- Example: `local task = group:spawn(fetch, "https://example.org/")`
---@param fn function
---@param ... any
---@return aimp.Task
function TaskGroup:spawn(fn, ...)
  check_self(self, "spawn")
  check.arg(1, "group:spawn", 1, fn, "callable")
  refuse_end(self, "spawn")
  local task = spawn.spawn(fn, ...)
  self._supervision:enlist(task)
  return task
end

--- Makes a task one of the group that was started elsewhere, such as a pool's: the group waits for it, and
--- cancels it when another fails.
---
--- Raises CANCELLED when the group ends already, because of an error.
---
--- Example: `group:add(pool:apply(render, page))`
---@param task aimp.Task  or anything else with an `await`, as a pool's result
---@return aimp.Task task  the same one; of something else, a task that awaits it
function TaskGroup:add(task)
  check_self(self, "add")
  refuse_end(self, "add")
  task = lists.one(1, "group:add", task)
  local own = task._fiber
  if own and (own == fiber.current() or own == self._supervision.body) then
    errors.raise_misuse(2, "group:add: a group cannot wait for the task that waits for it")
  end
  self._supervision:enlist(task)
  return task
end

--- Nothing can be added any more. Returns at once.
---
--- Raises nothing but misuse.
---
--- Example: `group:close()`
function TaskGroup:close()
  check_self(self, "close")
  self._is_closed = true
end

--- Closes the group and cancels its tasks. Returns at once; a function of `aimp.with` goes on.
---
--- Raises nothing but misuse.
---
--- Example: `group:terminate("no longer needed")`
---@param reason? string
function TaskGroup:terminate(reason)
  check_self(self, "terminate")
  check.arg(1, "group:terminate", 1, reason, "string?")
  self._is_closed = true
  local group = self._supervision
  local body = group.body
  group.body = false
  group:stop(reason or "its group was terminated")
  group.body = body
end

--- Waits until all tasks have ended, after `close` or `terminate`. Being cancelled meanwhile cancels them.
---
--- Raises the first error of a task, with those of others in its field `others`.
---
--- Example:
---     group:close()
---     group:join()
---@async
function TaskGroup:join()
  check_self(self, "join")
  local f, group = fiber.waiter(1, "group:join"), self._supervision
  if not self._is_closed then
    errors.raise_misuse(2, "group:join: the group is still open; call close() or terminate() first")
  elseif f.task and group.tasks[f.task] then
    errors.raise_misuse(2, "group:join: a task of the group cannot wait for the group")
  end
  group:wait(f)
  group:raise_first(2)
end

--- How many of its tasks have not ended.
---
--- Raises nothing but misuse.
---
--- Example: `print(group:count())`
---@return integer tasks
function TaskGroup:count()
  check_self(self, "count")
  return self._supervision.left
end

local function leave(self, f, ok, ...)
  local group = self._supervision
  group:body_ended(f, ok, (...))
  group:wait(f)
  self._is_closed = true
  group:raise_first(2)
  return ...
end

--- For aimp.with.
function TaskGroup:__aimp_with(fn)
  local group = self._supervision
  if self._is_closed or group.body then
    errors.raise_misuse(2, "aimp.with: the task group is %s", group.body and "in use" or "closed")
  end
  local f = fiber.current()
  group.body = f
  return leave(self, f, xpcall(fn, with.keep_traceback, self))
end

--- A group belongs to the process that made it.
function TaskGroup.__aimp_send()
  error("a task group cannot be sent; make one where its tasks run", 0)
end

TaskGroup.__aimp_recv = TaskGroup.__aimp_send

function TaskGroup:__tostring()
  return ("aimp.TaskGroup: %p (%d tasks)"):format(self, self._supervision.left)
end

--- Makes a group without tasks.
---
--- Raises nothing but misuse.
---
--- Example: `local group = aimp.TaskGroup()`
---@param options? {}  there are none so far
---@return aimp.TaskGroup
function M.TaskGroup(options)
  check.options(1, "aimp.TaskGroup", options, {})
  return setmetatable({ _supervision = supervision.new(), _is_closed = false }, TaskGroup)
end

M.Class = TaskGroup
return M
