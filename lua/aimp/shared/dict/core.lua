--- The truth of a dictionary, in the process that made it: entries, when they end, who is told of changes.
---
--- Used by the front (dict.lua), by the hub for other processes, and by its own timer. Every method first
--- removes what is overdue, so nobody sees an expired entry, whenever the timer comes; the timer frees what
--- nobody asks for. It does not keep the loop alive, unless somebody is told of changes.
---
--- Invariants: values[key] ~= nil for each of `count` keys; only those have deadlines; a table in `values`
--- is never changed, and nobody outside of this process's codec gets it: it is copied on the way in and out.
---
--- Not here: checks of arguments (dict.lua), calling who is told (changes.lua).
-- SPDX-License-Identifier: MIT
local deadlines = require("aimp.shared.dict.deadlines")
local equal = require("aimp.shared.dict.equal").equal
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local shared = require("aimp.shared")
local timers = require("aimp.timers")

local each = pairs -- see check.lua
local LOCAL = shared.LOCAL

local M = {}

---@class aimp.dict.Core
---@field front? aimp.Dict  the one of this process
local Core = {}
Core.__index = Core

--- What wakes a core up. It lies among the timers, which must not keep the core's memory.
---@class aimp.dict.Sleeper
local Sleeper = {}
Sleeper.__index = Sleeper

local function new_sleeper(core)
  local home = setmetatable({ core = core }, { __mode = "v" })
  return setmetatable({ home = home, is_idle = true, armed_for = false, _slot = false }, Sleeper)
end

---@param default_ttl? number  seconds; nil: entries stay
---@return aimp.dict.Core
function M.new(default_ttl)
  local core = setmetatable({
    values = {}, count = 0, deadlines = deadlines.new(), default_ttl = default_ttl or math.huge,
    subscribers = {}, -- replaced, never changed, as telling may drop some
  }, Core)
  core.sleeper = new_sleeper(core)
  return core
end

-- ---- time ----

local function lie_down(sleeper, due)
  sleeper.armed_for = due
  timers.add(sleeper, due - timers.clock())
end

local function get_up(sleeper)
  timers.remove(sleeper)
  sleeper.armed_for = false
end

-- It may be roused too early, as after most changes of the first deadline nothing need be done.
local function arm(core)
  local sleeper, due = core.sleeper, core.deadlines:first()
  if not due then
    get_up(sleeper)
  elseif not sleeper.armed_for or due < sleeper.armed_for then
    get_up(sleeper)
    lie_down(sleeper, due)
  end
end

-- Whoever is told of an expiry may be what everybody else waits for.
local function keep_loop(core, wanted)
  local sleeper = core.sleeper
  local due = sleeper.armed_for
  get_up(sleeper)
  sleeper.is_idle = not wanted
  if due then
    lie_down(sleeper, due)
  end
end

local function set_ttl(core, key, ttl)
  if ttl < math.huge then
    core.deadlines:put(key, timers.clock() + ttl)
  else
    core.deadlines:drop(key)
  end
  arm(core)
end

-- ---- changes ----

local function to(client, value)
  if client == LOCAL then
    return shared.copy(value)
  end
  return value
end

local function deliver(change)
  change.front:_told(change.id, change.key, change.new, change.old)
end

local function tell(core, subscriber, key, new, old)
  local client, id = subscriber.client, subscriber.id
  if client ~= LOCAL then
    shared.tell(client, core, id, key, new, old)
    return
  end
  fiber.soon(deliver, {
    front = core.front, id = id, key = key, new = shared.copy(new), old = shared.copy(old),
  })
end

-- A value that cannot be sent to one of them is no concern of who made the change.
local function changed(core, key, new, old)
  local list = core.subscribers
  for i = 1, #list do
    local ok, err = xpcall(tell, errors.handler, core, list[i], key, new, old)
    if not ok then
      fiber.on_error(err)
    end
  end
end

local function store(core, key, value)
  local old = core.values[key]
  if old == nil then
    core.count = core.count + 1
  end
  core.values[key] = value
  changed(core, key, value, old)
end

local function remove(core, key)
  local old = core.values[key]
  if old == nil then
    return false
  end
  core.values[key], core.count = nil, core.count - 1
  if core.deadlines.size > 0 then
    core.deadlines:drop(key)
    arm(core)
  end
  changed(core, key, nil, old)
  return true
end

local function remove_overdue(core)
  local now = timers.clock()
  local due, key = core.deadlines:first()
  while due and due <= now do
    remove(core, key)
    due, key = core.deadlines:first()
  end
end

--- The entries by key, without those that are overdue.
local function current(core)
  if core.deadlines.size > 0 then
    remove_overdue(core)
  end
  return core.values
end

local function wake(core)
  remove_overdue(core)
  arm(core)
end

--- Inside the timers' callback, where no user code may run: values may have an __aimp_send.
function Sleeper:_on_time()
  self.armed_for = false
  local core = self.home.core
  if core then
    fiber.soon(wake, core)
  end
end

-- ---- methods: what they mean stands at the front's ----

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
  local copy = {}
  for key, value in each(current(self)) do
    copy[key] = to(client, value)
  end
  return copy
end

local function put(core, key, value, ttl)
  store(core, key, value)
  set_ttl(core, key, ttl or core.default_ttl)
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

function Core:update(client, entries, ttl)
  local copies = {}
  for key, value in each(entries) do
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
  if value == nil then
    put(self, key, initial + by, ttl)
  elseif type(value) ~= "number" then
    return nil, type(value)
  else
    store(self, key, value + by)
  end
  return self.values[key]
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

-- ---- subscriptions ----

local function keep_subscribers(core, is_kept)
  local list = {}
  for _, subscriber in ipairs(core.subscribers) do
    if is_kept(subscriber) then
      list[#list + 1] = subscriber
    end
  end
  core.subscribers = list
  if #list == 0 then
    keep_loop(core, false)
  end
end

--- Has the client told of changes from now on; `id` is the client's own.
function Core:subscribe(client, id)
  current(self)
  self.subscribers = { unpack(self.subscribers) }
  table.insert(self.subscribers, { client = client, id = id })
  keep_loop(self, true)
end

function Core:unsubscribe(client, id)
  keep_subscribers(self, function(other)
    return other.client ~= client or other.id ~= id
  end)
end

function Core:client_gone(client)
  keep_subscribers(self, function(other)
    return other.client ~= client
  end)
end

return M
