--- The truth of a dictionary, in the process that made it: what its clients may ask for.
---
--- Used by the front (dict.lua), and by the hub for other processes. What the methods mean stands at the
--- front's. Values are copied on their way from and to this process's script; those of other processes are
--- copies by their nature.
-- SPDX-License-Identifier: MIT
local entries = require("aimp.shared.dict.entries")
local equal = require("aimp.shared.dict.equal").equal
local shared = require("aimp.shared")
local timers = require("aimp.timers")

local each = pairs -- LuaJIT 2.1 of March 2022 miscompiles loops that it knows by name to be over pairs()
local current, store, remove, set_ttl = entries.current, entries.store, entries.remove, entries.set_ttl
local LOCAL = shared.LOCAL

local M = {}

---@class aimp.dict.Core: aimp.dict.Entries
local Core = {}
Core.__index = Core

---@param default_ttl? number  seconds; nil: entries stay
---@return aimp.dict.Core
function M.new(default_ttl)
  return setmetatable(entries.new(default_ttl), Core)
end

local function to(client, value)
  if client == LOCAL then
    return shared.copy(value)
  end
  return value
end

function Core:get(client, key)
  return to(client, current(self)[key])
end

function Core:has(_, key)
  return current(self)[key] ~= nil
end

function Core:len()
  current(self)
  return self.count
end

function Core:keys()
  local list = {}
  for key in each(current(self)) do
    list[#list + 1] = key
  end
  return list
end

function Core:items(client)
  local snapshot = {}
  for key, value in each(current(self)) do
    snapshot[key] = value
  end
  for key, value in each(snapshot) do -- a class's __aimp_send may change the dictionary meanwhile
    snapshot[key] = to(client, value)
  end
  return snapshot
end

local function put(core, key, value, ttl)
  store(core, key, value, ttl or core.default_ttl)
end

function Core:set(client, key, value, ttl)
  value = to(client, value)
  current(self)
  put(self, key, value, ttl)
end

function Core:add(client, key, value, ttl)
  value = to(client, value)
  if current(self)[key] ~= nil then
    return false
  end
  put(self, key, value, ttl)
  return true
end

function Core:update(client, given, ttl)
  local copies = {}
  for key, value in each(given) do
    copies[key] = to(client, value)
  end
  current(self)
  for key, value in each(copies) do
    put(self, key, value, ttl)
  end
end

--- The new value; or nil and what is there instead of a number.
function Core:incr(_, key, by, initial, ttl)
  local value = current(self)[key]
  if value ~= nil and type(value) ~= "number" then
    return nil, type(value)
  end
  local sum = (value or initial) + by
  if value then
    store(self, key, sum)
  else
    put(self, key, sum, ttl)
  end
  return sum
end

local function replace(core, key, old, new, ttl)
  if new == nil then
    remove(core, key)
  elseif old == nil or ttl then
    put(core, key, new, ttl)
  else
    store(core, key, new)
  end
end

function Core:compare_and_set(client, key, expected, new, ttl)
  new = to(client, new)
  local old = current(self)[key]
  if not equal(old, expected) then
    return false
  end
  replace(self, key, old, new, ttl)
  return true
end

function Core:delete(_, key)
  current(self)
  return remove(self, key)
end

function Core:clear()
  for _, key in ipairs(self:keys()) do
    remove(self, key)
  end
end

function Core:ttl(_, key)
  current(self)
  local due = self.deadlines:of(key)
  return due and due - timers.clock()
end

function Core:expire(_, key, ttl)
  if current(self)[key] == nil then
    return false
  end
  set_ttl(self, key, ttl)
  return true
end

function Core:subscribe(client, id)
  current(self) -- what is overdue by now is not told
  entries.subscribe(self, client, id)
end

function Core:unsubscribe(client, id)
  entries.unsubscribe(self, client, id)
end

--- Called by the hub when a process is dead or has let go of the dictionary.
function Core:client_gone(client)
  entries.unsubscribe_all(self, client)
end

return M
