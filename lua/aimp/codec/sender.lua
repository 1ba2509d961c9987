-- SPDX-License-Identifier: MIT
--- The sending end: packs values, and defines the functions, classes and variables that they need.
---
--- In the parent a definition goes through `define` into a log that every worker reads in order, each as
--- far as its next call needs; `pack` and `prepare` tell how far that is. A worker's sender defines
--- nothing.
---
--- `forget(key)` says that no later call will use the key. Calls that were packed before may still be
--- on their way, so the log keeps the definition until those are done.
local buffer = require("string.buffer")
local captures_module = require("aimp.codec.captures")
local forgetting = require("aimp.codec.forgetting")
local functions = require("aimp.codec.functions")
local graph_write = require("aimp.codec.graph_write")
local path = require("aimp.codec.path")
local plain = require("aimp.codec.plain")
local refusal = require("aimp.codec.refusal")
local transaction = require("aimp.codec.transaction")
local unchanged = require("aimp.codec.unchanged")
local wire = require("aimp.codec.wire")
local worker_refs = require("aimp.codec.worker_refs")

local type, pcall = type, pcall
local is_scalar, is_plain_table = plain.is_scalar, plain.is_plain_table
local PLAIN, GRAPH = wire.PLAIN, wire.GRAPH

---@class aimp.codec.Sender
---@field what string  what the values are called in messages: "argument" or "result"
local Sender = {}
Sender.__index = Sender

local M = {}

---@class aimp.codec.SenderOptions
---@field define? fun(key: integer, blob: string): integer  appends to the log; position, 0: no memory
---@field forget? fun(key: integer)   a definition that no later call needs
---@field from_worker? boolean
---@field peer? aimp.codec.Receiver   in a worker: what receives from the parent
---@field what? string
---@field route? any                 second argument of __aimp_send: which way the objects go

---@param options aimp.codec.SenderOptions
---@return aimp.codec.Sender
function M.new(options)
  local self = setmetatable({
    from_worker = options.from_worker or false,
    peer = options.peer,
    what = options.what or (options.from_worker and "result" or "argument"),
    route = options.route,
    captures = captures_module.new({ define = options.define, forget = options.forget }),
  }, Sender)
  self.key_of, self.records = self.captures.key_of, self.captures.records
  return self
end

local function begin(self)
  local refs = self.from_worker and worker_refs.new(self.peer) or transaction.new(self.captures)
  refs.route = self.route
  return refs
end

-- Raises what went wrong: a refusal as an ENCODE error with the way to the value.
local function fail(err, refs, roots)
  if refusal.is(err) then
    err = path.error_for(err, roots, refs.sent)
  end
  error(err, 0)
end

-- ---- functions ----

local function prepare(refs, captures, fn)
  local record = refs:touch(functions.record(captures, fn))
  return record.key, refs:finish()
end

local function prepare_slowly(self, fn)
  local refs = begin(self)
  local ok, key, needs = pcall(prepare, refs, self.captures, fn)
  if not ok then
    fail(key, refs, { { value = fn } })
  end
  return key, needs
end

--- Makes sure that the function and all that it captures, as it is now, are defined.
--- Hot: nothing but table look-ups when the function is known and has only scalar and named variables.
---@param fn function
---@return integer key
---@return integer needs  log position that a call of it needs
function Sender:prepare(fn)
  local key = self.key_of[fn]
  if key then
    local record = self.records[key]
    local needs = record.needs
    if needs and not record.is_static then
      needs = unchanged.needs(self.captures, record)
    end
    if needs then
      return key, needs
    end
  end
  return prepare_slowly(self, fn)
end

-- ---- values ----

local function write_graph(buf, list, refs)
  graph_write.write(buf, list, refs)
  return refs:finish()
end

-- Writes straight to a buffer that is empty, as it can be emptied again.
local function pack_graph(self, buf, list, first, last, label)
  local refs = begin(self)
  local out = #buf == 0 and buf or buffer.new()
  local ok, needs = pcall(write_graph, out, list, refs)
  if ok and out ~= buf then
    buf:put(out)
  elseif not ok then
    out:reset()
    local roots = {}
    for i = first, last do
      roots[#roots + 1] = { value = list[i - first + 1], label = label .. " " .. i }
    end
    fail(needs, refs, roots)
  end
  return GRAPH, needs
end

local function is_plain(value)
  return is_scalar(value) or type(value) == "table" and is_plain_table(value)
end

local function pack_many(self, buf, n, ...)
  local list, all_plain = { ... }, true
  for i = 1, n do
    all_plain = all_plain and is_scalar(list[i])
  end
  if not all_plain and not is_plain_table(list) then
    return pack_graph(self, buf, list, 1, n, self.what)
  end
  for i = 1, n do
    buf:encode(list[i])
  end
  return PLAIN, 0
end

--- Appends n values to the buffer. A refusal leaves the buffer as it was.
---@param buf string.buffer
---@param n integer
---@return integer format
---@return integer needs  log position that reading it needs
function Sender:pack(buf, n, a, ...)
  if n == 1 then
    if is_plain(a) then
      buf:encode(a)
      return PLAIN, 0
    end
    return pack_graph(self, buf, { a }, 1, 1, self.what)
  elseif n == 2 then
    local b = ...
    if is_scalar(a) and is_scalar(b) then
      buf:encode(a):encode(b)
      return PLAIN, 0
    end
  elseif n == 3 then
    local b, c = ...
    if is_scalar(a) and is_scalar(b) and is_scalar(c) then
      buf:encode(a):encode(b):encode(c)
      return PLAIN, 0
    end
  elseif n == 0 then
    return PLAIN, 0
  end
  return pack_many(self, buf, n, a, ...)
end

local function slice(list, lo, hi)
  local part = {}
  for i = lo, hi do
    part[i - lo + 1] = list[i]
  end
  return part
end

--- Appends items lo .. hi of a list, which may hold nils, as one payload.
---@param buf string.buffer
---@param list table
---@param lo integer
---@param hi integer
---@return integer format
---@return integer needs
function Sender:pack_list(buf, list, lo, hi)
  local part = slice(list, lo, hi)
  if is_plain_table(part) then
    buf:encode(part)
    return PLAIN, 0
  end
  return pack_graph(self, buf, part, lo, hi, "item")
end

--- Forgets what belongs to functions and tables that were collected. Done now and then anyway.
function Sender:sweep()
  forgetting.sweep(self.captures)
end

-- ---- what comes back ----

--- The function or table that a worker names by its key; nil: not one that was sent, or collected.
---@param key integer
---@param kind "function"|"table"
---@return function|table|nil
function Sender:value_of(key, kind)
  local value = self.captures.live[key]
  return type(value) == kind and value or nil
end

return M
