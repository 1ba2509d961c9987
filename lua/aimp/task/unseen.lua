-- SPDX-License-Identifier: MIT
--- Errors of tasks that nobody looked at: reported when the task is collected, or when the program ends.
---
--- A failed task holds a sentinel, a userdata whose finalizer reports; only failures pay for one. The error
--- is kept in the sentinel's own metatable, so that an error which refers to its task is no leak.
local errors = require("aimp.errors")

local M = {}

local unseen = setmetatable({}, { __mode = "k" }) -- failed tasks still alive

--- Told of each; aimp.task puts its hook here.
---@param err aimp.Error
function M.report(err)
  io.stderr:write("aimp: a task failed and its error was never looked at:\n", errors.describe(err), "\n")
end

local function collected(sentinel)
  local err = getmetatable(sentinel).error
  if err then
    pcall(M.report, err) -- an error in a finalizer would hit whoever happens to allocate
  end
end

function M.note(task, err)
  local sentinel = newproxy(true)
  local meta = getmetatable(sentinel)
  meta.error, meta.__gc = err, collected
  task._unseen = sentinel
  unseen[task] = true
end

function M.forget(task)
  getmetatable(task._unseen).error = nil
  task._unseen = nil
  unseen[task] = nil
end

--- Reports all that are left; says how many.
---@return integer
function M.flush()
  local left = {}
  for task in pairs(unseen) do
    left[#left + 1] = task
  end
  for _, task in ipairs(left) do
    local err = getmetatable(task._unseen).error
    M.forget(task)
    pcall(M.report, err)
  end
  return #left
end

return M
