--- What a dictionary holds, when it ends, and who is told of changes: the state that core.lua works on.
---
--- `current` removes what is overdue, so nobody sees an expired entry, whenever the timer comes; the timer
--- frees what nobody asks for. It keeps no loop alive, unless somebody is told of changes.
---
--- Invariants: values[key] ~= nil for each of `count` keys; only those have deadlines; a table in `values` is
--- never changed; the sleeper lies among the timers exactly while there are deadlines, or is about to wake.
---
--- Not here: what clients may ask for (core.lua), calling who is told (changes.lua).
-- SPDX-License-Identifier: MIT
local deadlines = require("aimp.shared.dict.deadlines")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local shared = require("aimp.shared")
local timers = require("aimp.timers")

local LOCAL = shared.LOCAL

local M = {}

---@class aimp.dict.Entries
---@field values table
---@field count integer
---@field deadlines aimp.dict.Deadlines
---@field default_ttl number  seconds; math.huge: for good
---@field subscribers { client: any, id: string }[]  replaced, never changed, as telling may drop some
---@field sleeper aimp.dict.Sleeper
---@field guard userdata
---@field front? aimp.Dict    the one of this process

--- What wakes a core up. It lies among the timers, which must not keep the core's memory.
---@class aimp.dict.Sleeper
local Sleeper = {}
Sleeper.__index = Sleeper

local function new_sleeper(core)
  local home = setmetatable({ core = core }, { __mode = "v" })
  return setmetatable({ home = home, is_idle = true, armed_for = false, _slot = false }, Sleeper)
end

-- Collected together with the core.
local function new_guard(sleeper)
  local guard = newproxy(true)
  getmetatable(guard).__gc = function()
    timers.abandon(sleeper)
  end
  return guard
end

---@param default_ttl? number  seconds; nil: entries stay
---@return aimp.dict.Entries
function M.new(default_ttl)
  local core = {
    values = {}, count = 0, deadlines = deadlines.new(), default_ttl = default_ttl or math.huge,
    subscribers = {},
  }
  core.sleeper = new_sleeper(core)
  core.guard = new_guard(core.sleeper)
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

-- Where the first deadline went, or became a later one, it is roused too early and looks again. That is less
-- than moving it with every change.
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

--- Has an entry end; the caller knows that it is there.
---@param ttl number  seconds; math.huge: never
function M.set_ttl(core, key, ttl)
  if ttl < math.huge then
    core.deadlines:put(key, timers.clock() + ttl)
    arm(core)
  elseif core.deadlines.size > 0 then
    core.deadlines:drop(key)
    arm(core)
  end
end

-- ---- changes ----

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

--- Stores a value. All is done before anybody is told, as an __aimp_send may call the dictionary.
---@param ttl? number  as for set_ttl; nil: as it was
function M.store(core, key, value, ttl)
  local old = core.values[key]
  if old == nil then
    core.count = core.count + 1
  end
  core.values[key] = value
  if ttl then
    M.set_ttl(core, key, ttl)
  end
  changed(core, key, value, old)
end

local function take_out(core, key, old)
  core.values[key], core.count = nil, core.count - 1
  core.deadlines:drop(key)
  changed(core, key, nil, old)
end

---@return boolean removed  false: it was not there
function M.remove(core, key)
  local old = core.values[key]
  if old == nil then
    return false
  end
  take_out(core, key, old)
  arm(core)
  return true
end

local function remove_overdue(core)
  local now = timers.clock()
  local due, key = core.deadlines:first()
  if not due or due > now then
    return
  end
  repeat
    take_out(core, key, core.values[key])
    due, key = core.deadlines:first()
  until not due or due > now
  arm(core)
end

--- The entries by key, without those that are overdue.
---@return table values
function M.current(core)
  if core.deadlines.size > 0 then -- the clock is asked only if need be
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

-- ---- who is told ----

local function keep_subscribers(core, is_kept, more)
  local list = {}
  for _, subscriber in ipairs(core.subscribers) do
    if is_kept(subscriber) then
      list[#list + 1] = subscriber
    end
  end
  list[#list + 1] = more
  core.subscribers = list
  keep_loop(core, #list > 0)
end

local function everyone()
  return true
end

--- Has a client told of changes from now on; `id` is the client's own.
function M.subscribe(core, client, id)
  keep_subscribers(core, everyone, { client = client, id = id })
end

function M.unsubscribe(core, client, id)
  keep_subscribers(core, function(other)
    return other.client ~= client or other.id ~= id
  end)
end

function M.unsubscribe_all(core, client)
  keep_subscribers(core, function(other)
    return other.client ~= client
  end)
end

return M
