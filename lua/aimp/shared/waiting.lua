--- Fibers that wait in line for a shared object, with time limits.
---
--- Used by the cores of shared objects, in the process where they live. First come, first served; who is
--- cancelled or too late leaves the line. Each waiter has a tag, for the core's use, and the client that it
--- waits for. Not here: who asks (caller.lua), requests from other processes (hub.lua).
---
--- Invariant: a fiber is in the line exactly while it is in `fiber.wait` below.
-- SPDX-License-Identifier: MIT
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local timers = require("aimp.timers")

local M = {}

---@class aimp.shared.Line
local Line = {}
Line.__index = Line

--- One who waits. It lies among the timers while it has a time limit (`_slot`).
---@class aimp.shared.Waiter
---@field fiber aimp.Fiber|false  false: somebody elsewhere, who is told by the core
---@field line aimp.shared.Line
---@field client any
---@field tag any
local Waiter = {}
Waiter.__index = Waiter

---@param what string  what is waited for: "a lock"
---@return aimp.shared.Line
function M.new(what)
  return setmetatable({ what = what, first_at = 1, last_at = 0, size = 0 }, Line)
end

-- Places are left empty by those who go early, and skipped.
local function first(line)
  while line.first_at <= line.last_at do
    local waiter = line[line.first_at]
    if waiter then
      return waiter
    end
    line[line.first_at] = nil
    line.first_at = line.first_at + 1
  end
  return nil
end

--- Takes one out of line, if it is still there.
---@param waiter aimp.shared.Waiter
function M.leave(waiter)
  local line = waiter.line
  if line[waiter.place] ~= waiter then
    return
  end
  line[waiter.place], line.size = false, line.size - 1
  if waiter._slot then
    timers.remove(waiter)
  end
  first(line)
end

local function withdraw(f)
  M.leave(f.in_line)
  f.in_line = false
end

local function too_late(line, timeout)
  return errors.new("TIMEOUT", ("waited %g s for %s"):format(timeout, line.what))
end

--- Inside the timers' callback: the time limit is over.
function Waiter:_on_time()
  fiber.throw(self.fiber, too_late(self.line, self.timeout))
end

local function join(line, f, timeout, client, tag, place)
  local waiter = setmetatable({ fiber = f, line = line, place = place, client = client, tag = tag,
    timeout = timeout, _slot = false }, Waiter)
  line[place], line.size = waiter, line.size + 1
  line.first_at, line.last_at = math.min(line.first_at, place), math.max(line.last_at, place)
  return waiter
end

--- Puts somebody at the end of the line who does not wait in this process.
---@param client any
---@param tag any
---@return aimp.shared.Waiter  for `leave`
function Line:enlist(client, tag)
  return join(self, false, nil, client, tag, self.last_at + 1)
end

--- Joins the end of the line and waits to be woken.
---
--- Raises TIMEOUT when `timeout` seconds are over, at once for 0, and whatever the fiber is cancelled with.
---@async
---@param timeout? number  seconds; nil: as long as it takes
---@param client any       for whom
---@param tag any          the core's own
---@param is_back? boolean  joins the front: it was woken, and what it was woken for was gone
---@return any a, any b    as given to wake
function Line:wait(timeout, client, tag, is_back)
  local f = fiber.waiter(2, "waiting for " .. self.what)
  if timeout and timeout <= 0 then
    fiber.raise_pending(f)
    error(too_late(self, timeout), 0)
  end
  local waiter = join(self, f, timeout, client, tag, is_back and self.first_at - 1 or self.last_at + 1)
  f.in_line = waiter
  if timeout then
    timers.add(waiter, timeout)
  end
  local a, b = fiber.wait(withdraw, self.what)
  return a, b
end

--- Lets the first in line go on; one who waits elsewhere just leaves it.
---@param a any
---@param b any
---@return boolean woken  false: nobody waited
function Line:wake(a, b)
  local waiter = first(self)
  if not waiter then
    return false
  end
  local f = waiter.fiber
  M.leave(waiter)
  if f then
    f.in_line = false
    fiber.wake(f, a, b)
  end
  return true
end

function Line:wake_all(a, b)
  while self:wake(a, b) do end -- luacheck: ignore 542
end

--- Who is first, without waking him.
---@return any client  nil: nobody waits
---@return any tag
function Line:peek()
  local waiter = first(self)
  if waiter then
    return waiter.client, waiter.tag
  end
end

--- How many from the first on have this tag, without a gap.
---@param tag any
---@param max integer  no more are counted
---@return integer
function Line:count_first(tag, max)
  local count, place = 0, self.first_at
  while count < max and place <= self.last_at do
    local waiter = self[place]
    if waiter and waiter.tag ~= tag then
      break
    end
    count, place = count + (waiter and 1 or 0), place + 1
  end
  return count
end

---@return integer
function Line:count()
  return self.size
end

return M
