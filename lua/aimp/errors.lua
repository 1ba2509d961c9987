-- SPDX-License-Identifier: MIT
--- Error objects and misuse errors.
---
--- A failure at run time is an `aimp.Error` object; misuse (a wrong argument, a call in the wrong place)
--- is a plain string with the caller's position. Nothing here waits or fails on a hostile value.
-- LuaJIT 2.1 of March 2022 miscompiles loops that it knows by name to be over pairs().
local each = pairs

local M = {}

---@alias aimp.ErrorCode
---| "REMOTE"      what a task raised, in a worker or in a task of this process; `cause` is the value
---| "WORKER_DIED" the worker ended while it ran the task
---| "TIMEOUT"     not done in time
---| "CANCELLED"   cancelled
---| "CLOSED"      the pool, queue or stream is closed
---| "ENCODE"      the value cannot be sent
---| "DECODE"      what arrived cannot be read
---| "HTTP"        the network failed an HTTP request
---| "IO"          a libuv function reported an error; `name` is "ENOENT" and so on
---| "STATE"       not possible in the present state
---| "DEADLOCK"    nothing is left that could wake the main task
---| "START"       a worker or the template could not be started

---@class aimp.Error
---@field code aimp.ErrorCode
---@field message string
---@field traceback? string  the raising side's stack, then the awaiting side's
---@field cause? any         the value that was raised
---@field pid? integer       worker's process
---@field signal? integer    that ended the worker
---@field status? integer    the worker's exit status
---@field task? any          which task
---@field item? integer       place of the map's item that failed
---@field attempts? integer   tries that aimp.retry made
---@field name? string       IO: the libuv name of the error
local Error = {}
Error.__index = Error
Error.__name = "aimp.Error"
M.Error = Error

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

---@param e any
---@param code? aimp.ErrorCode
---@return boolean
function M.is(e, code)
  return type(e) == "table" and getmetatable(e) == Error and (code == nil or rawget(e, "code") == code)
end

--- Raises misuse. Level 1 blames the function that calls this one, level 2 its caller, and so on.
---@param level integer
---@param fmt string
function M.raise_misuse(level, fmt, ...)
  error(string.format(fmt, ...), level + 1)
end

---@param code aimp.ErrorCode
---@param message string
---@param fields? table  further fields, copied
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

--- A printable text of any value; survives a `__tostring` that raises or returns no string.
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

--- Turns what was raised into an Error object; one that is one already is kept.
---@param e any
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

--- Message handler for xpcall: an Error object with the traceback of where it was raised.
---@param e any
---@return aimp.Error
function M.handler(e)
  return M.wrap(e, debug.traceback("", 2):sub(2))
end

--- The first traceback followed by the stack of who awaits it, bounded.
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
