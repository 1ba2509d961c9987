-- SPDX-License-Identifier: MIT
--- Errors of tasks that nobody looked at: reported when the task is collected, or when the program ends.
---
--- A failed task holds a sentinel, a userdata whose finalizer reports; only failures pay for one. The error
--- is kept in the sentinel's own metatable, so that an error which refers to its task is no leak.
local errors = require("aimp.errors")

local M = {}

-- Metatables of sentinels that were not finalized yet. One that is about to be stays in a weak table.
local unseen = setmetatable({}, { __mode = "k" })
local count = 0

--- Told of each; aimp.task puts its hook here.
---@param err aimp.Error
function M.report(err)
  io.stderr:write("aimp: a task failed and its error was never looked at:\n", errors.describe(err), "\n")
end

local function report_one(meta)
  local err = meta.error
  if err then
    meta.error = nil
    pcall(M.report, err) -- an error in a finalizer would hit whoever happens to allocate
  end
end

local function collected(sentinel)
  report_one(getmetatable(sentinel))
end

function M.note(task, err)
  local sentinel = newproxy(true)
  local meta = getmetatable(sentinel)
  count = count + 1
  meta.error, meta.number, meta.__gc = err, count, collected
  task._unseen = sentinel
  unseen[meta] = true
end

function M.forget(task)
  getmetatable(task._unseen).error = nil
  task._unseen = nil
end

--- Reports all that are left, in the order of their failures; says how many.
---@return integer
function M.flush()
  local left = {}
  for meta in pairs(unseen) do
    if meta.error then
      left[#left + 1] = meta
    end
  end
  table.sort(left, function(a, b) return a.number < b.number end)
  for _, meta in ipairs(left) do
    report_one(meta)
  end
  return #left
end

return M
