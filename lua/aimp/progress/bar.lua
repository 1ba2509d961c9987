--- ProgressBar: what aimp.progress gives. Iterated, it passes on what its source gives and counts; or it is
--- moved by hand.
---
--- Of what a loop works at, an item is done when the next one is asked for. What others do, such as tasks, is
--- counted by `read`, which the meter asks instead.
-- SPDX-License-Identifier: MIT
local check = require("aimp.check")
local display = require("aimp.progress.display")
local errors = require("aimp.errors")
local meters = require("aimp.progress.meter")
local watch = require("aimp.progress.watch")

--- A progress bar. It is shown from its making until it is closed, its loop is over or left, or nobody has it
--- any more. `aimp.with` closes it.
---@class aimp.ProgressBar
---@operator call: any
---@field private _meter aimp.progress.Meter
---@field private _source? function
---@field private _is_closed boolean
local ProgressBar = {}
ProgressBar.__index = ProgressBar
ProgressBar.__name = "aimp.ProgressBar"

local M = {}

-- Tables have no finalizer; this userdata, which only the bar has, has one. It must not refer to the bar.
local function sentinel_of(meter)
  local sentinel = newproxy(true)
  getmetatable(sentinel).__gc = function()
    meter.is_abandoned = true
  end
  return sentinel
end

---@param options aimp.ProgressOptions  checked
---@param source? function  gives what the bar gives, until nil
---@param read? fun(): number, number?  count and total, where the source is not what is counted
---@return aimp.ProgressBar
function M.new(options, source, read)
  local meter = meters.new(options)
  meter.read = read
  local self = setmetatable({
    _meter = meter, _sentinel = sentinel_of(meter), _source = source or false, _is_closed = false,
    _has_item = false, -- one was given and is being worked at
    _is_watched = false,
  }, ProgressBar)
  display.show(meter)
  return self
end

local function check_open(self, method)
  if getmetatable(self) ~= ProgressBar then
    errors.raise_misuse(3, "%s: not a progress bar; call it as bar:%s()", method, method)
  elseif self._is_closed then
    errors.raise_misuse(3, "bar:%s: the bar is closed", method)
  end
end

--- Counts items as done.
---
--- Raises nothing but misuse, which includes a bar that is closed.
---
--- Example: `bar:update(10)`
---@param n? number  items, 0 or more; default 1
function ProgressBar:update(n)
  check_open(self, "update")
  check.arg(1, "bar:update", 1, n, "number?")
  if n and n < 0 then
    errors.raise_misuse(2, "bad argument #1 to 'bar:update' (expected 0 or more, got %g)", n)
  end
  self._meter.count = self._meter.count + (n or 1)
  display.changed()
end

--- Gives it another description.
---
--- Raises nothing but misuse, which includes a bar that is closed.
---
--- Example: `bar:describe("second part")`
---@param text? string
function ProgressBar:describe(text)
  check_open(self, "describe")
  check.arg(1, "bar:describe", 1, text, "string?")
  self._meter:describe(text)
  display.changed()
end

--- Draws it for the last time. Again does nothing.
---
--- Raises nothing but misuse.
---
--- Example: `bar:close()`
function ProgressBar:close()
  if not self._is_closed then
    self._is_closed = true
    display.hide(self._meter)
  end
end

--- A bar belongs to the process that shows it.
function ProgressBar.__aimp_send()
  error("a progress bar cannot be sent; update it in the process that made it", 0)
end

ProgressBar.__aimp_recv = ProgressBar.__aimp_send

-- ---- iteration ----

-- Other loops than `for` cannot be seen; their bars end when they are collected.
local function watch_loop(self)
  self._is_watched = true
  local thread = coroutine.running()
  if thread and watch.is_looping(thread, self) then
    local seen = setmetatable({ bar = self, thread = thread }, { __mode = "v" })
    self._meter.is_alive = function()
      return seen.bar ~= nil and seen.thread ~= nil and watch.is_used(seen.thread, seen.bar)
    end
  end
end

local function give(self, first, ...)
  if first == nil then
    self:close()
    return nil
  end
  self._has_item = true
  return first, ...
end

local function finish_item(self)
  if self._has_item then
    self._meter.count = self._meter.count + 1
  end
  self._has_item = false
  display.changed()
end

--- Iterates over what the bar was made for, and counts.
---
--- Raises what the source raises.
---
--- Example:
---     for name in aimp.progress({ "a", "b" }) do
---       print(name)
---     end
---@async
---@param state? any    as the loop gives them to its iterator
---@param control? any
---@return any ...  what the source gives; nil at the end
function ProgressBar:__call(state, control)
  if not self._source then
    errors.raise_misuse(2, "this progress bar has nothing to iterate over; move it with bar:update()")
  end
  if not self._is_watched then
    watch_loop(self)
  end
  finish_item(self)
  return give(self, self._source(state, control))
end

M.ProgressBar = ProgressBar
return M
