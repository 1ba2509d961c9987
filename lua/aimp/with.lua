-- SPDX-License-Identifier: MIT
--- aimp.with: an object that is closed, or a lock that is released, whatever happens.
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
function M.keep_traceback(err)
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
    closed, err = xpcall(close, M.keep_traceback, obj)
  else
    err = (...)
  end
  if not closed then
    pcall(terminate, obj) -- the first error is the one that matters
    error(err, 0)
  end
  return ...
end

-- Misuse of release, which found no line to blame: it is that of who called `with`.
local function has_no_line(err)
  return type(err) == "string" and not err:find("^[^\n]-:%d+: ")
end

local function release(obj, ok, ...)
  if ok then
    local released, err = pcall(obj.release, obj)
    if not released then
      error(err, has_no_line(err) and 2 or 0)
    end
    return ...
  end
  pcall(obj.release, obj) -- as above
  error((...), 0)
end

--- Calls fn(...) for who has acquired obj, which is released whatever happens.
---@async
---@return any ...  the results of fn
function M.release_after(obj, fn, ...)
  return release(obj, xpcall(fn, M.keep_traceback, ...))
end

local function is_lock(obj)
  return has(obj, "acquire") and has(obj, "release")
end

--- Calls fn(obj); afterwards obj is closed and joined. When fn raises, or is cancelled, obj is terminated
--- and joined, and the error raised again. An object without `join` or `terminate` is just closed. One that
--- has no `close` but `acquire` and `release`, as a lock or a semaphore, is acquired before and released
--- after. A class for which this is not enough defines `__aimp_with(obj, fn)`, as aimp.TaskGroup does.
---
--- Raises what fn raises, else what closing, joining, acquiring or releasing raises.
---
--- Example:
---     local total = aimp.with(aimp.Pool({ processes = 2 }), function(pool)
---       return pool:apply(math.max, 1, 2):await()
---     end)
---@async
---@generic T
---@param obj T  has `close`, or `acquire` and `release`
---@param fn fun(obj: T): ...
---@return any ...  the results of fn
function M.with(obj, fn)
  fiber.waiter(1, "aimp.with")
  check.arg(1, "aimp.with", 2, fn, "callable")
  if has(obj, "__aimp_with") then
    return obj:__aimp_with(fn)
  elseif has(obj, "close") then
    return finish(obj, xpcall(fn, M.keep_traceback, obj))
  elseif is_lock(obj) then
    obj:acquire()
    return M.release_after(obj, fn, obj)
  end
  errors.raise_misuse(2,
    "bad argument #1 to 'aimp.with' (a %s that has neither close nor acquire and release)", type(obj))
end

return M
