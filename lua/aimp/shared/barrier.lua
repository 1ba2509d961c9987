--- aimp.Barrier: a place where so many tasks, of any process, wait until all are there.
-- SPDX-License-Identifier: MIT
local check = require("aimp.check")
local fiber = require("aimp.fiber")
local fronts = require("aimp.shared.fronts")
local shared = require("aimp.shared")
local waiting = require("aimp.shared.waiting")

local LOCAL = shared.LOCAL

local M = {}

-- ---- the truth ----

---@class aimp.shared.BarrierCore
---@field size integer
local Core = {}
Core.__index = Core

function Core:wait(client, timeout)
  local place = self.line:count() + 1
  if place < self.size then
    local number = self.line:wait(timeout, client)
    return number
  end
  for number = 1, place - 1 do
    self.line:wake(number)
  end
  return place
end

function Core:parties(_)
  return self.size
end

function Core:waiting(_)
  return self.line:count()
end

-- ---- what the user holds ----

--- Lets tasks go on together: each waits until so many are there, of all processes that have the barrier.
--- Then it is ready for the next round. Who leaves early, by a timeout, by cancellation or because its
--- process died, does not count. It lives in the process that made it; sent to a worker, as an argument, in
--- a table or as a captured variable, it is the same barrier there.
---@class aimp.Barrier
local Barrier = {}
Barrier.__index = Barrier
Barrier.__name = "aimp.Barrier"

--- Waits until as many tasks wait here as the barrier has parties.
---
--- Raises TIMEOUT when they were not there in time, CLOSED when the process that made the barrier is gone.
---
--- Example: `if barrier:wait(5) == 1 then print("the first of this round") end`
---@async
---@param timeout? number  seconds; default: as long as it takes
---@return integer number  1 for the first who came, the number of parties for the last
function Barrier:wait(timeout)
  fronts.check_self(self, Barrier, "barrier", "wait")
  fiber.waiter(1, "barrier:wait")
  check.arg(1, "barrier:wait", 1, timeout, "seconds?")
  local number = self._core:wait(LOCAL, timeout)
  return number
end

--- How many tasks it takes. In another process than its own it waits for the answer.
---
--- Raises CLOSED when the process that made the barrier is gone.
---
--- Example: `print(barrier:parties())`
---@async
---@return integer tasks
function Barrier:parties()
  fronts.check_self(self, Barrier, "barrier", "parties")
  local size = self._core:parties(LOCAL)
  return size
end

--- How many tasks wait now. In another process than its own it waits for the answer.
---
--- Raises CLOSED when the process that made the barrier is gone.
---
--- Example: `print(barrier:parties() - barrier:waiting(), "to come")`
---@async
---@return integer tasks
function Barrier:waiting()
  fronts.check_self(self, Barrier, "barrier", "waiting")
  local count = self._core:waiting(LOCAL)
  return count
end

function Barrier:__tostring()
  return "aimp.Barrier"
end

shared.define({
  name = "aimp.Barrier",
  what = "the others at a barrier",
  class = Barrier,
  methods = {
    -- A TIMEOUT says that it did not count, so it is raised only when that is sure.
    wait = { waits = true, settles = true },
    parties = {}, waiting = {},
  },
})

---@class aimp.BarrierOptions
---@field parties integer  tasks that it takes, at least 1

--- Makes a barrier.
---
--- Raises nothing but misuse.
---
--- Example: `local start = aimp.Barrier({ parties = 4 })`
---@param options aimp.BarrierOptions
---@return aimp.Barrier
function M.Barrier(options)
  local checked = check.options(1, "aimp.Barrier", options, {
    parties = { type = "integer", min = 1, max = 2 ^ 31 },
  })
  fronts.refuse(not checked.parties and "aimp.Barrier: option 'parties' is missing" or nil)
  local core = setmetatable({ size = checked.parties, line = waiting.new("the others at a barrier") }, Core)
  return setmetatable({ _core = core }, Barrier)
end

M.Class = Barrier
return M
