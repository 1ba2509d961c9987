--- aimp.Lock: held by one task at a time, of any process.
---
--- Invariant: while anybody is in line, somebody holds the lock; `release` hands it over, so that nobody
--- overtakes those who wait.
-- SPDX-License-Identifier: MIT
local check = require("aimp.check")
local fiber = require("aimp.fiber")
local fronts = require("aimp.shared.fronts")
local shared = require("aimp.shared")
local waiting = require("aimp.shared.waiting")
local with = require("aimp.with")

local LOCAL = shared.LOCAL

local M = {}

-- ---- the truth ----

---@class aimp.shared.LockCore
---@field client any          whose process has it; nil: it is free
---@field who string          the task that holds it
---@field ticket integer      the holder's number for its call of acquire
local Core = {}
Core.__index = Core

local function grant(self, client, who, ticket)
  self.client, self.who, self.ticket = client, who, ticket
end

local function hand_over(self)
  local client, asker = self.line:peek()
  if client then
    grant(self, client, asker.who, asker.ticket)
    self.line:wake()
  else
    self.client, self.who, self.ticket = nil, nil, nil
  end
end

--- Says what is wrong with asking, if anything.
function Core:acquire(client, timeout, who, ticket)
  if self.client == nil then
    grant(self, client, who, ticket)
  elseif self.who == who then
    return "lock:acquire: this task holds the lock already and would wait for itself for ever"
  else
    self.line:wait(timeout, client, { who = who, ticket = ticket })
  end
end

local function fault_of_release(self, who)
  if self.client == nil then
    return "lock:release: nobody holds the lock; was it released twice?"
  elseif self.who ~= who then
    return ("lock:release: another task holds the lock (in process %s); only that one may release it")
      :format(self.who:match("^%d+"))
  end
end

--- Says what is wrong, if anything. With a ticket: for one who gave up, and may have got the lock by that
--- call of acquire, by another, or not at all.
function Core:release(_, who, ticket)
  local fault = fault_of_release(self, who)
  if not fault and (ticket == nil or ticket == self.ticket) then
    hand_over(self)
  end
  return fault
end

function Core:locked(_)
  return self.client ~= nil
end

function Core:client_gone(client)
  if self.client == client then
    hand_over(self)
  end
end

-- ---- what the user holds ----

--- A lock that one task at a time holds, of all processes that have it. Those who wait get it in the order
--- in which they came. It lives in the process that made it; sent to a worker, as an argument, in a table
--- or as a captured variable, it is the same lock there. When a worker dies, what its tasks held goes to
--- the next in line. A task that ends without releasing it keeps it: `lock:with` and `aimp.with(lock, fn)`
--- release it whatever happens.
---@class aimp.Lock
local Lock = {}
Lock.__index = Lock
Lock.__name = "aimp.Lock"

local last_ticket = 0

local function acquire(self, timeout)
  last_ticket = last_ticket + 1
  return self._core:acquire(LOCAL, timeout, shared.who(), last_ticket)
end

--- Waits until the running task has the lock. A task that has it already must not ask again.
---
--- Raises TIMEOUT when it did not get it in time, CLOSED when the process that made the lock is gone.
---
--- Example:
---     lock:acquire(5)
---     print("alone")
---     lock:release()
---@async
---@param timeout? number  seconds; default: as long as it takes
---@return true
function Lock:acquire(timeout)
  fronts.check_self(self, Lock, "lock", "acquire")
  fiber.waiter(1, "lock:acquire")
  check.arg(1, "lock:acquire", 1, timeout, "seconds?")
  local fault = acquire(self, timeout)
  fronts.refuse(fault)
  return true
end

--- Hands the lock to the next in line. Only the task that holds it may do that. In another process than the
--- lock's own it waits for the answer.
---
--- Raises CLOSED when the process that made the lock is gone.
---
--- Example: `lock:release()`
---@async
function Lock:release()
  fronts.check_self(self, Lock, "lock", "release")
  local fault = self._core:release(LOCAL, shared.who())
  fronts.refuse(fault)
end

--- Whether anybody holds it now. In another process than its own it waits for the answer.
---
--- Raises CLOSED when the process that made the lock is gone.
---
--- Example: `if lock:locked() then print("busy") end`
---@async
---@return boolean
function Lock:locked()
  fronts.check_self(self, Lock, "lock", "locked")
  local is_held = self._core:locked(LOCAL)
  return is_held
end

--- Calls fn(...) while the running task has the lock, which it releases whatever happens.
---
--- Raises what fn raises, CLOSED when the process that made the lock is gone.
---
--- Example: `local total = lock:with(function(n) return n + 1 end, 41)`
---@async
---@param fn function
---@param ... any
---@return any ...  the results of fn
function Lock:with(fn, ...)
  fronts.check_self(self, Lock, "lock", "with")
  fiber.waiter(1, "lock:with")
  check.arg(1, "lock:with", 1, fn, "callable")
  local fault = acquire(self)
  fronts.refuse(fault)
  return with.release_after(self, fn, ...)
end

--- For aimp.with, which calls this at its end.
function Lock:__aimp_with(fn)
  local fault = acquire(self)
  fronts.refuse(fault)
  return with.release_after(self, fn, self)
end

function Lock:__tostring()
  return "aimp.Lock"
end

shared.define({
  name = "aimp.Lock",
  what = "a lock",
  class = Lock,
  methods = {
    acquire = { waits = true, undo = "release" },
    release = {}, locked = {},
  },
})

--- Makes a lock, which nobody holds.
---
--- Raises nothing but misuse.
---
--- Example: `local lock = aimp.Lock()`
---@param options? {}  there are none so far
---@return aimp.Lock
function M.Lock(options)
  check.options(1, "aimp.Lock", options, {})
  return setmetatable({ _core = setmetatable({ line = waiting.new("a lock") }, Core) }, Lock)
end

M.Class = Lock
return M
