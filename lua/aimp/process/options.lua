--- The options of aimp.Process and aimp.Worker: names, types, defaults.
-- SPDX-License-Identifier: MIT
local check = require("aimp.check")
local errors = require("aimp.errors")

local each = pairs -- see lua/aimp/check.lua

local M = {}

local function is_place(key)
  return type(key) == "number" and key >= 1 and key % 1 == 0
end

-- A list may hold nils if it has n.
local function list_fault(value)
  if type(value) ~= "table" then
    return ("must be a list, got a %s"):format(type(value))
  end
  for key in each(value) do
    if key ~= "n" and not is_place(key) then
      return ("must be a list, got a table with the key '%s'"):format(errors.describe(key))
    end
  end
  local n = value.n
  if n ~= nil and not (n == 0 or is_place(n)) then
    return ("must be a list, got one whose n is %s"):format(errors.describe(n))
  end
end

---@class aimp.ProcessOptions
---@field target function             called in the process; it may wait. Required
---@field args? any[]                 its arguments; may hold nils if it has n; default: none
---@field name? string                for messages, ps and aimp.worker().pool; default "Process-1" and so on
---@field daemon? boolean             killed when the script ends, which else waits for it; default false
---@field initializer? function       called before the target, with initargs; may wait
---@field initargs? any[]             default: none
---@field loop_initializer? fun(uv)   called before the initializer, with luv
---@field start_method? string        "forkserver" (as "fork") or "spawn"; default: aimp.set_start_method's
local schema = {
  target = { type = "callable" },
  args = { check = list_fault, default = { n = 0 } },
  name = { type = "string" },
  daemon = { type = "boolean", default = false },
  initializer = { type = "callable" },
  initargs = { check = list_fault, default = { n = 0 } },
  loop_initializer = { type = "callable" },
  start_method = { choices = { "forkserver", "fork", "spawn" } },
}

--- The fields that may be set before the start, and their types.
M.settable = { name = "string", daemon = "boolean" }

---@param level integer  as in aimp.check
---@param fname string   "aimp.Process"
---@param opts any
---@return aimp.ProcessOptions
function M.read(level, fname, opts)
  local options = check.options(level + 1, fname, opts, schema)
  if options.target == nil then
    errors.raise_misuse(level + 2, "%s: option 'target' is missing; it must be a function", fname)
  end
  return options
end

return M
