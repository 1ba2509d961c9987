-- SPDX-License-Identifier: MIT
--- A `require` whose modules may wait while they load.
---
--- The same meaning and messages as LuaJIT's own, which is a C function and cannot be waited in. While one
--- task loads a module, another that requires it waits for the first instead of being told of a loop; tasks
--- that would wait for each other in a circle are.
local M = {}

local loaded = debug.getregistry()._LOADED
local package = package

---@class aimp.cli.Loading
---@field owner any            task (or coroutine, or "main") that loads
---@field waiters aimp.Fiber[]
---@field failed boolean

-- Stands in package.loaded while a module loads, and after it failed.
local sentinel = newproxy(false)
local loading = {} ---@type table<string, aimp.cli.Loading>
local waits_for = setmetatable({}, { __mode = "k" }) ---@type table<any, aimp.cli.Loading>

--- The fiber that runs, also within a coroutine of its own. None before there are any.
local function current_fiber()
  local fiber = loaded["aimp.fiber"]
  return type(fiber) == "table" and fiber.current() or nil
end

local function self_of()
  return current_fiber() or coroutine.running() or "main"
end

--- Whether waiting for `entry` would wait for `me`.
local function is_circle(entry, me)
  while entry do
    if entry.owner == me then
      return true
    end
    entry = waits_for[entry.owner]
  end
  return false
end

local function withdraw(f)
  local entry = waits_for[f]
  waits_for[f] = nil
  for i, waiter in ipairs(entry.waiters) do
    if waiter == f then
      table.remove(entry.waiters, i)
      return
    end
  end
end

---@async
local function wait_for(entry)
  local fiber = require("aimp.fiber")
  local f = fiber.waiter(4, "require (of a module that another task is loading)")
  table.insert(entry.waiters, f)
  waits_for[f] = entry
  fiber.wait(withdraw, "require")
end

local function wake_waiters(entry)
  for _, f in ipairs(entry.waiters) do
    waits_for[f] = nil
    loaded["aimp.fiber"].wake(f)
  end
end

--- The module is being loaded, or its loading failed.
local function join(name)
  local entry = loading[name]
  if entry == nil or is_circle(entry, self_of()) then
    error(("loop or previous error loading module '%s'"):format(name), 3)
  end
  wait_for(entry)
  if entry.failed then
    error(("error loading module '%s' in another task"):format(name), 3)
  end
  return loaded[name]
end

--- Stock loaders blame their caller by position; called by pcall, like by a C function, they do not.
local function call_loader(loader, name)
  local ok, result = pcall(loader, name)
  if not ok then
    error(result, 0)
  end
  return result
end

local function find(name)
  local loaders = package.loaders
  if type(loaders) ~= "table" then
    error("'package.loaders' must be a table", 4)
  end
  local tried = {}
  for i = 1, math.huge do
    local loader = rawget(loaders, i)
    if loader == nil then
      error(("module '%s' not found:%s"):format(name, table.concat(tried)), 4)
    end
    local found = call_loader(loader, name)
    if type(found) == "function" then
      return found
    elseif type(found) == "string" or type(found) == "number" then
      tried[#tried + 1] = found
    end
  end
end

--- Message handler. The error is raised anew for who required the module; the task remembers its origin.
local function remember_origin(err)
  local f = current_fiber()
  if f and not (f.raised and rawequal(f.raised.value, err)) then
    f.raised = { value = err, traceback = debug.traceback("", 2):sub(2) }
  end
  return err
end

local function finish(name, entry, ok)
  loading[name] = nil
  entry.failed = not ok
  wake_waiters(entry)
end

local function load_module(name)
  local body = find(name)
  local entry = { owner = self_of(), waiters = {}, failed = false }
  loaded[name], loading[name] = sentinel, entry
  local ok, value = xpcall(body, remember_origin, name)
  if not ok then
    finish(name, entry, false)
    error(value, 0)
  end
  if value ~= nil then
    loaded[name] = value
  elseif loaded[name] == sentinel then
    loaded[name] = true
  end
  finish(name, entry, true)
  return loaded[name]
end

---@async
---@param name string
---@return any module
function M.require(name)
  if type(name) == "number" then
    name = tostring(name)
  elseif type(name) ~= "string" then
    error(("bad argument #1 to 'require' (string expected, got %s)"):format(
      name == nil and "no value" or type(name)), 2)
  end
  local value = loaded[name]
  if not value then
    return (load_module(name))
  elseif value == sentinel then
    return (join(name))
  end
  return value
end

--- Makes it the global `require`. Before scripts run.
function M.install()
  _G.require = M.require
end

return M
