--- The bar of a map's result: shown while the result is awaited or iterated, it counts the items that are
--- done, whether or not somebody took them already.
---
--- Called by aimp.pool.result, whose `await` and iteration begin it and whose end finishes it.
-- SPDX-License-Identifier: MIT
local display = require("aimp.progress.display")
local meters = require("aimp.progress.meter")
local watch = require("aimp.progress.watch")

---@class aimp.progress.Follower
local Follower = {}
Follower.__index = Follower

local M = {}

---@param options aimp.ProgressOptions  checked
---@return aimp.progress.Follower?  nil: the user wants to see no bars
function M.new(options)
  if display.is_off() then
    return nil
  end
  return setmetatable({
    options = options,
    meter = nil,       -- the last that was shown
    is_over = false,   -- its last state was drawn
    threads = setmetatable({}, { __mode = "k" }), -- that await the result or iterate over it
  }, Follower)
end

local function is_used(self, result)
  for thread in next, self.threads do
    if watch.is_used(thread, result) then
      return true
    end
    self.threads[thread] = nil
  end
  return false
end

local function show(self, result)
  local meter = meters.new(self.options)
  meter.read = function()
    return result.pulled - result.in_flight, result.total or self.options.total
  end
  meter.is_alive = function() return is_used(self, result) end
  self.meter = meter
  display.show(meter)
end

--- The running coroutine awaits the result, or asks for its next item.
---@param result aimp.PoolResult
function Follower:begin(result)
  if self.is_over then
    return
  end
  self.threads[coroutine.running()] = true
  if not (self.meter and self.meter.is_shown) then
    show(self, result)
  end
  if result:is_done() or result.failure then
    self:finish()
  end
end

--- The result has ended.
function Follower:finish()
  if self.meter then
    self.is_over = true
    display.hide(self.meter)
  end
end

return M
