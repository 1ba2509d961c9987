--- One call of a function that aimp.retry made: tries, and waits in between.
---
--- `run` is found by its name in every process, so only the closure around it is ever sent. It looks at the
--- clock of aimp.loop and lets the fiber sleep; chance is the wait policy's (aimp.retry).
---
---   try ──works──► its results
---    ▲ └──fails──► is another try due? ──no──► the error, with the count of tries
---    └────sleep◄── yes: on_retry
-- SPDX-License-Identifier: MIT
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local loop = require("aimp.loop")

local M = {}

--- After these another try makes no sense: the task is to end, or nothing is left that could let it go on.
local FINAL = { CANCELLED = true, DEADLOCK = true }

---@class aimp.retry.Run
local Run = {}
Run.__index = Run

-- ---- what to do about an error ----

-- A task that is being cancelled may have made something else of the error that told it so.
local function is_final(self, err)
  return FINAL[err.code] or self.fiber.cancels ~= self.cancels
end

local function is_seconds(value)
  return type(value) == "number" and value >= 0 and value < math.huge
end

local function refuse_delay(self, delay, err)
  local info = debug.getinfo(self.wait, "S")
  error(("%s:%d: this function, the option 'wait' of aimp.retry, returned %s; it must return seconds, 0 or "
    .. "more. The error to be tried again was: %s"):format(info.short_src, info.linedefined,
    errors.describe(delay), errors.describe(err.message)), 0)
end

local function delay_after(self, err)
  local wait = self.wait
  if type(wait) == "number" then
    return wait
  end
  local delay = wait(self.try, err)
  if not is_seconds(delay) then
    refuse_delay(self, delay, err)
  end
  return delay
end

local function is_too_late(self, delay)
  return self.ends_at and loop.now() + delay > self.ends_at
end

--- Seconds until the next try; nil: there is none.
local function next_delay(self, err)
  if is_final(self, err) or self.try >= self.attempts or self.retry_if and not self.retry_if(err) then
    return nil
  end
  local delay = delay_after(self, err)
  return not is_too_late(self, delay) and delay or nil
end

-- The error object may be another's as well, and may be raised again: it stays as it is.
local function raise(self, err)
  if FINAL[err.code] then
    error(err, 0)
  end
  local counted = errors.new("REMOTE", "", err)
  counted.attempts = self.try
  counted.message = ("%s (after %d %s)"):format(errors.describe(err.message), self.try,
    self.try == 1 and "try" or "tries")
  error(counted, 0)
end

-- ---- the tries ----

--- Lets others run in any case: that is where a cancellation arrives.
local function sleep(delay)
  if delay > 0 then
    loop.sleep(delay)
  else
    fiber.yield()
  end
end

--- Returns when it is time for the next try.
local function prepare_next(self, err)
  local delay = next_delay(self, err)
  if not delay then
    raise(self, err)
  end
  if self.on_retry then
    self.on_retry(err, self.try, delay)
    if is_too_late(self, delay) then -- it waited
      raise(self, err)
    end
  end
  sleep(delay)
end

local attempt

local function outcome(self, ok, ...)
  if ok then
    return ...
  end
  prepare_next(self, errors.wrap((...)))
  return attempt(self)
end

-- Tail calls: a function that is tried for ever needs no more stack than one that works.
function attempt(self)
  self.try, self.cancels = self.try + 1, self.fiber.cancels
  return outcome(self, xpcall(self.fn, errors.handler, unpack(self.args, 1, self.count)))
end

--- Calls fn(...) until it works, or another try is not due. Tail-called by what aimp.retry made.
---@async
---@param fn function
---@param attempts number       tries in all
---@param wait number|function  seconds, or the policy
---@param retry_if? function
---@param on_retry? function
---@param deadline? number      seconds
---@return any ...  of fn
function M.run(fn, attempts, wait, retry_if, on_retry, deadline, ...)
  local f = fiber.waiter(1, "a function made by aimp.retry")
  return attempt(setmetatable({
    fiber = f, fn = fn, args = { ... }, count = select("#", ...),
    attempts = attempts, wait = wait, retry_if = retry_if, on_retry = on_retry,
    ends_at = deadline and loop.now() + deadline, -- nil: never
    try = 0, cancels = 0,
  }, Run))
end

return M
