---@meta _
-- SPDX-License-Identifier: MIT
-- Made by scripts/docs from the comments in lua/aimp; change those.

---@class aimp.RetryOptions
---@field attempts? integer # tries in all; math.huge: until it works; default 3, with a deadline math.huge
---@field wait? number|fun(try: integer, err: aimp.Error): number # seconds before the next try; a function gets the number of tries made and the error; default aimp.retry.exponential()
---@field retry_if? fun(err: aimp.Error): any # whether an error is worth another try; default: all are
---@field on_retry? fun(err: aimp.Error, try: integer, delay: number) # called before each wait, with the number of tries made and the seconds to wait; may wait itself
---@field deadline? number # seconds from the call, beyond which it does not sleep; default none. It cuts no try short that runs: aimp.timeout does

---@class aimp.ExponentialOptions
---@field base? number # seconds before the second try; default 0.1
---@field max? number # seconds that are never exceeded; default 60, or base if that is more
---@field jitter? number # share of the wait that is left to chance: 0 (none) to 1 (all of it); default 0.5
---@field random? fun(): number # from 0 to 1; default math.random, of the process that waits

---@class aimp.ProgressOptions
---@field description? string # stands in front
---@field total? number # items there will be; default: as many as the iterable says, if it does
---@field ascii? boolean # a bar of plain characters; default: where the locale has no UTF-8
---@field leave? boolean # the bar stays on the terminal when it has ended; default true

---@class aimp.ProgressGatherOptions: aimp.ProgressOptions
---@field return_exceptions? boolean # errors take their place among the results; default false

--- A progress bar. It is shown from its making until it is closed, its loop is over or left, or nobody has it
--- any more. `aimp.with` closes it.
---@class aimp.ProgressBar
---@overload async fun(state?: any, control?: any): any
local ProgressBar = {}

--- Counts items as done.
---
--- Raises nothing but misuse, which includes a bar that is closed.
---
--- ```lua
--- bar:update(10)
--- ```
---@param n? number # items, 0 or more; default 1
function ProgressBar:update(n) end

--- Gives it another description.
---
--- Raises nothing but misuse, which includes a bar that is closed.
---
--- ```lua
--- bar:describe("second part")
--- ```
---@param text? string
function ProgressBar:describe(text) end

--- Draws it for the last time. Again does nothing.
---
--- Raises nothing but misuse.
---
--- ```lua
--- bar:close()
--- ```
function ProgressBar:close() end

