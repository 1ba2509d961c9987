--- pool:map and pool:starmap. Methods of aimp.Pool; what they give is in result.lua.
-- SPDX-License-Identifier: MIT
local check = require("aimp.check")
local errors = require("aimp.errors")
local guard = require("aimp.pool.guard")
local options_module = require("aimp.pool.options")
local result_module = require("aimp.pool.result")
local schedulers = require("aimp.pool.schedulers")

---@class aimp.Pool
local Pool = {}

local function is_callable(value)
  local meta = getmetatable(value)
  return type(value) == "function" or type(meta) == "table" and meta.__call ~= nil
end

local function source_of(level, fname, items)
  if is_callable(items) then
    return { iterator = items }
  elseif type(items) == "table" then
    local count = items.n or #items
    if check.arg(level + 1, fname, 2, count, "integer") < 0 then
      errors.raise_misuse(level + 2, "bad argument #2 to '%s' (a list whose n is %d)", fname, count)
    end
    return { list = items, count = count }
  end
  errors.raise_misuse(level + 2,
    "bad argument #2 to '%s' (expected a list or an iterator function, got a %s)", fname, type(items))
end

local function check_lists(source)
  for i = 1, source.count or 0 do
    if type(source.list[i]) ~= "table" then
      errors.raise_misuse(4, "pool:starmap: item %d is a %s; each must be a list of arguments", i,
        type(source.list[i]))
    end
  end
end

-- Gives the queue of a unit, and the scheduler's number for it.
local function queue_chooser(self, fn)
  if self.single_queue then
    return function() return 1 end
  end
  return function(items, lo, hi)
    local args = { n = hi - lo + 1 }
    for i = lo, hi do
      args[i - lo + 1] = items[i]
    end
    return self:_choose_queue(fn, args)
  end
end

local function start_map(self, fname, fn, items, opts, spread)
  check.arg(2, fname, 1, fn, "callable")
  local source = source_of(2, fname, items)
  if spread then
    check_lists(source)
  end
  local options = options_module.map(fname, opts, 2)
  options.timeout_ms = options_module.timeout_ms(options.timeout or self.options.timeout)
  options.retries = options.retries or self.options.retries
  local key, needs = self.backend.sender:prepare(fn)
  local result = result_module.new(self.backend, {
    key = key, needs = needs, spread = spread, fn_name = "an item of " .. fname,
    fn = fn, -- its definition is forgotten when it is collected
    queue = queue_chooser(self, fn),
    tickets = schedulers.tickets(not self.single_queue and self.scheduler or nil),
  }, source, options)
  self.maps[result] = true
  if options.progress then
    result:_show_progress({ description = type(options.progress) == "string" and options.progress or nil })
  end
  result:start()
  return result
end

--- Calls fn(item) for each item. Await the result for a list, or iterate over it for a stream.
---
--- Raises ENCODE when one of the items sent at once cannot be; those of later items are raised by the result.
---
--- Example:
---     for i, page in pool:map(render, names) do
---       print(names[i], #page)
---     end
---@param fn function             may wait
---@param items any[]|fun(): any  a list (may hold nils if it has n), or an iterator, which may wait
---@param opts? aimp.MapOptions
---@return aimp.PoolResult
function Pool:map(fn, items, opts)
  guard.check_open(self, 1)
  local result = start_map(self, "pool:map", fn, items, opts, false)
  return result
end

--- Calls fn(unpack(list)) for each list of arguments; else as `map`.
---
--- Raises ENCODE as `map` does.
---
--- Example: `local sums = pool:starmap(math.max, { { 1, 2 }, { 3, 4, 5 } }):await()`
---@param fn function                 may wait
---@param lists any[][]|fun(): any[]  each is a list (may hold nils if it has n)
---@param opts? aimp.MapOptions
---@return aimp.PoolResult
function Pool:starmap(fn, lists, opts)
  guard.check_open(self, 1)
  local result = start_map(self, "pool:starmap", fn, lists, opts, true)
  return result
end

return Pool
