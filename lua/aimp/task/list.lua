-- SPDX-License-Identifier: MIT
--- Turns what users give as "a task" or "a list of tasks" into tasks.
local errors = require("aimp.errors")
local spawn = require("aimp.task.spawn")
local tasks = require("aimp.task")

local M = {}

local function finish(object, ok, ...)
  if ok then
    return ...
  end
  local cancel = errors.is((...), "CANCELLED") and (object.cancel or object._cancel)
  if cancel then
    cancel(object)
  end
  error((...), 0)
end

local function follow(object)
  return finish(object, pcall(object.await, object))
end

--- A task of anything that has `await`, such as a pool's result or a process; cancelling it cancels that.
local function task_of(value)
  if tasks.is_task(value) then
    return value
  elseif type(value) == "table" and type(value.await) == "function" then
    return spawn.spawn(follow, value)
  end
end

---@param level integer  as in aimp.check
---@param fname string
---@return aimp.Task
function M.one(level, fname, value)
  local task = task_of(value)
  if not task then
    errors.raise_misuse(level + 2, "bad argument #1 to '%s' (expected a task, got a %s)", fname, type(value))
  end
  return task --[[@as aimp.Task]]
end

---@param level integer
---@param fname string
---@return aimp.Task[]  a copy
function M.many(level, fname, list)
  if type(list) ~= "table" or tasks.is_task(list) then
    errors.raise_misuse(level + 2, "bad argument #1 to '%s' (expected a list of tasks, got a %s)", fname,
      tasks.is_task(list) and "task" or type(list))
  end
  local copy = {}
  for i = 1, #list do
    local task = task_of(list[i])
    if not task then
      errors.raise_misuse(level + 2, "bad argument #1 to '%s' (item %d is a %s, expected a task)", fname, i,
        type(list[i]))
    end
    copy[i] = task
  end
  return copy
end

return M
