--- Words that tell what a number is: its unit, or what it counts.
---
--- A parameter, field or result that may be a number must have one of these in its text. A word that says no
--- more than "number" (value, amount, limit) is none.
-- SPDX-License-Identifier: MIT
local M = {}

local words = {
  -- units
  "seconds", "milliseconds", "bytes", "share", "times", "factor", "columns", "per second",
  -- numbers that name something
  "process id", "signal", "exit status", "status code", "index", "place", "id", "from 0", "from 1",
  -- what is counted
  "items", "tasks", "workers", "processes", "queues", "calls", "results", "values", "arguments", "tries",
  "attempts", "redirects", "requests", "connections", "parties", "permits", "elements", "entries", "cores",
  "waiters", "priority",
  -- what has no unit of aimp's: the user's own numbers
  "any number", "any integer",
}

---@param text string
---@return boolean
function M.is_named(text)
  local plain = " " .. text:lower():gsub("[^%w]+", " ") .. " "
  for _, word in ipairs(words) do
    if plain:find(" " .. word .. " ", 1, true) then
      return true
    end
  end
  return false
end

return M
