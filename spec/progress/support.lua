-- SPDX-License-Identifier: MIT
--- Progress bars without a terminal: what would be drawn is recorded.
local display = require("aimp.progress.display")
local uv = require("luv")

local M = {}

---@class spec.Record
---@field draws aimp.progress.View[][]  what was drawn, each time
---@field ended aimp.progress.View[]    the last state of each bar that ended; false: it left no line
---@field rest integer[]                bars that were left then
---@field opened integer                how often the output was opened …
---@field closed integer                … and closed
---@field before fun()                  what is to be called before the script prints

--- An output that records.
---@return aimp.progress.Output output
---@return spec.Record record
function M.output()
  local record = { draws = {}, ended = {}, rest = {}, opened = 0, closed = 0 }
  local output = { interval = 0.1, idle = 1, draws_first = true }
  function output:open(before)
    record.opened, record.before = record.opened + 1, before
  end
  function output:draw(views)
    table.insert(record.draws, views)
  end
  function output:finish(view, rest)
    table.insert(record.ended, view or false)
    table.insert(record.rest, #rest)
  end
  function output:close()
    record.closed = record.closed + 1
  end
  return output, record
end

--- The body of a spec in which the bars of this process are recorded, and in the end have all ended.
---@param body fun(record: spec.Record, ...)
function M.recorded(body)
  return function(...)
    local output, record = M.output()
    local real, setting = display.new_output, os.getenv("AIMP_PROGRESS")
    display.new_output = function() return output end
    uv.os_unsetenv("AIMP_PROGRESS")
    local ok, err = pcall(body, record, ...)
    display.new_output = real
    if setting then
      uv.os_setenv("AIMP_PROGRESS", setting)
    end
    if not ok then
      error(err, 0)
    end
    assert(record.opened == record.closed, "a bar is still shown")
  end
end

--- "label 3/10", as a bar was when it ended.
---@param view aimp.progress.View
---@return string
function M.state(view)
  return ("%s%g/%s"):format(view.description and view.description .. " " or "", view.count, view.total or "?")
end

--- The same for all bars that ended, in order.
---@param record spec.Record
---@return string[]
function M.ends(record)
  local list = {}
  for i, view in ipairs(record.ended) do
    list[i] = view and M.state(view) or false
  end
  return list
end

return M
