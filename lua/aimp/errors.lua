-- SPDX-License-Identifier: MIT
--- Error objects and misuse errors.
---
--- A failure at run time is an `aimp.Error` object; misuse (a wrong argument, a call in the wrong place)
--- is a plain string with the caller's position. Nothing here waits or fails on a hostile value.
-- LuaJIT 2.1 of March 2022 miscompiles loops that it knows by name to be over pairs().
local each = pairs

local M = {}

--- What kind of failure an error object stands for.
---@alias aimp.ErrorCode
---| "REMOTE"      a function raised something that is no error object; `cause` is the value
---| "WORKER_DIED" the worker ended while it ran the task; `signal` or `status` says how
---| "TIMEOUT"     not done in time
---| "CANCELLED"   the task, the map or the wait was cancelled
---| "CLOSED"      the pool, the queue or the session is closed, or was while this waited for it
---| "ENCODE"      a value cannot be sent to another process; the message has the path to it
---| "DECODE"      what arrived cannot be read
---| "HTTP"        an HTTP request failed, its response did not come whole, or too late
---| "IO"          a libuv function reported an error; `name` is "ENOENT" and so on
---| "STATE"       not possible in the present state
---| "DEADLOCK"    nothing is left that could wake the main task
---| "START"       a worker, or the process that forks workers, could not be started

--- A failure at run time. It travels between processes as it is; `tostring` gives the message and the
--- traceback.
---
--- A task that raises a table of its own is known by `cause`: the same table, or from another process a
--- copy with its fields and, if its class can be named, its metatable.
---@class aimp.Error
---@field code aimp.ErrorCode  what kind of failure it is
---@field message string       one line for people
---@field traceback? string    the stack where it was raised, then those of who awaited it
---@field cause? any           the value that was raised, where it was no error object
---@field pid? integer         process id of the worker
---@field signal? integer      signal that ended the worker
---@field status? integer      exit status of the worker
---@field task? any            name of the task, where it has one
---@field item? integer        place of the map's item that failed, from 1
---@field attempts? integer    tries that aimp.retry made
---@field name? string         IO: libuv's name for the error, "ENOENT"
---@field others? aimp.Error[]  further errors of a task group: of its tasks, then of its function
local Error = {}
Error.__index = Error
Error.__name = "aimp.Error"
M.Error = Error

--- The codes that there are, each under its own name.
---@type table<aimp.ErrorCode, aimp.ErrorCode>
M.codes = {
  REMOTE = "REMOTE",
  WORKER_DIED = "WORKER_DIED",
  TIMEOUT = "TIMEOUT",
  CANCELLED = "CANCELLED",
  CLOSED = "CLOSED",
  ENCODE = "ENCODE",
  DECODE = "DECODE",
  HTTP = "HTTP",
  IO = "IO",
  STATE = "STATE",
  DEADLOCK = "DEADLOCK",
  START = "START",
}

--- A traceback of this size gets no further sections, so an error handed on for ever stays bounded.
local TRACEBACK_MAX = 16384

function Error.__tostring(self)
  local text = M.describe(rawget(self, "message"))
  local traceback = rawget(self, "traceback")
  if type(traceback) == "string" then
    return text .. "\n" .. traceback
  end
  return text
end

--- Whether a value is an error object, of that code if one is given. For use behind `pcall`, where anything
--- may have been raised.
---
--- Raises nothing.
---
--- Example:
---     local ok, err = pcall(aimp.timeout, 5, fetch, url)
---     if not ok and not errors.is(err, "TIMEOUT") then
---       error(err, 0)
---     end
---@param e any                  what was raised
---@param code? aimp.ErrorCode   default: any code
---@return boolean
function M.is(e, code)
  return type(e) == "table" and getmetatable(e) == Error and (code == nil or rawget(e, "code") == code)
end

--- Raises misuse. Level 1 blames the function that calls this one, level 2 its caller, and so on.
---@private
---@param level integer
---@param fmt string
function M.raise_misuse(level, fmt, ...)
  error(string.format(fmt, ...), level + 1)
end

--- An error object, to be raised with `error(err, 0)`.
---
--- Raises nothing but misuse.
---
--- Example: `error(errors.new("STATE", "the printer has no paper", { printer = name }), 0)`
---@param code aimp.ErrorCode  one that there is
---@param message string       one line for people
---@param fields? table        further fields, copied; those that aimp.Error names mean what it says there
---@return aimp.Error
function M.new(code, message, fields)
  if M.codes[code] == nil then
    M.raise_misuse(2, "unknown error code '%s'", M.describe(code))
  end
  local e = { code = code, message = message }
  for name, value in each(fields or {}) do
    e[name] = value
  end
  return setmetatable(e, Error)
end

local function describe_table(value)
  local meta = getmetatable(value)
  if type(meta) == "table" and rawget(meta, "__tostring") ~= nil then
    return tostring(value)
  end
  local message = rawget(value, "message")
  return type(message) == "string" and message or tostring(value)
end

--- A printable text of any value: a string as it is, the `message` of a table without `__tostring`, else what
--- `tostring` gives. Survives a `__tostring` that raises or returns no string.
---
--- Raises nothing.
---
--- Example: `io.stderr:write("failed: ", errors.describe(err), "\n")`
---@param value any
---@return string
function M.describe(value)
  if type(value) == "string" then
    return value
  end
  local ok, text = pcall(type(value) == "table" and describe_table or tostring, value)
  if ok and type(text) == "string" then
    return text
  end
  return string.format("(a %s value whose __tostring fails)", type(value))
end

--- Turns what was raised into an error object: one that is one already is kept, another value becomes the
--- `cause` of a REMOTE error.
---
--- Raises nothing.
---
--- Example: `local err = errors.wrap(raised, debug.traceback())`
---@param e any              what was raised
---@param traceback? string  used where the error has none yet
---@return aimp.Error
function M.wrap(e, traceback)
  if not M.is(e) then
    return M.new("REMOTE", M.describe(e), { cause = e, traceback = traceback })
  end
  if e.traceback == nil then
    e.traceback = traceback
  end
  return e
end

--- Message handler for xpcall: an error object with the traceback of where it was raised.
---
--- Raises nothing.
---
--- Example:
---     local ok, err = xpcall(work, errors.handler)
---     if not ok then
---       print(err.message, err.traceback)
---     end
---@param e any  what was raised
---@return aimp.Error
function M.handler(e)
  return M.wrap(e, debug.traceback("", 2):sub(2))
end

--- The first traceback followed by the stack of who awaits it, bounded.
---@private
---@param inner string?
---@param outer string
---@return string
function M.join_tracebacks(inner, outer)
  if inner == nil then
    return outer
  end
  if #inner + #outer > TRACEBACK_MAX then
    return inner
  end
  return inner .. "\nawaited by\n" .. outer
end

local function row_of(n)
  local row = {}
  for j = 0, n do
    row[j] = j
  end
  return row
end

--- Edit distance in which a swap of neighbours counts once.
local function distance(a, b)
  local before, last = {}, row_of(#b)
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before, last = last, row
  end
  return last[#b]
end

--- The known name that was probably meant, or nil when none is near.
---@private
---@param name any
---@param known string[]
---@return string?
function M.nearest(name, known)
  if type(name) ~= "string" or #name > 100 then
    return nil
  end
  local best, best_distance = nil, math.max(2, math.floor(#name / 2)) + 1
  for _, candidate in ipairs(known) do
    local d = distance(name:lower(), candidate:lower())
    if d < best_distance then
      best, best_distance = candidate, d
    end
  end
  return best
end

return M
