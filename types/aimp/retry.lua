---@meta aimp.retry
-- SPDX-License-Identifier: MIT
-- Made by scripts/docs from the comments in lua/aimp; change those.

---@class aimp.retry
---@overload fun(fn: function, options?: aimp.RetryOptions): function
local retry = {}

--- A wait that doubles with each try, for the option `wait` of aimp.retry. A part of it is left to chance, so
--- that those which failed together do not come back together.
---
--- Raises nothing but misuse.
---
--- ```lua
--- local wait = aimp.retry.exponential({ base = 0.5, max = 10 }) -- seconds
--- ```
---@param options? aimp.ExponentialOptions
---@return fun(try: integer): number wait # gives the seconds to wait after the try of that number
function retry.exponential(options) end

return retry
