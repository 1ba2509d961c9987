--- What the fronts of shared objects have in common: complaints at the line of who called them.
-- SPDX-License-Identifier: MIT
local errors = require("aimp.errors")

local M = {}

--- To be called directly by a front's method.
---@param front any
---@param class table
---@param noun string    "lock"
---@param method string  "acquire"
function M.check_self(front, class, noun, method)
  if type(front) ~= "table" or getmetatable(front) ~= class then
    local article = noun:find("^[aeiou]") and "an" or "a"
    errors.raise_misuse(3, "%s: not %s %s; call it as %s:%s()", method, article, noun, noun, method)
  end
end

--- Raises what a core said of a call, if it said anything. To be called directly by a front's method.
---@param fault? string
function M.refuse(fault)
  if fault then
    errors.raise_misuse(3, "%s", fault)
  end
end

return M
