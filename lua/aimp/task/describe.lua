-- SPDX-License-Identifier: MIT
--- Words for people: what a task is, and what it waits for.
local tasks = require("aimp.task")

local M = {}

local CHAIN_MAX = 8

---@param task aimp.Task
---@return string  "task main.lua:12"
function M.task(task)
  local fn = task._fn
  if type(fn) ~= "function" then
    return "a task of a pool or other producer"
  end
  local info = debug.getinfo(fn, "S")
  return string.format("task %s:%d", info.short_src, info.linedefined)
end

local function awaited(f)
  local target = f.awaits
  if not target then
    return f.what or "nothing"
  elseif tasks.is_task(target) then
    return M.task(target)
  end
  return target:describe()
end

--- The next task of the chain, when there is one to name.
local function next_of(f)
  local target = f.awaits
  if target and not tasks.is_task(target) then
    target = target:first_pending()
  end
  return target or nil
end

--- What a task waits for, followed through the tasks that it awaits.
---@param task aimp.Task
---@return string  "task a.lua:3, which waits for a timer"
function M.waits_for(task)
  local parts, met = {}, { [task] = true }
  while task and task._fiber and #parts < CHAIN_MAX do
    parts[#parts + 1] = awaited(task._fiber)
    task = next_of(task._fiber)
    if task and met[task] then
      parts[#parts + 1] = "one of these again"
      break
    end
    met[task or 0] = true
  end
  return #parts > 0 and table.concat(parts, ", which waits for ") or "its start"
end

--- All tasks that have not ended, with what they wait for and their stacks.
---@return string
function M.dump()
  local lines = {}
  for _, task in ipairs(require("aimp.task.spawn").live()) do
    lines[#lines + 1] = string.format("%s waits for %s", M.task(task), M.waits_for(task))
    if task._fiber then
      lines[#lines + 1] = debug.traceback(task._fiber.co)
    end
  end
  return table.concat(lines, "\n")
end

return M
