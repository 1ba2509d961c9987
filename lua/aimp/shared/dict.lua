--- aimp.Dict: a dictionary that lives in the process that made it and is used from every worker that has it.
---
--- Here: what users call. It checks arguments and calls the core (dict/core.lua), or the stub that stands for
--- it in another process.
-- SPDX-License-Identifier: MIT
local arguments = require("aimp.shared.dict.arguments")
local changes = require("aimp.shared.dict.changes")
local check = require("aimp.check")
local cores = require("aimp.shared.dict.core")
local errors = require("aimp.errors")
local shared = require("aimp.shared")

local LOCAL = shared.LOCAL

local M = {}

--- A dictionary shared by processes. It lives in the process that made it, where no method waits. Sent to a
--- worker, as an argument, in a table or as a captured variable, it is the same dictionary there; each
--- method waits for the answer, so it needs a running task. What a method does nobody sees half done.
---
--- Keys are strings, numbers other than NaN, and booleans. Values are anything that can be sent, and they are
--- copies, in the process that made it too: who changes a table that was stored, or that `get` gave, does not
--- change the dictionary. Functions, classes and shared objects stay what they are.
---@class aimp.Dict
---@field package _core aimp.dict.Core
---@field package _subscriptions? table<string, aimp.DictSubscription>
local Dict = {}
Dict.__index = Dict
Dict.__name = "aimp.Dict"
M.Class = Dict

-- No tail calls in what follows: levels of misuse, the hub's too, count the methods' frames.

local function check_self(self, fname)
  arguments.self(2, self, Dict, fname)
end

local function check_entry(self, fname, key)
  arguments.self(2, self, Dict, fname)
  arguments.key(2, fname, key)
end

-- ---- making ----

local dict_options = { initial = { type = "table" }, ttl = arguments.ttl_rule }

---@class aimp.DictOptions
---@field initial? table  entries that it begins with, copied; default: none
---@field ttl? number     seconds that entries live whose making does not say; default: for good

---@class aimp.DictEntryOptions
---@field ttl? number  seconds that it lives, more than 0; math.huge: for good; default: the dictionary's

--- A shared dictionary, which lives in this process until that ends or nobody has the dictionary any more.
---
--- Raises ENCODE when a value of `initial` cannot be sent.
---
--- Example: `local cache = aimp.Dict({ ttl = 60 })`
---@param options? aimp.DictOptions
---@return aimp.Dict
function M.Dict(options)
  local checked = check.options(1, "aimp.Dict", options, dict_options)
  local initial = checked.initial or {}
  arguments.entries(1, "aimp.Dict", "option 'initial'", initial)
  local core = cores.new(checked.ttl)
  core.front = setmetatable({ _core = core }, Dict)
  core:update(LOCAL, initial)
  return core.front
end

-- ---- single entries ----

--- The value of a key, a copy.
---
--- Raises CLOSED in another process when the dictionary does not exist any more.
---
--- Example: `local port = dict:get("port", 8080)`
---@async
---@param key string|number|boolean
---@param default? any  given when the key is not there; it is not stored
---@return any value
function Dict:get(key, default)
  check_entry(self, "dict:get", key)
  local value = self._core:get(LOCAL, key)
  if value == nil then
    return default
  end
  return value
end

--- Whether the key is there.
---
--- Raises CLOSED like `get`.
---
--- Example: `if not dict:has("config") then dict:set("config", {}) end`
---@async
---@param key string|number|boolean
---@return boolean
function Dict:has(key)
  check_entry(self, "dict:has", key)
  local there = self._core:has(LOCAL, key)
  return there
end

--- Stores a value in the place of whatever was there. The entry's time to live begins anew.
---
--- Raises CLOSED like `get`, ENCODE when the value cannot be sent.
---
--- Example: `dict:set("session", { user = "ann" }, { ttl = 1800 })`
---@async
---@param key string|number|boolean
---@param value any  not nil
---@param options? aimp.DictEntryOptions
function Dict:set(key, value, options)
  check_entry(self, "dict:set", key)
  arguments.value(1, "dict:set", value)
  local ttl = arguments.ttl_option(1, "dict:set", options)
  self._core:set(LOCAL, key, value, ttl)
end

--- Stores a value if the key is not there: of several that try at once exactly one gets true.
---
--- Raises CLOSED like `get`, ENCODE when the value cannot be sent.
---
--- Example: `if dict:add("job 7", aimp.pid(), { ttl = 60 }) then print("mine") end`
---@async
---@param key string|number|boolean
---@param value any  not nil
---@param options? aimp.DictEntryOptions
---@return boolean added  false: the key was there, and nothing was changed
function Dict:add(key, value, options)
  check_entry(self, "dict:add", key)
  arguments.value(1, "dict:add", value)
  local ttl = arguments.ttl_option(1, "dict:add", options)
  local added = self._core:add(LOCAL, key, value, ttl)
  return added
end

--- Adds to a number, in one step. Sums are exact up to 2^53. An entry that was there keeps its time to live.
---
--- Raises CLOSED like `get`, STATE when there is something that is not a number.
---
--- Example: `local visits = dict:incr("visits")`
---@async
---@param key string|number|boolean
---@param by? number       any number, also a negative one; default 1
---@param initial? number  any number: what is added to when the key is not there; default 0
---@param options? aimp.DictEntryOptions  for an entry that was not there
---@return number sum  the new value, any number
function Dict:incr(key, by, initial, options)
  check_entry(self, "dict:incr", key)
  check.arg(1, "dict:incr", 2, by, "number?")
  check.arg(1, "dict:incr", 3, initial, "number?")
  local ttl = arguments.ttl_option(1, "dict:incr", options)
  local sum, kind = self._core:incr(LOCAL, key, by or 1, initial or 0, ttl)
  if not sum then
    error(errors.new("STATE", ("dict:incr: what is at key '%s' is a %s, not a number; set or delete it first")
      :format(tostring(key), kind)), 0)
  end
  return sum
end

--- Stores `new` if what is there equals `expected`: what one read, computed with and wants to write is
--- written only if nobody was quicker. An entry that was there keeps its time to live where `options` say
--- nothing.
---
--- Numbers (NaN too), strings and booleans are compared by value, FFI values by type and bytes, tables by
--- metatable and by what is in them, at any depth; functions and shared objects equal only themselves.
--- A table that is a key in a value equals no other.
---
--- Raises CLOSED like `get`, ENCODE when a value cannot be sent.
---
--- Example:
---     repeat
---       local best = dict:get("best")
---     until best and best >= score or dict:compare_and_set("best", best, score)
---@async
---@param key string|number|boolean
---@param expected any  nil: that the key is not there
---@param new any       nil: the entry is deleted
---@param options? aimp.DictEntryOptions
---@return boolean done  false: something else was there, and nothing was changed
function Dict:compare_and_set(key, expected, new, options)
  check_entry(self, "dict:compare_and_set", key)
  local ttl = arguments.ttl_option(1, "dict:compare_and_set", options)
  local done = self._core:compare_and_set(LOCAL, key, expected, new, ttl)
  return done
end

--- Removes an entry.
---
--- Raises CLOSED like `get`.
---
--- Example: `dict:delete("session")`
---@async
---@param key string|number|boolean
---@return boolean deleted  whether it was there
function Dict:delete(key)
  check_entry(self, "dict:delete", key)
  local deleted = self._core:delete(LOCAL, key)
  return deleted
end

-- ---- time ----

--- How long an entry has to live.
---
--- Raises CLOSED like `get`.
---
--- Example: `local seconds = dict:ttl("session")`
---@async
---@param key string|number|boolean
---@return number? seconds  nil: it stays for good, or the key is not there
function Dict:ttl(key)
  check_entry(self, "dict:ttl", key)
  local seconds = self._core:ttl(LOCAL, key)
  return seconds
end

--- Has an entry end some seconds from now, whatever was said before.
---
--- Raises CLOSED like `get`.
---
--- Example: `dict:expire("session", 1800)`
---@async
---@param key string|number|boolean
---@param seconds number  more than 0; math.huge: it stays for good
---@return boolean found  false: the key is not there
function Dict:expire(key, seconds)
  check_entry(self, "dict:expire", key)
  arguments.ttl_argument(1, "dict:expire", seconds)
  local found = self._core:expire(LOCAL, key, seconds)
  return found
end

-- ---- the whole ----

--- Stores all entries of a table, all in one step: `set` for each.
---
--- Raises CLOSED like `get`, ENCODE when a value cannot be sent; then nothing was stored.
---
--- Example: `dict:update({ host = "localhost", port = 8080 })`
---@async
---@param entries table
---@param options? aimp.DictEntryOptions
function Dict:update(entries, options)
  check_self(self, "dict:update")
  check.arg(1, "dict:update", 1, entries, "table")
  arguments.entries(1, "dict:update", "the entries", entries)
  local ttl = arguments.ttl_option(1, "dict:update", options)
  self._core:update(LOCAL, entries, ttl)
end

--- All keys, in no particular order.
---
--- Raises CLOSED like `get`.
---
--- Example: `for _, key in ipairs(dict:keys()) do print(key) end`
---@async
---@return (string|number|boolean)[]
function Dict:keys()
  check_self(self, "dict:keys")
  local list = self._core:keys(LOCAL)
  return list
end

--- Goes over all entries as they are at this moment, in no particular order. The loop may wait, and change
--- the dictionary.
---
--- Raises CLOSED like `get`.
---
--- Example: `for key, value in dict:items() do print(key, value) end`
---@async
---@return fun(snapshot: table, key: any): any, any
---@return table snapshot  all entries, the caller's own
function Dict:items()
  check_self(self, "dict:items")
  local snapshot = self._core:items(LOCAL)
  return next, snapshot
end

--- How many entries there are.
---
--- Raises CLOSED like `get`.
---
--- Example: `print(dict:len() .. " entries")`
---@async
---@return integer
function Dict:len()
  check_self(self, "dict:len")
  local count = self._core:len(LOCAL)
  return count
end

--- Removes all entries.
---
--- Raises CLOSED like `get`.
---
--- Example: `dict:clear()`
---@async
function Dict:clear()
  check_self(self, "dict:clear")
  self._core:clear(LOCAL)
end

-- ---- being told ----

--- Has fn called, in this process, for every change from now on: an entry that is stored, also with the value
--- that it had, deleted, or has lived its time. Changes of one key come in their order.
---
--- fn is called soon after the change, outside of any task, so it cannot wait; it may spawn a task. What it
--- raises is reported and goes no further. The subscription lasts until it is cancelled, or until this
--- process or the dictionary's ends.
---
--- Raises CLOSED like `get`.
---
--- Example: `local watch = dict:on_change(function(key, new, old) print(key, old, "→", new) end)`
---@async
---@param fn fun(key: any, new: any, old: any)  copies; new is nil when the entry is gone, old when it is new
---@return aimp.DictSubscription
function Dict:on_change(fn)
  check_self(self, "dict:on_change")
  check.arg(1, "dict:on_change", 1, fn, "callable")
  local subscription = changes.subscribe(self, fn)
  return subscription
end

--- Called by the core and the hub.
Dict._told = changes.told

function Dict:__tostring()
  return "aimp.Dict"
end

--- Entries are no fields: what looks like one would be this process's alone.
function Dict:__newindex(key)
  errors.raise_misuse(2, "an aimp.Dict is set with dict:set(%s, value), not as a table is",
    type(key) == "string" and ("%q"):format(key) or errors.describe(key))
end

shared.define({
  name = "aimp.Dict",
  class = Dict,
  methods = {
    get = {}, has = {}, set = {}, add = {}, incr = {}, compare_and_set = {}, delete = {},
    ttl = {}, expire = {}, update = {}, keys = {}, items = {}, len = {}, clear = {},
    subscribe = { undo = "unsubscribe" }, unsubscribe = { casts = true },
  },
})

return M
