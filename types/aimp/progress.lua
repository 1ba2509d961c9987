---@meta aimp.progress
-- SPDX-License-Identifier: MIT
-- Made by scripts/docs from the comments in lua/aimp; change those.

---@class aimp.progress
---@overload fun(iterable: table|function, options?: aimp.ProgressOptions): aimp.ProgressBar|aimp.PoolResult
local progress = {}

--- aimp.gather with a bar that counts the tasks that have ended.
---
--- Raises the first failure, as aimp.gather does.
---
--- ```lua
--- local pages = aimp.progress.gather(tasks, { description = "fetching" })
--- ```
---@async
---@param list aimp.Task[]
---@param options? aimp.ProgressGatherOptions
---@return any[] results # the first result of each, in the order of the list
function progress.gather(list, options) end

return progress
