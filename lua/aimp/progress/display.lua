--- All bars that are shown now, in the order in which they began, and when they are drawn.
---
---   add ──► drawn when something changed, and every second, not more often than the output wants ──► remove
---
--- A timer draws what nobody else did. It is unreferenced: it keeps no loop alive and hides no deadlock. A
--- bar whose loop was left is found by the timer, before anything is printed, and before the next bar is
--- shown. Outputs: terminal.lua, lines.lua.
-- SPDX-License-Identifier: MIT
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local loop = require("aimp.loop")
local shutdown = require("aimp.shutdown")
local uv = require("aimp.uv")

---@class aimp.progress.Output
---@field interval number      seconds between two drawings at least
---@field idle number          seconds after which is drawn although nothing changed
---@field draws_first boolean  a new bar is drawn at once
---@field open fun(self, before: fun())
---@field draw fun(self, views: aimp.progress.View[])
---@field finish fun(self, view: aimp.progress.View?, rest: aimp.progress.View[])
---@field close fun(self)

---@class aimp.progress.Display
local Display = {}
Display.__index = Display

local M = {}

local TICK_MS = 100

---@param output aimp.progress.Output
---@param on_empty? fun()  called when the last bar has gone
---@return aimp.progress.Display
function M.new(output, on_empty)
  return setmetatable({ output = output, on_empty = on_empty, meters = {}, drawn_at = 0 }, Display)
end

local function views_of(meters)
  local views = {}
  for i, meter in ipairs(meters) do
    views[i] = meter:view()
  end
  return views
end

-- ---- drawing ----

local function draw(self, now)
  self.drawn_at = now
  self.output:draw(views_of(self.meters))
end

--- Draws, unless that was done a moment ago.
function Display:changed()
  local now = loop.now()
  if now - self.drawn_at >= self.output.interval then
    draw(self, now)
  end
end

local function has_news(self)
  for _, meter in ipairs(self.meters) do
    meter:refresh()
    if meter.count ~= meter.shown then
      return true
    end
  end
  return false
end

--- Called now and then: draws what is due.
function Display:tick()
  self:sweep()
  local since = loop.now() - self.drawn_at
  if self.meters[1] and (since >= self.output.idle or since >= self.output.interval and has_news(self)) then
    draw(self, loop.now())
  end
end

-- ---- bars come and go ----

--- Ends the bars that nobody wants to see any more.
function Display:sweep()
  for _, meter in ipairs({ unpack(self.meters) }) do
    if meter:is_gone() then
      self:remove(meter)
    end
  end
end

---@param meter aimp.progress.Meter
function Display:add(meter)
  local is_first = #self.meters == 0
  self.meters[#self.meters + 1], meter.is_shown = meter, true
  if is_first then
    self.drawn_at = self.output.draws_first and -math.huge or loop.now()
    self.output:open(function() self:sweep() end)
  end
  self:changed()
end

local function take_out(meters, meter)
  for i, other in ipairs(meters) do
    if other == meter then
      table.remove(meters, i)
      meter.is_shown = false
    end
  end
end

--- Draws it for the last time. One that is not shown is left alone.
---@param meter aimp.progress.Meter
function Display:remove(meter)
  if not meter.is_shown then
    return
  end
  take_out(self.meters, meter)
  local view = meter:view()
  self.output:finish(meter.leaves_line and view or nil, views_of(self.meters))
  if #self.meters == 0 then
    self.output:close()
    if self.on_empty then
      self.on_empty()
    end
  end
end

-- ---- the display of this process ----

local current = nil ---@type aimp.progress.Display?
local timer = nil   -- an uv timer, kept for the next bars

local function on_timer()
  local ok, err = xpcall(current.tick, errors.handler, current)
  if not ok then
    fiber.on_error(err)
  end
end

local function finish_all()
  while current do
    current:remove(current.meters[1])
  end
end

local function stop()
  current = nil
  uv.timer_stop(timer)
  shutdown.off(finish_all)
end

-- A terminal without cursor movement is called "dumb". A worker has lines, as the parent's bars may be on the
-- same terminal.
local function is_for_bars()
  if os.getenv("AIMP_PROGRESS") == "1" then
    return true
  end
  local term = os.getenv("TERM")
  return uv.guess_handle(2) == "tty" and term ~= nil and term ~= "" and term ~= "dumb"
end

--- What new bars are drawn on; specs put their own here.
---@return aimp.progress.Output
function M.new_output()
  local context = package.loaded["aimp.worker.context"]
  local is_worker = context ~= nil and context.id ~= nil
  return require(not is_worker and is_for_bars() and "aimp.progress.terminal" or "aimp.progress.lines").new()
end

local function start()
  current = M.new(M.new_output(), stop)
  timer = timer or uv.new_timer()
  uv.timer_start(timer, TICK_MS, TICK_MS, on_timer)
  uv.unref(timer)
  shutdown.on(finish_all)
end

--- Whether the user wants to see no bars.
---@return boolean
function M.is_off()
  return os.getenv("AIMP_PROGRESS") == "0"
end

--- Shows a bar, if the user wants to see any.
---@param meter aimp.progress.Meter
function M.show(meter)
  if M.is_off() then
    return
  end
  if current then
    current:sweep()
  end
  if not current then
    start()
  end
  current:add(meter)
end

--- Something changed; it is drawn if it is time for that.
function M.changed()
  if current then
    current:changed()
  end
end

--- Draws a bar for the last time, if it is shown.
---@param meter aimp.progress.Meter
function M.hide(meter)
  if current then
    current:remove(meter)
  end
end

return M
