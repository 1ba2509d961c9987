--- The processes of aimp.Process and aimp.Worker that run, and what becomes of them when the program ends:
--- those that are no daemons are waited for (`join`, by aimprun and by workers), then all are killed.
-- SPDX-License-Identifier: MIT
local run = require("aimp.run")
local shutdown = require("aimp.shutdown")

local M = {}

local list = {} ---@type aimp.Process[]  in the order of their starts

local function kill_all()
  for i = #list, 1, -1 do
    list[i]:_abandon()
  end
end

---@param process aimp.Process
function M.add(process)
  list[#list + 1] = process
  if #list == 1 then
    shutdown.on(kill_all)
  end
end

---@param process aimp.Process
function M.remove(process)
  for i = #list, 1, -1 do
    if list[i] == process then
      table.remove(list, i)
    end
  end
  if #list == 0 then
    shutdown.off(kill_all)
  end
end

local function first_awaited()
  for _, process in ipairs(list) do
    if not process.daemon then
      return process
    end
  end
end

local function join_all()
  local process = first_awaited()
  while process do
    process:join()
    process = first_awaited()
  end
end

--- Drives the loop until no process is left that is no daemon; being cancelled as the main task ends it
--- sooner.
---@return integer unseen  errors of tasks and workers that nobody looked at
function M.join()
  if not first_awaited() then
    return 0
  end
  local _, unseen = run.main(join_all)
  return unseen
end

return M
