--- aimp.Semaphore: so many permits, which tasks of any process acquire and release.
---
--- Invariants: while anybody is in line, no permit is free; of a bounded semaphore, the free permits and
--- those that processes hold are as many as it began with.
-- SPDX-License-Identifier: MIT
local check = require("aimp.check")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local fronts = require("aimp.shared.fronts")
local shared = require("aimp.shared")
local waiting = require("aimp.shared.waiting")
local with = require("aimp.with")

local LOCAL = shared.LOCAL

local M = {}

local PERMITS_MAX = 2 ^ 31

-- ---- the truth ----

---@class aimp.shared.SemaphoreCore
---@field free integer
---@field held table<any, integer>?  permits by client; nil: unbounded, where nobody holds any
local Core = {}
Core.__index = Core

local function note_held(self, client, n)
  if self.held then
    local left = (self.held[client] or 0) + n
    self.held[client] = left > 0 and left or nil
  end
end

local function take(self, client)
  self.free = self.free - 1
  note_held(self, client, 1)
end

local function give(self, n)
  self.free = self.free + n
  while self.free > 0 and self.line:count() > 0 do
    take(self, (self.line:peek()))
    self.line:wake()
  end
end

--- It is always one permit; the last parameter is there to be the same as that of the release that undoes it.
---@return false?  it belongs to nobody; nil: to the client
function Core:acquire(client, timeout, _)
  if self.free > 0 then
    take(self, client)
  else
    self.line:wait(timeout, client)
  end
  if not self.held then
    return false
  end
end

--- Says what is wrong, if anything.
function Core:release(client, n)
  local held = self.held and (self.held[client] or 0)
  if held and n > held then
    return ("semaphore:release: %d of its permits, but this process holds %d; released twice? "
      .. "(one for signals is made with bounded = false)"):format(n, held)
  end
  note_held(self, client, -n)
  give(self, n)
end

function Core:value(_)
  return self.free
end

function Core:client_gone(client)
  local held = self.held and self.held[client]
  if held then
    self.held[client] = nil
    give(self, held)
  end
end

-- ---- what the user holds ----

--- A number of permits that tasks of all processes that have it acquire and release. Those who wait get one
--- in the order in which they came. It lives in the process that made it; sent to a worker, as an argument,
--- in a table or as a captured variable, it is the same semaphore there.
---
--- A bounded one, the default, knows how many permits each process holds: only that process can release
--- them, and when a worker dies they are given back. One with `bounded = false` carries signals: any process
--- may release, no permit belongs to anybody, and what a worker acquired is used up.
---@class aimp.Semaphore
local Semaphore = {}
Semaphore.__index = Semaphore
Semaphore.__name = "aimp.Semaphore"

-- A worker must not let go of a semaphore of which it holds permits: they would be given back.
local permits = {} -- by front of another process's semaphore

local function note_permits(self, n)
  if self._core.link then
    local left = (permits[self] or 0) + n
    permits[self] = left > 0 and left or nil
  end
end

local function acquire(self, timeout)
  self._core:acquire(LOCAL, timeout, 1)
  note_permits(self, 1)
end

--- Waits for a permit and takes it.
---
--- Raises TIMEOUT when none was free in time, CLOSED when the process that made the semaphore is gone.
---
--- Example: `slots:acquire(5)`
---@async
---@param timeout? number  seconds; default: as long as it takes
---@return true
function Semaphore:acquire(timeout)
  fronts.check_self(self, Semaphore, "semaphore", "acquire")
  fiber.waiter(1, "semaphore:acquire")
  check.arg(1, "semaphore:acquire", 1, timeout, "seconds?")
  acquire(self, timeout)
  return true
end

--- Gives permits back; the first in line go on. Of a bounded semaphore a process can give back only what it
--- acquired. In another process than the semaphore's own it waits for the answer.
---
--- Raises CLOSED when the process that made the semaphore is gone.
---
--- Example: `slots:release()`
---@async
---@param n? integer  permits; default 1
function Semaphore:release(n)
  fronts.check_self(self, Semaphore, "semaphore", "release")
  check.arg(1, "semaphore:release", 1, n, "integer?")
  n = n or 1
  if n < 1 or n > PERMITS_MAX then
    errors.raise_misuse(2, "semaphore:release: the number of permits must be 1 to 2^31, got %s", tostring(n))
  end
  local fault = self._core:release(LOCAL, n)
  fronts.refuse(fault)
  note_permits(self, -n)
end

--- How many permits are free now. In another process than its own it waits for the answer.
---
--- Raises CLOSED when the process that made the semaphore is gone.
---
--- Example: `print(slots:value())`
---@async
---@return integer permits
function Semaphore:value()
  fronts.check_self(self, Semaphore, "semaphore", "value")
  local free = self._core:value(LOCAL)
  return free
end

--- Calls fn(...) with a permit, which it gives back whatever happens.
---
--- Raises what fn raises, CLOSED when the process that made the semaphore is gone.
---
--- Example: `local ok = slots:with(function(host) return host ~= nil end, "localhost")`
---@async
---@param fn function
---@param ... any
---@return any ...  the results of fn
function Semaphore:with(fn, ...)
  fronts.check_self(self, Semaphore, "semaphore", "with")
  fiber.waiter(1, "semaphore:with")
  check.arg(1, "semaphore:with", 1, fn, "callable")
  acquire(self)
  return with.release_after(self, fn, ...)
end

function Semaphore:__tostring()
  return "aimp.Semaphore"
end

shared.define({
  name = "aimp.Semaphore",
  what = "a permit of a semaphore",
  class = Semaphore,
  methods = {
    acquire = { waits = true, undo = "release" },
    release = { ends = function(n) return n end }, value = {},
  },
})

---@class aimp.SemaphoreOptions
---@field value? integer    permits that are free at first; default 1
---@field bounded? boolean  whether permits belong to the processes that acquired them; default true

local options_schema = {
  value = { type = "integer", min = 0, max = PERMITS_MAX, default = 1 },
  bounded = { type = "boolean", default = true },
}

--- Makes a semaphore.
---
--- Raises nothing but misuse.
---
--- Example: `local slots = aimp.Semaphore({ value = 3 })`
---@param options? aimp.SemaphoreOptions
---@return aimp.Semaphore
function M.Semaphore(options)
  local checked = check.options(1, "aimp.Semaphore", options, options_schema)
  if checked.value == 0 and checked.bounded then
    errors.raise_misuse(2, "aimp.Semaphore: nobody could ever acquire a bounded semaphore with value = 0; "
      .. "one for signals is made with { value = 0, bounded = false }")
  end
  local core = setmetatable({ free = checked.value, held = checked.bounded and {} or nil,
    line = waiting.new("a permit of a semaphore") }, Core)
  return setmetatable({ _core = core }, Semaphore)
end

M.Class = Semaphore
return M
