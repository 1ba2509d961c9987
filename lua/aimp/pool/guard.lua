--- Says no to what is no pool, or a pool that takes no more work.
-- SPDX-License-Identifier: MIT
local errors = require("aimp.errors")

local M = {}

---@param pool any
---@param level integer as in aimp.check
function M.check_open(pool, level)
  local class = getmetatable(pool)
  if type(pool) ~= "table" or type(class) ~= "table" or class.__name ~= "aimp.Pool" then
    errors.raise_misuse(level + 2, "not a pool; call its methods with a colon, as in pool:apply(fn)")
  elseif pool.state ~= "open" then
    errors.raise_misuse(level + 2, "pool '%s' is closed", pool.options.name)
  elseif pool.backend.broken then
    error(pool.backend.broken, 0)
  end
end

return M
