-- SPDX-License-Identifier: MIT
--- The receiving end: unpacks values, and knows what was defined.
---
--- In a worker (from_worker = false) it applies the parent's definitions, bytecode included, and loads
--- modules that are named. In the parent (from_worker = true) nothing that arrives is trusted: sizes, types
--- and numbers are checked, names mean what is already loaded, and functions and classes are the parent's
--- own that `peer` sent.
local definitions = require("aimp.codec.definitions")
local errors = require("aimp.errors")
local graph_read = require("aimp.codec.graph_read")
local named = require("aimp.codec.named")
local source = require("aimp.codec.source")
local wire = require("aimp.codec.wire")

local pcall, unpack, type = pcall, unpack, type
local PLAIN, GRAPH = wire.PLAIN, wire.GRAPH

---@class aimp.codec.Receiver
local Receiver = {}
Receiver.__index = Receiver

local M = {}

-- A Lua function returns no more.
local MAX_VALUES = 7000

---@class aimp.codec.ReceiverOptions
---@field from_worker? boolean        whether what arrives was sent by a worker
---@field peer? aimp.codec.Sender     in the parent: what sent to the workers

---@param options aimp.codec.ReceiverOptions
---@return aimp.codec.Receiver
function M.new(options)
  local from_worker = options.from_worker or false
  return setmetatable({
    from_worker = from_worker,
    peer = options.peer,
    definitions = not from_worker and definitions.new() or nil,
    take = from_worker and source.take_checked or source.take,
  }, Receiver)
end

local function fail(reason)
  if errors.is(reason, "DECODE") then
    error(reason, 0)
  end
  error(errors.new("DECODE", "cannot read what was sent: " .. errors.describe(reason)), 0)
end

-- ---- definitions ----

--- Applies a definition of the parent; a worker must not send any. A definition that fails is reported by
--- what needs it. May load modules, which may wait: call it where waiting is allowed.
---@param key integer
---@param blob string
function Receiver:define(key, blob)
  if self.from_worker then
    fail("a worker sent a definition")
  end
  self.definitions:define(key, blob)
end

---@param key integer
function Receiver:forget(key)
  if self.definitions then
    self.definitions:forget(key)
  end
end

local function check(self, key)
  local known = self.definitions
  local reason = known.failure_count > 0 and known:failure_of(key)
  if reason then
    error(reason, 0)
  end
end

local function fn_slowly(self, key)
  if not self.from_worker then
    check(self, key)
  end
  return self:func(key)
end

--- The function of a key. Raises DECODE when it, or something that it captures, could not be made here.
---@param key integer
---@return function
function Receiver:fn(key)
  local known = self.definitions
  if known and known.failure_count == 0 and known.functions[key] then
    return known.functions[key]
  end
  local ok, fn = pcall(fn_slowly, self, key)
  if not ok then
    fail(fn)
  end
  return fn
end

--- The parent's key of a function that came from there.
---@return integer?
function Receiver:key_of_function(fn)
  return self.definitions and self.definitions.key_of_function[fn]
end

--- The parent's key of a class that came from there.
---@return integer?
function Receiver:key_of_class(t)
  return self.definitions and self.definitions.key_of_class[t]
end

-- ---- refs of the graph reader ----

function Receiver:named(path)
  local value, reason = named.resolve(path, not self.from_worker)
  if value == nil then
    error(reason, 0)
  end
  return value
end

local function of_peer(self, key, kind)
  local value = self.peer and self.peer:value_of(key, kind)
  if not value then
    error("a " .. kind .. " that this process does not know any more", 0)
  end
  return value
end

function Receiver:func(key)
  if self.from_worker then
    return of_peer(self, key, "function")
  end
  check(self, key)
  local fn = self.definitions.functions[key]
  if not fn then
    error("a function that is not defined here", 0)
  end
  return fn
end

function Receiver:keyed(key)
  if self.from_worker then
    return of_peer(self, key, "table")
  end
  check(self, key)
  local t = self.definitions.tables[key]
  if not t then
    error("a class that is not defined here", 0)
  end
  return t
end

-- ---- values ----

local function read_list(self, buf, format, n)
  if format == GRAPH then
    return graph_read.read(source.new(buf, self.from_worker), self)
  elseif format ~= PLAIN then
    error("unknown format", 0)
  end
  local list = {}
  for i = 1, n do
    list[i] = self.take(buf)
  end
  return list
end

local function take_two(take, buf)
  local a = take(buf)
  return a, take(buf)
end

--- Takes n values. Raises DECODE.
---@param buf string.buffer  that holds the payload
---@param format integer
---@param n integer
---@return any ...
function Receiver:unpack(buf, format, n)
  if format == PLAIN and n == 1 then
    local ok, value = pcall(self.take, buf)
    if not ok then
      fail(value)
    end
    return value
  elseif format == PLAIN and n == 2 then
    local ok, a, b = pcall(take_two, self.take, buf)
    if not ok then
      fail(a)
    end
    return a, b
  end
  if n > MAX_VALUES then
    fail("too many values")
  end
  local ok, list = pcall(read_list, self, buf, format, n)
  if not ok then
    fail(list)
  end
  return unpack(list, 1, n)
end

local function read_items(self, buf, format)
  if format ~= PLAIN then
    return read_list(self, buf, format)
  end
  local list = self.take(buf)
  if type(list) ~= "table" then
    error("malformed data", 0)
  end
  return list
end

--- Takes a list of n items. Raises DECODE.
---@param buf string.buffer
---@param format integer
---@param n integer  how many there are; items may be nil
---@return table items  1 .. n
function Receiver:unpack_list(buf, format, n) -- luacheck: ignore n
  local ok, list = pcall(read_items, self, buf, format)
  if not ok then
    fail(list)
  end
  return list
end

return M
