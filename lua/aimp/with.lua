-- SPDX-License-Identifier: MIT
--- aimp.with: an object that is closed whatever happens.
local check = require("aimp.check")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")

local M = {}

local function has(obj, name)
  local ok, method = pcall(function() return obj[name] end)
  return ok and method ~= nil
end

local function close(obj)
  obj:close()
  if has(obj, "join") then
    obj:join()
  end
end

local function terminate(obj)
  local method = has(obj, "terminate") and "terminate" or "close"
  obj[method](obj)
  if has(obj, "join") then
    obj:join()
  end
end

--- Message handler: a plain value is raised again as it is, so its stack is kept aside on the fiber.
local function keep_traceback(err)
  local traceback = debug.traceback("", 2):sub(2)
  if errors.is(err) then
    err.traceback = err.traceback or traceback
  else
    fiber.current().raised = { value = err, traceback = traceback }
  end
  return err
end

local function finish(obj, ok, ...)
  local closed, err
  if ok then
    closed, err = xpcall(close, keep_traceback, obj)
  else
    err = (...)
  end
  if not closed then
    pcall(terminate, obj) -- the first error is the one that matters
    error(err, 0)
  end
  return ...
end

--- Calls fn(obj); afterwards obj is closed and joined. When that raises, or is cancelled, obj is terminated
--- and joined, and the error raised again. An object without `join` or `terminate` is just closed.
---@async
---@generic T
---@param obj T  has `close`
---@param fn fun(obj: T): ...
---@return any ...  the results of fn
function M.with(obj, fn)
  fiber.waiter(1, "aimp.with")
  check.arg(1, "aimp.with", 2, fn, "callable")
  if not has(obj, "close") then
    errors.raise_misuse(2, "bad argument #1 to 'aimp.with' (a %s that has no close method)", type(obj))
  end
  return finish(obj, xpcall(fn, keep_traceback, obj))
end

return M
