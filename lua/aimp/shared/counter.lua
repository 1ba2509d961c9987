--- aimp.Counter: a number that tasks of any process add to.
-- SPDX-License-Identifier: MIT
local check = require("aimp.check")
local errors = require("aimp.errors")
local fronts = require("aimp.shared.fronts")
local shared = require("aimp.shared")

local LOCAL = shared.LOCAL

local M = {}

--- From here on not every integer is a number of Lua, and adding 1 may change nothing.
local LIMIT = 2 ^ 53

local function is_exact(number)
  return number > -LIMIT and number < LIMIT -- which NaN is not
end

-- ---- the truth ----

---@class aimp.shared.CounterCore
---@field number number
local Core = {}
Core.__index = Core

--- The new value; or nil and what is wrong, and nothing has changed.
function Core:add(_, n)
  local sum = self.number + n
  if not is_exact(sum) then
    return nil, ("counter:add: %.17g + %.17g reaches 2^53, where numbers are not exact any more")
      :format(self.number, n)
  end
  self.number = sum
  return sum
end

function Core:get(_)
  return self.number
end

function Core:set(_, number)
  self.number = number
end

-- ---- what the user holds ----

--- A number that any number of processes add to; no addition is lost. It lives in the process that made it;
--- sent to a worker, as an argument, in a table or as a captured variable, it is the same counter there.
--- Its value stays below 2^53 and above -2^53, where every integer is exact.
---@class aimp.Counter
local Counter = {}
Counter.__index = Counter
Counter.__name = "aimp.Counter"

local function check_number(fname, number)
  check.arg(2, fname, 1, number, "number")
  if not is_exact(number) then
    errors.raise_misuse(3, "bad argument #1 to '%s' (%.17g is not below 2^53, where numbers are exact)",
      fname, number)
  end
end

--- Adds to it; in another process than its own it waits for the answer.
---
--- Raises CLOSED when the process that made the counter is gone.
---
--- Example: `local seen = counter:add(1)`
---@async
---@param n? number  any number, also a negative one; default 1
---@return number value  the new one, any number
function Counter:add(n)
  fronts.check_self(self, Counter, "counter", "add")
  n = n == nil and 1 or n
  check_number("counter:add", n)
  local value, fault = self._core:add(LOCAL, n)
  fronts.refuse(fault)
  return value
end

--- Its value now; in another process than its own it waits for the answer.
---
--- Raises CLOSED when the process that made the counter is gone.
---
--- Example: `print(counter:get())`
---@async
---@return number value  any number
function Counter:get()
  fronts.check_self(self, Counter, "counter", "get")
  local value = self._core:get(LOCAL)
  return value
end

--- Sets it, whatever it was; in another process than its own it waits until that is done.
---
--- Raises CLOSED when the process that made the counter is gone.
---
--- Example: `counter:set(0)`
---@async
---@param value number  any number below 2^53 and above -2^53
function Counter:set(value)
  fronts.check_self(self, Counter, "counter", "set")
  check_number("counter:set", value)
  self._core:set(LOCAL, value)
end

function Counter:__tostring()
  return "aimp.Counter"
end

shared.define({
  name = "aimp.Counter",
  what = "a counter",
  class = Counter,
  methods = { add = {}, get = {}, set = {} },
})

local function value_fault(value)
  if type(value) ~= "number" or not is_exact(value) then
    return "must be a number between -2^53 and 2^53"
  end
end

---@class aimp.CounterOptions
---@field value? number  any number that it has at first; default 0

--- Makes a counter.
---
--- Raises nothing but misuse.
---
--- Example: `local hits = aimp.Counter({ value = 100 })`
---@param options? aimp.CounterOptions
---@return aimp.Counter
function M.Counter(options)
  local checked = check.options(1, "aimp.Counter", options, {
    value = { check = value_fault, default = 0 },
  })
  return setmetatable({ _core = setmetatable({ number = checked.value }, Core) }, Counter)
end

M.Class = Counter
return M
