--- aimp.progress: shows how far a loop, a map or some tasks are.
---
--- This module finds out what it was given; bars are in progress/bar.lua and progress/follow.lua, what draws
--- them in progress/display.lua. AIMP_PROGRESS=0 shows none, AIMP_PROGRESS=1 shows bars also where stderr is
--- no terminal.
-- SPDX-License-Identifier: MIT
local bars = require("aimp.progress.bar")
local check = require("aimp.check")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local gather = require("aimp.gather")
local lists = require("aimp.task.list")
local tally = require("aimp.progress.tally")
local tasks = require("aimp.task")

local M, Callable = {}, {} -- the module, and its metatable

---@class aimp.ProgressOptions
---@field description? string  stands in front
---@field total? number        items there will be; default: as many as the iterable says, if it does
---@field ascii? boolean       a bar of plain characters; default: where the locale has no UTF-8
---@field leave? boolean       the bar stays on the terminal when it has ended; default true
local schema = {
  description = { type = "string" },
  total = { type = "number", min = 0 },
  ascii = { type = "boolean" },
  leave = { type = "boolean" },
}

---@class aimp.ProgressGatherOptions : aimp.ProgressOptions
---@field return_exceptions? boolean  errors take their place among the results; default false
local gather_schema = { return_exceptions = { type = "boolean", default = false } }
for name, rule in pairs(schema) do
  gather_schema[name] = rule
end

-- ---- what it was given ----

local function is_callable(value)
  local meta = getmetatable(value)
  return type(value) == "function" or type(meta) == "table" and rawget(meta, "__call") ~= nil
end

-- Does not load pools: who has a result has loaded them.
local function is_result(value)
  local meta = type(value) == "table" and getmetatable(value)
  local class = type(meta) == "table" and rawget(meta, "__index")
  return type(class) == "table" and rawget(class, "_show_progress") ~= nil
end

-- Options where something to iterate over would be: a bar that is moved by hand.
local function is_options(value)
  return type(value) == "table" and getmetatable(value) == nil and value.n == nil and #value == 0
    and next(value) ~= nil
end

local function refuse(value)
  local what = value == nil and "nothing" or "a " .. type(value)
  if tasks.is_task(value) then
    what = "a task; put it into a list"
  end
  errors.raise_misuse(3, "bad argument #1 to 'aimp.progress' (expected a list, an iterator function, the "
    .. "result of a map, a list of tasks, or options; got %s)", what)
end

-- ---- bars ----

local function list_fault(list, count)
  if type(count) ~= "number" or count < 0 or count % 1 ~= 0 then
    return ("a list whose n is %s"):format(errors.describe(count))
  end
  for i = 1, count do
    if list[i] == nil then -- the loop would end there
      return ("item %d of %d is nil"):format(i, count)
    end
  end
end

local function bar_of_list(list, options)
  local count = list.n or #list
  local fault = list_fault(list, count)
  if fault then
    errors.raise_misuse(3, "bad argument #1 to 'aimp.progress' (%s)", fault)
  end
  options.total = options.total or count
  local i = 0
  return bars.new(options, function()
    i = i + 1
    if i <= count then
      return list[i]
    end
  end)
end

local function bar_of_tasks(list, options)
  fiber.waiter(2, "aimp.progress of a list of tasks")
  list = lists.many(2, "aimp.progress", list)
  return bars.new(options, gather.as_completed(list), tally.of(list))
end

--- Shows how far something is, on stderr. Iterate over what it gives:
---
--- - for a list without nils, a loop gets the items;
--- - for an iterator function, what that gives; without `total` there is no bar, but count, time and rate;
--- - for the result of a map, also its `:unordered()`, the same result: it is shown while it is iterated
---   over, or awaited;
--- - for a list of tasks, the tasks in the order in which they end;
--- - for options alone, a bar that is moved by hand with `bar:update()`.
---
--- A loop may be left at any time. On a terminal it is a bar, drawn at most ten times a second, below what
--- the script prints; elsewhere, and in a worker, a line every five seconds.
---
--- Raises nothing but misuse.
---
--- Example: `for name in aimp.progress({ "a", "b" }, { description = "names" }) do print(name) end`
---@param iterable table|function  or options
---@param options? aimp.ProgressOptions
---@return aimp.ProgressBar|aimp.PoolResult bar
function Callable.__call(_, iterable, options)
  if options == nil and is_options(iterable) then
    return bars.new(check.options(1, "aimp.progress", iterable, schema))
  end
  local checked = check.options(1, "aimp.progress", options, schema)
  if is_result(iterable) then
    iterable:_show_progress(checked)
    return iterable
  elseif is_callable(iterable) then
    return bars.new(checked, iterable)
  elseif type(iterable) ~= "table" or tasks.is_task(iterable) or is_options(iterable) then
    refuse(iterable)
  end
  local make = tasks.is_task(iterable[1]) and bar_of_tasks or bar_of_list
  local bar = make(iterable, checked) -- no tail call: the levels of misuse count on it
  return bar
end

--- aimp.gather with a bar that counts the tasks that have ended.
---
--- Raises the first failure, as aimp.gather does.
---
--- Example: `local pages = aimp.progress.gather(tasks, { description = "fetching" })`
---@async
---@param list aimp.Task[]
---@param options? aimp.ProgressGatherOptions
---@return any[] results  the first result of each, in the order of the list
function M.gather(list, options)
  fiber.waiter(1, "aimp.progress.gather")
  local checked = check.options(1, "aimp.progress.gather", options, gather_schema)
  local copy = lists.many(1, "aimp.progress.gather", list)
  local bar = bars.new(checked, nil, tally.of(copy))
  local ok, results = pcall(gather.gather, copy, { return_exceptions = checked.return_exceptions })
  bar:close()
  if not ok then
    error(results, 0)
  end
  return results
end

return setmetatable(M, Callable)
