--- The truth of a queue, in the process that made it.
---
--- Getters stand in one line: fibers of this process, and other processes, each of which wants a number of
--- items and is given them as offers (offers.lua). Putters that find the queue full stand in another; other
--- processes are granted places there (room.lua).
---
---   open ──close──► closing ──nothing left, nothing on its way──► finished
---
--- An item that another process put before it heard of the close still counts, so closing lasts until all of
--- them have heard.
-- SPDX-License-Identifier: MIT
local caller = require("aimp.shared.caller")
local errors = require("aimp.errors")
local exports = require("aimp.shared.exports")
local fiber = require("aimp.fiber")
local items_module = require("aimp.shared.queue.items")
local loop = require("aimp.loop")
local offers_module = require("aimp.shared.queue.offers")
local pollers = require("aimp.pollers")
local protocol = require("aimp.shared.queue.protocol")
local room_module = require("aimp.shared.queue.room")
local waiting = require("aimp.shared.waiting")

local LOCAL = caller.LOCAL
local freeze, thaw = items_module.freeze, items_module.thaw

local M = {}

--- Puts in a row of one who does not wait, between two looks at what other processes want.
local PUTS_A_LOOK = 64
--- What lies unclaimed in a process goes to somebody who has waited this long.
local STEAL_AFTER_S = 0.005

---@class aimp.shared.QueueCore
local Core = {}
Core.__index = Core

---@param maxsize integer  0: no bound
---@return aimp.shared.QueueCore
function M.new(maxsize)
  local self = setmetatable({
    maxsize = maxsize,
    items = items_module.new(),
    getters = waiting.new("an item of a queue"),
    putters = waiting.new("room in a queue"),
    unaware = {}, unaware_count = 0, -- clients that have not heard of the close
    is_shared = false, is_closed = false, is_finished = false,
    puts = 0,            -- since the last look
    timer = nil,
  }, Core)
  self.offers, self.room = offers_module.new(self), room_module.new(self)
  return self
end

--- The queue's number with other processes.
function Core:number()
  self.own_number = self.own_number or exports.number_of(exports.front_of(self))
  return self.own_number
end

local function closed()
  return errors.new("CLOSED", "the queue is closed")
end

-- ---- moving items ----

-- Places that neither items nor those who were granted some have.
local function free(self)
  if self.maxsize == 0 then
    return math.huge
  end
  return self.maxsize - self.items.size - self.offers:left() - self.room.taken
end

--- Takes in what putters wait with, as far as there is room.
function Core:admit()
  local putters = self.putters
  local places = putters.size > 0 and free(self) or 0
  while places > 0 and putters.size > 0 do
    local client, tag = putters:peek()
    if client == LOCAL then
      self.items:push(tag.value, tag.encoded)
      putters:wake(true)
    else
      self.room:serve(tag, places)
    end
    places = free(self)
  end
end

local function finish_if_empty(self)
  if self.is_closed and not self.is_finished and self.items.size == 0 and self.unaware_count == 0
    and self.offers:left() == 0 then
    self.is_finished = true
    self.getters:wake_all(nil, "finished")
    self.offers:tell_all(protocol.FINISHED)
  end
end

--- Gives items to those who wait for some.
function Core:match()
  local items, getters = self.items, self.getters
  while items.size > 0 do
    local client, wish = getters:peek()
    if client == nil then
      break
    elseif wish then
      self.offers:serve(wish)
    else
      local value, encoded = items:pop()
      getters:wake(value, encoded and "encoded" or "value")
    end
    self:admit()
  end
  self:admit()
  finish_if_empty(self)
end

local function is_awaited(self)
  return self.getters.size > 0 and self.offers:left() > 0
    or self.putters.size > 0 and (self.room.open > 0 or self.offers.open > 0)
end

local function steal_late(self)
  self.timer = nil
  if self.getters.size > 0 then
    self.offers:steal(true)
  end
  if self.putters.size > 0 and not self.is_closed then
    self.room:steal(true)
  end
  self:match()
  self:watch()
end

--- Somebody waits: what other processes have and do not use is taken back a little later.
function Core:watch()
  if not self.timer and is_awaited(self) then
    self.timer = loop.timer(STEAL_AFTER_S, steal_late, self)
  end
end

-- ---- putting ----

local function look(self)
  self.puts = self.puts + 1
  if self.puts >= PUTS_A_LOOK then
    self.puts = 0
    fiber.outside(pollers.poll)
  end
end

--- Adds an item that is in the form in which it is kept.
function Core:add(value, encoded)
  self.items:push(value, encoded)
  if self.getters.size > 0 then
    self:match()
  end
end

local function prepare(self, value)
  if self.is_shared then
    return freeze(value)
  end
  return value, false
end

local function has_room(self)
  if self.maxsize == 0 then
    return true
  elseif self.putters.size > 0 then
    return false
  elseif free(self) < 1 then
    self.room:steal(false)
  end
  return free(self) >= 1
end

--- Waits for room. Raises CLOSED, TIMEOUT, ENCODE.
function Core:put(_, timeout, value)
  if self.is_closed then
    error(closed(), 0)
  end
  local encoded
  value, encoded = prepare(self, value)
  if has_room(self) then
    self:add(value, encoded)
    if self.is_shared then
      look(self)
    end
    return
  end
  if timeout ~= 0 then
    self:watch_soon(self.room.open + self.offers.open)
  end
  if not self.putters:wait(timeout, LOCAL, { value = value, encoded = encoded }) then
    error(closed(), 0)
  end
  self:match()
end

---@return boolean done  false: there was no room
function Core:try_put(_, value)
  if self.is_closed then
    error(closed(), 0)
  end
  local encoded
  value, encoded = prepare(self, value)
  if not has_room(self) then
    return false
  end
  self:add(value, encoded)
  return true
end

-- ---- getting ----

local function take(self)
  local value, encoded = self.items:pop()
  self:admit()
  finish_if_empty(self)
  return thaw(value, encoded)
end

local function has_item(self)
  if self.items.size == 0 and self.getters.size == 0 then
    self.offers:steal(false)
  end
  return self.items.size > 0 and self.getters.size == 0
end

--- The caller is about to stand in line, and other processes have something.
function Core:watch_soon(open)
  if open > 0 and not self.timer then
    self.timer = loop.timer(STEAL_AFTER_S, steal_late, self)
  end
end

--- Waits for an item. Raises TIMEOUT.
---@return boolean got  false: the queue is closed and nothing is left
---@return any value
function Core:get(_, timeout)
  if has_item(self) then
    return true, take(self)
  elseif self.is_finished then
    return false
  end
  if timeout ~= 0 then
    self:watch_soon(self.offers.open)
  end
  local value, how = self.getters:wait(timeout, LOCAL)
  if how == "finished" then
    return false
  end
  return true, thaw(value, how == "encoded")
end

---@return boolean got
---@return any value
function Core:try_get()
  if not has_item(self) then
    return false
  end
  return true, take(self)
end

--- An item that came to one who does not want it any more.
function Core:unget(_, got, value)
  if got then
    self.items:push_front(value, false)
    self:match()
  end
end

-- ---- the rest ----

---@return integer  items that nobody has got
function Core:size()
  return self.items.size + self.offers:left()
end

local function tell_closed(self)
  for client in pairs(self.offers.wishes) do
    self.unaware[client], self.unaware_count = true, self.unaware_count + 1
  end
  self.offers:tell_all(protocol.CLOSED)
end

--- A client has heard of the close: what it put before is here.
function Core:aware(client)
  if self.unaware[client] then
    self.unaware[client], self.unaware_count = nil, self.unaware_count - 1
    self:match()
  end
end

--- No more items; what is there can still be got.
function Core:close()
  if self.is_closed then
    return
  end
  self.is_closed = true
  self.putters:wake_all(false)
  tell_closed(self)
  finish_if_empty(self)
end

function Core:closed()
  return self.is_closed
end

--- The queue becomes known to other processes. Raises ENCODE for what it holds and cannot be sent.
function Core:share()
  self.items:freeze()
  self.is_shared = true
end

function Core:attached(client)
  self.offers:add_client(client)
  self.room:add_client(client)
  return { is_bounded = self.maxsize > 0, closed = self.is_closed, finished = self.is_finished }
end

--- What lay unclaimed with the client goes to the others.
function Core:client_gone(client)
  if self.offers.wishes[client] then
    self.offers:remove_client(client)
    self.room:remove_client(client)
  end
  self:aware(client)
  self:match()
end

M.Core = Core
return M
