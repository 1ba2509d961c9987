--- What tasks of a queue's own process do with it: methods of its core (core.lua).
-- SPDX-License-Identifier: MIT
local caller = require("aimp.shared.caller")
local fiber = require("aimp.fiber")
local items_module = require("aimp.shared.queue.items")

local LOCAL = caller.LOCAL
local VALUE = items_module.VALUE
local freeze, thaw = items_module.freeze, items_module.thaw

--- Puts in a row of one who does not wait, between two looks at what other processes want.
local PUTS_A_LOOK = 64

---@class aimp.shared.QueueCore
local Core = {}

-- ---- putting ----

-- Other processes that have the queue want something, perhaps.
local function look(self)
  for _, wish in ipairs(self.offers.list) do
    wish.client.connection.backend:poll()
  end
end

local function prepare(self, value)
  if self.is_shared then
    return freeze(value)
  end
  return value, VALUE
end

local function has_room(self)
  if self.maxsize == 0 then
    return true
  elseif self.putters.size > 0 then
    return false
  elseif self:free() >= 1 then
    return true
  end
  return self.room.open > 0 and self.room:take_all_surplus() > 0 and self:free() >= 1
end

local function put_now(self, value, form)
  self:add(value, form)
  self.puts = self.puts + 1
  if self.puts % PUTS_A_LOOK == 0 and self.is_shared then
    fiber.outside(look, self)
  end
end

--- Waits for room. Raises CLOSED, TIMEOUT, ENCODE.
function Core:put(_, timeout, value)
  self:refuse_closed()
  local form
  value, form = prepare(self, value)
  if has_room(self) then
    return put_now(self, value, form)
  end
  self:watch_soon()
  local put = { value = value, form = form, is_frozen = self.is_shared }
  local done, err = self.putters:wait(timeout, LOCAL, put)
  if err then
    error(err, 0)
  elseif not done then
    self:refuse_closed()
  end
end

---@return boolean done  false: there was no room
function Core:try_put(_, value)
  self:refuse_closed()
  local form
  value, form = prepare(self, value)
  if not has_room(self) then
    return false
  end
  put_now(self, value, form)
  return true
end

-- ---- getting ----

local function take(self)
  local value, form = self.items:pop()
  self:admit()
  self:finish_if_empty()
  return thaw(value, form)
end

--- Waits for an item. Raises TIMEOUT, and DECODE for one that could not be read.
---@return boolean got  false: the queue is closed and nothing is left
---@return any value
function Core:get(_, timeout)
  if self:has_item(LOCAL) then
    return true, take(self)
  elseif self.is_finished then
    return false
  end
  self:watch_soon()
  local value, form = self.getters:wait(timeout, LOCAL)
  if form == "finished" then
    return false
  end
  return true, thaw(value, form)
end

---@return boolean got
---@return any value
function Core:try_get()
  if not self:has_item(LOCAL) then
    return false
  end
  return true, take(self)
end

--- An item that came to one who does not want it any more.
function Core:unget(_, got, value)
  if got then
    self.items:push_front(value, VALUE)
    self:match()
  end
end

return Core
