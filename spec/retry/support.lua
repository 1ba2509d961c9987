-- SPDX-License-Identifier: MIT
--- What the specs of aimp.retry share.
local support = require("spec.task.support")

local M = {}

--- A function that fails `times` times with the given value; counts its calls in field `calls`.
function M.failing(times, value)
  local state = { calls = 0 }
  return function(...)
    state.calls = state.calls + 1
    if state.calls <= times then
      error(value, 0)
    end
    return ...
  end, state
end

--- The body of a spec in which time stands still until clock.advance(seconds).
function M.with_clock(body)
  return function()
    local clock = support.fake_clock()
    local ok, err = pcall(body, clock)
    clock.restore()
    if not ok then
      error(err, 0)
    end
  end
end

return M
