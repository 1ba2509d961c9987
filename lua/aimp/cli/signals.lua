-- SPDX-License-Identifier: MIT
--- Ctrl-C and SIGTERM reach the loop here. What the second one does, without a loop: runtime/cli/signals.h.
local native = require("aimp.cli.native")
local uv = require("aimp.uv")

local M = {}

local REASONS = { [2] = "interrupt", [15] = "terminate" }

--- Calls on_signal(reason) from the loop at the first signal. Keeps no loop alive.
---@param on_signal fun(reason: string)
function M.watch(on_signal)
  local poll = uv.new_poll(native.signal_fd())
  poll:start("r", function()
    poll:close()
    on_signal(REASONS[native.signal()])
  end)
  poll:unref()
end

--- 128 + the number of the first signal; nil when none came.
---@return integer?
function M.status()
  local number = native.signal()
  return number ~= 0 and 128 + number or nil
end

return M
