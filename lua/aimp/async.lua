-- SPDX-License-Identifier: MIT
--- aimp.await: waits for a function that takes a callback as its last argument, as luv's do.
local check = require("aimp.check")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local uv = require("aimp.uv")

local M = {}

local function close_file(fd)
  uv.fs_close(fd)
end

--- What to do with results that arrive when nobody waits for them any more.
local discard = {
  [uv.fs_open] = close_file,
  [uv.fs_mkstemp] = close_file,
  [uv.fs_opendir] = function(dir) uv.fs_closedir(dir) end,
}

---@class aimp.AwaitedCall
---@field n? integer  how many values the callback got; nil before
local Call = {}
Call.__index = Call

--- The callback. It runs inside luv, so it must not raise.
function Call:_called(...)
  if self.n then
    return -- a second call has nobody to tell
  end
  self.n, self.values = select("#", ...), { ... }
  local f = self.fiber
  if f then
    self.fiber = false
    fiber.wake(f)
  elseif self.abandoned and self.values[1] == nil and discard[self.fn] then
    pcall(discard[self.fn], self.values[2])
  end
end

local function withdraw(f)
  local call = f.awaited_call
  f.awaited_call, call.fiber, call.abandoned = nil, false, true
  if type(call.request) == "userdata" then
    pcall(uv.cancel, call.request) -- raises for what is no request; one under way cannot be cancelled
  end
end

local function io_error(message, level)
  local name = message:match("^(%u[%u%d_]*):")
  return errors.new("IO", message, { name = name, traceback = debug.traceback("", level + 1):sub(2) })
end

local function checked(ok, ...)
  if not ok then
    errors.raise_misuse(4, "aimp.await: %s", (errors.describe((...)):gsub(" to '%?'", "")))
  end
  return ...
end

--- Calls; a C function's complaint about its arguments gets the position of who called aimp.await.
local function invoke(fn, ...)
  if type(fn) == "function" and debug.getinfo(fn, "S").what == "C" then
    return checked(pcall(fn, ...))
  end
  return fn(...)
end

local function start(call, ...)
  local n, args = select("#", ...), { ... }
  args[n + 1] = function(...)
    call:_called(...)
  end
  local request, message = invoke(call.fn, unpack(args, 1, n + 1))
  if request == nil and type(message) == "string" and not call.n then
    error(io_error(message, 3), 0)
  end
  call.request = request
end

local function outcome(call)
  local first = call.values[1]
  if type(first) == "string" then
    error(io_error(first, 2), 0)
  elseif errors.is(first) then
    error(first, 0)
  elseif first == nil and call.n > 0 then
    return unpack(call.values, 2, call.n)
  end
  return unpack(call.values, 1, call.n)
end

--- Calls fn(..., callback) and waits for the callback, as for luv's functions. A first callback value of
--- nil is left out of the results; one that is an error (a string or an error object) is raised. When the
--- wait is cancelled the request is, too, where libuv can; a result that comes all the same is dropped, and
--- a file that was opened is closed.
---
--- Raises IO for an error that libuv reports, an error object that the callback got, and what fn raises.
---
--- Example:
---     local uv = require("luv")
---     local fd = aimp.await(uv.fs_open, path, "r", 0)
---     local text = aimp.await(uv.fs_read, fd, 4096, 0)
---     aimp.await(uv.fs_close, fd)
---@async
---@param fn function  takes a callback as its last argument, and calls it once
---@param ... any      its other arguments
---@return any ...     what the callback got, without a first nil
function M.await(fn, ...)
  local f = fiber.waiter(1, "aimp.await")
  check.arg(1, "aimp.await", 1, fn, "callable")
  local call = setmetatable({ fn = fn, fiber = false, abandoned = false }, Call)
  start(call, ...)
  if not call.n then
    call.fiber, f.awaited_call = f, call
    fiber.wait(withdraw, "a callback")
    f.awaited_call = nil
  end
  return outcome(call) -- a tail call, which outcome's level counts on
end

--- Makes a function that waits of one that takes a callback as its last argument: calling it is `aimp.await`
--- of that function. What it may raise is what `aimp.await` says.
---
--- Raises nothing but misuse.
---
--- Example:
---     local stat = aimp.to_await(uv.fs_stat)
---     print(stat("README.md").size)
---@param fn function
---@return fun(...): ...  waits
function M.to_await(fn)
  check.arg(1, "aimp.to_await", 1, fn, "callable")
  return function(...)
    return M.await(fn, ...) -- a tail call: misuse is at the line of who calls this
  end
end

return M
