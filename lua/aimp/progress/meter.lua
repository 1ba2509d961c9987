--- What a bar knows: how much of what is done, since when, and whether anybody still wants to see it.
---
--- The display holds meters; users hold the objects that use them (bar.lua, follow.lua), so that a bar which
--- is dropped can be collected and taken off the screen.
-- SPDX-License-Identifier: MIT
local format = require("aimp.progress.format")
local loop = require("aimp.loop")

---@class aimp.progress.Meter
---@field count number
---@field total? number
---@field description? string
---@field leaves_line boolean     its last state stays on the terminal
---@field read? fun(): number, number?   gives count and total instead
---@field is_alive? fun(): boolean  false: the loop or the call that it shows is over
---@field is_abandoned boolean    its owner was collected
---@field is_shown boolean        by the display
---@field shown? number           the count when it was drawn last
local Meter = {}
Meter.__index = Meter

local M = {}

---@param options aimp.ProgressOptions  checked
---@return aimp.progress.Meter
function M.new(options)
  local is_ascii = options.ascii
  if is_ascii == nil then
    is_ascii = format.is_ascii_locale()
  end
  local self = setmetatable({
    count = 0, total = options.total, leaves_line = options.leave ~= false, is_ascii = is_ascii,
    description = nil, started_at = loop.now(), read = nil, is_alive = nil, is_abandoned = false,
    is_shown = false, shown = nil,
  }, Meter)
  self:describe(options.description)
  return self
end

---@param text? string
function Meter:describe(text)
  self.description = text and text ~= "" and format.printable(text) or nil
  self.shown = nil
end

--- Brings the count up to date.
function Meter:refresh()
  if self.read then
    self.count, self.total = self.read()
  end
end

---@return boolean
function Meter:is_gone()
  return self.is_abandoned or self.is_alive ~= nil and not self.is_alive()
end

---@return aimp.progress.View
function Meter:view()
  self:refresh()
  self.shown = self.count
  return {
    description = self.description, count = self.count, total = self.total, is_ascii = self.is_ascii,
    elapsed = loop.now() - self.started_at,
  }
end

return M
