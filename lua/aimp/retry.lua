--- aimp.retry: makes of a function one that tries again when that fails, and says how long it waits before.
---
--- What it makes is a plain closure, so it can be sent to a pool like any function: each thing that it was
--- told is a captured variable of its own, which keeps `pool:apply` of it quick. Not here: what it does when
--- it is called (retry/run.lua).
-- SPDX-License-Identifier: MIT
local check = require("aimp.check")
local errors = require("aimp.errors")
local run = require("aimp.retry.run").run

local min = math.min

local M, Callable = {}, {} -- the module, and its metatable

local ATTEMPTS = 3
local BASE_S, MAX_S, JITTER = 0.1, 60, 0.5
local DOUBLINGS_MAX = 1000 -- 2 ^ 1024 is infinite, and infinite times 0 is no number

-- ---- wait policies ----

---@class aimp.ExponentialOptions
---@field base? number    seconds before the second try; default 0.1
---@field max? number     seconds that are never exceeded; default 60, or base if that is more
---@field jitter? number  share of the wait that is left to chance: 0 (none) to 1 (all of it); default 0.5
---@field random? fun(): number  from 0 to 1; default math.random, of the process that waits
local exponential_schema = {
  base = { type = "seconds", default = BASE_S },
  max = { type = "seconds" },
  jitter = { type = "number", min = 0, max = 1, default = JITTER },
  random = { type = "callable", default = math.random },
}

local function doubling(base, max, jitter, random)
  return function(try)
    local delay = min(max, base * 2 ^ min(try - 1, DOUBLINGS_MAX))
    return delay * (1 - jitter * random())
  end
end

--- A wait that doubles with each try, for the option `wait` of aimp.retry. A part of it is left to chance, so
--- that those which failed together do not come back together.
---
--- Raises nothing but misuse.
---
--- Example: `local wait = aimp.retry.exponential({ base = 0.5, max = 10 }) -- seconds`
---@param options? aimp.ExponentialOptions
---@return fun(try: integer): number wait  gives the seconds to wait after the try of that number
function M.exponential(options)
  local given = check.options(1, "aimp.retry.exponential", options, exponential_schema)
  if given.max and given.max < given.base then
    errors.raise_misuse(2, "aimp.retry.exponential: option 'max' (%g) must be at least 'base' (%g)",
      given.max, given.base)
  end
  return doubling(given.base, given.max or math.max(MAX_S, given.base), given.jitter, given.random)
end

-- ---- aimp.retry ----

local function attempts_fault(value)
  local is_count = type(value) == "number" and value >= 1 and (value == math.huge or value % 1 == 0)
  return not is_count and ("must be an integer of at least 1, or math.huge, got %s"):format(
    errors.describe(value)) or nil
end

local function wait_fault(value)
  local kind = type(value)
  if kind == "number" and value >= 0 and value < math.huge or kind == "function" then
    return nil
  end
  return ("must be seconds (0 or more) or a function that gives them, got %s"):format(
    kind == "number" and value or "a " .. kind)
end

---@class aimp.RetryOptions
---@field attempts? integer  tries in all; math.huge: until it works; default 3, with a deadline math.huge
---@field wait? number|fun(try: integer, err: aimp.Error): number  seconds before the next try; a function
---  gets the number of tries made and the error; default aimp.retry.exponential()
---@field retry_if? fun(err: aimp.Error): any  whether an error is worth another try; default: all are
---@field on_retry? fun(err: aimp.Error, try: integer, delay: number)  called before each wait, with the
---  number of tries made and the seconds to wait; may wait itself
---@field deadline? number   seconds from the call, beyond which it does not sleep; default none. It cuts no
---  try short that runs: aimp.timeout does
local schema = {
  attempts = { check = attempts_fault },
  wait = { check = wait_fault },
  retry_if = { type = "function" },
  on_retry = { type = "function" },
  deadline = { type = "seconds" },
}

local function retrying(fn, attempts, wait, retry_if, on_retry, deadline)
  return function(...)
    return run(fn, attempts, wait, retry_if, on_retry, deadline, ...) -- a tail call: run's levels count on it
  end
end

--- Makes a function that calls fn with its own arguments, again when that fails, and returns all its results.
--- It can be called in a task, given to aimp.spawn, and sent to a pool, where all tries are the worker's.
---
--- The options' functions get error objects: what fn raised, if it is none, is the `cause` of one with code
--- REMOTE. The last error is raised with its code, cause and traceback; `attempts` in it, and its message,
--- say how many tries there were. CANCELLED is raised at once, as a task that is being cancelled has to end,
--- and so is DEADLOCK.
---
--- Raises nothing but misuse.
---
--- Example: `local fetch = aimp.retry(http.get, { attempts = 5, wait = 0.2 }) -- seconds`
---@param fn function
---@param options? aimp.RetryOptions
---@return function retrying  waits; raises the last error of fn
function Callable.__call(_, fn, options)
  check.arg(1, "aimp.retry", 1, fn, "callable")
  local given = check.options(1, "aimp.retry", options, schema)
  local attempts = given.attempts or (given.deadline and math.huge or ATTEMPTS)
  return retrying(fn, attempts, given.wait or M.exponential(), given.retry_if, given.on_retry, given.deadline)
end

return setmetatable(M, Callable)
