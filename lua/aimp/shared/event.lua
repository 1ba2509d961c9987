--- aimp.Event: a flag that tasks of any process wait for.
-- SPDX-License-Identifier: MIT
local check = require("aimp.check")
local fiber = require("aimp.fiber")
local fronts = require("aimp.shared.fronts")
local shared = require("aimp.shared")
local waiting = require("aimp.shared.waiting")

local LOCAL = shared.LOCAL

local M = {}

-- ---- the truth ----

---@class aimp.shared.EventCore
local Core = {}
Core.__index = Core

function Core:set(_)
  self.flag = true
  self.line:wake_all()
end

function Core:clear(_)
  self.flag = false
end

function Core:is_set(_)
  return self.flag
end

function Core:wait(client, timeout)
  if not self.flag then
    self.line:wait(timeout, client)
  end
end

-- ---- what the user holds ----

--- A flag that is set or not, and that any number of tasks, in any number of processes, wait for. It lives in
--- the process that made it; sent to a worker, as an argument, in a table or as a captured variable, it is
--- the same event there.
---@class aimp.Event
local Event = {}
Event.__index = Event
Event.__name = "aimp.Event"

--- Sets it: all who wait go on, and nobody waits from now on. In another process than its own it returns at
--- once, and what that process does to the event afterwards is done in this order.
---
--- Raises nothing but misuse.
---
--- Example: `event:set()`
function Event:set()
  fronts.check_self(self, Event, "event", "set")
  self._core:set(LOCAL)
end

--- Takes `set` back: who waits from now on waits for the next. Those who were woken already go on.
---
--- Raises nothing but misuse.
---
--- Example: `event:clear()`
function Event:clear()
  fronts.check_self(self, Event, "event", "clear")
  self._core:clear(LOCAL)
end

--- Whether it is set now. In another process than its own it waits for the answer.
---
--- Raises CLOSED when the process that made it is gone.
---
--- Example: `if event:is_set() then print("go") end`
---@async
---@return boolean
function Event:is_set()
  fronts.check_self(self, Event, "event", "is_set")
  local flag = self._core:is_set(LOCAL)
  return flag
end

--- Waits until it is set; returns at once when it is.
---
--- Raises TIMEOUT when it was not set in time, CLOSED when the process that made it is gone.
---
--- Example: `event:wait(5)`
---@async
---@param timeout? number  seconds; default: as long as it takes
---@return true
function Event:wait(timeout)
  fronts.check_self(self, Event, "event", "wait")
  fiber.waiter(1, "event:wait")
  check.arg(1, "event:wait", 1, timeout, "seconds?")
  self._core:wait(LOCAL, timeout)
  return true
end

function Event:__tostring()
  return "aimp.Event"
end

shared.define({
  name = "aimp.Event",
  what = "an event",
  class = Event,
  methods = {
    set = { casts = true }, clear = { casts = true }, is_set = {},
    wait = { waits = true },
  },
})

--- Makes an event, which is not set.
---
--- Raises nothing but misuse.
---
--- Example: `local ready = aimp.Event()`
---@param options? {}  there are none so far
---@return aimp.Event
function M.Event(options)
  check.options(1, "aimp.Event", options, {})
  local core = setmetatable({ flag = false, line = waiting.new("an event") }, Core)
  return setmetatable({ _core = core }, Event)
end

M.Class = Event
return M
