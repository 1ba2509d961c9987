--- The truth of a queue, in the process that made it.
---
--- Getters stand in one line: fibers of this process, and other processes, each of which wants a number of
--- items and is given them as offers (offers.lua). Putters that find the queue full stand in another; other
--- processes are granted places there (room.lua).
---
--- What tasks of this process do is in own.lua.
---
---   open ──close──► closing ──nothing left, nothing on its way──► finished
---
--- Other processes put without asking, so at the close something may be on its way; how that ends stands in
--- room.lua and permits.lua.
-- SPDX-License-Identifier: MIT
local caller = require("aimp.shared.caller")
local errors = require("aimp.errors")
local exports = require("aimp.shared.exports")
local items_module = require("aimp.shared.queue.items")
local loop = require("aimp.loop")
local offers_module = require("aimp.shared.queue.offers")
local permits = require("aimp.shared.queue.permits")
local protocol = require("aimp.shared.queue.protocol")
local room_module = require("aimp.shared.queue.room")
local waiting = require("aimp.shared.waiting")
local wishes = require("aimp.shared.queue.wishes")

local LOCAL = caller.LOCAL
local freeze = items_module.freeze

local M = {}

---@class aimp.shared.QueueCore
local Core = {}
Core.__index = Core
for name, method in pairs(require("aimp.shared.queue.own")) do
  Core[name] = method
end

---@param maxsize integer  0: no bound
---@return aimp.shared.QueueCore
function M.new(maxsize)
  local self = setmetatable({
    maxsize = maxsize,
    items = items_module.new(),
    getters = waiting.new("an item of a queue"),
    putters = waiting.new("room in a queue"),
    unsettled = {}, unsettled_count = 0, -- clients whose puts from before the close are on their way
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

--- Raises CLOSED.
function Core:refuse_closed()
  if self.is_closed then
    error(errors.new("CLOSED", "the queue is closed"), 0)
  end
end

-- ---- moving items ----

--- Places that neither items nor those who were granted some have.
---@return integer
function Core:free()
  if self.maxsize == 0 then
    return math.huge
  end
  return self.maxsize - self.items.size - self.offers:left() - self.room.taken
end

-- What a putter of this process waits with was perhaps put before the queue was shared.
local function admit_local(self, put)
  if self.is_shared and not put.is_frozen then
    local ok, value, form = pcall(freeze, put.value)
    if not ok then
      return self.putters:wake(false, value)
    end
    put.value, put.form = value, form
  end
  self.items:push(put.value, put.form)
  self.putters:wake(true)
end

--- Takes in what putters wait with, as far as there is room.
function Core:admit()
  local putters = self.putters
  while putters.size > 0 and not self.is_closed do
    local places = self:free()
    if places < 1 then
      return
    end
    local client, tag = putters:peek()
    if client == LOCAL then
      admit_local(self, tag)
    else
      self.room:serve(tag, places)
    end
  end
end

--- After the close, when the last item may have gone.
function Core:finish_if_empty()
  if self.is_closed and not self.is_finished and self.items.size == 0 and self.unsettled_count == 0
    and self.room.taken == 0 and self.offers:left() == 0 then
    self.is_finished = true
    self.getters:wake_all(nil, "finished")
    self.offers:tell_all(protocol.FINISHED)
  end
end

--- Gives items to those who wait for some.
function Core:match()
  local items, getters, offers = self.items, self.getters, self.offers
  self:admit()
  while getters.size > 0 do
    local client, wish = getters:peek()
    offers:recall(wish and not wish:has_others() and client or nil)
    if items.size == 0 then
      break
    elseif wish then
      offers:serve(wish)
    else
      getters:wake(items:pop())
    end
    self:admit()
  end
  self:finish_if_empty()
  self:watch()
end

-- Whether somebody waits for what other processes have, or for the room that it takes.
local function is_awaited(self)
  local offers, room = self.offers, self.room
  return self.getters.size > 0 and offers.open > 0 and offers:is_kept_from_others()
    or self.putters.size > 0 and (offers.open > 0 and offers:has_surplus()
      or room.open > 0 and room:is_kept_from_others())
end

local function take_late(self)
  self.timer = nil
  if self.getters.size > 0 then
    self.offers:take_from_stuck()
  end
  if self.putters.size > 0 then
    self.offers:take_stale()
    self.room:take_stale()
    self.room:take_from_stuck()
  end
  self:match()
end

local function start_timer(self)
  self.timer = self.timer or loop.timer(wishes.STALE_AFTER_S, take_late, self)
end

--- Somebody waits: what other processes have and do not use is taken back a little later.
function Core:watch()
  if not self.timer and is_awaited(self) then
    start_timer(self)
  end
end

--- The same for one who will join a line now.
function Core:watch_soon()
  if self.offers.open > 0 or self.room.open > 0 then
    start_timer(self)
  end
end

-- ---- what is there ----

--- Adds an item that is in the form in which it is kept.
function Core:add(value, form)
  self.items:push(value, form)
  if self.getters.size > 0 then
    self:match()
  end
end

--- Whether there is an item for one who was not in line.
---@param client any
---@return boolean
function Core:has_item(client)
  if self.getters.size > 0 then
    return false
  end
  self.offers:recall(client)
  return self.items.size > 0
end

---@return integer  items that nobody has got
function Core:size()
  return self.items.size + self.offers:left()
end

-- ---- the end ----

local function forbid_puts(self)
  self.room:shut()
  for _, wish in ipairs(self.offers.list) do
    local client = wish.client
    if self.maxsize == 0 and not permits.revoke(client, self) then
      self.unsettled[client], self.unsettled_count = true, self.unsettled_count + 1
    end
  end
end

--- What a client put before the close is here.
function Core:settled(client)
  if self.unsettled[client] then
    self.unsettled[client], self.unsettled_count = nil, self.unsettled_count - 1
    self:match()
  end
end

--- No more items; what is there can still be got.
function Core:close()
  if self.is_closed then
    return
  end
  self.is_closed = true
  forbid_puts(self)
  self.putters:wake_all(false)
  self.offers:tell_all(protocol.CLOSED)
  self:finish_if_empty()
end

function Core:closed()
  return self.is_closed
end

-- ---- other processes ----

--- The queue becomes known to other processes. Raises ENCODE for what it holds and cannot be sent.
function Core:share()
  self.items:freeze()
  self.is_shared = true
end

--- A client has the queue: for the first time, or anew, having let go of what it had.
function Core:attached(client)
  if self.offers.by_client[client] then
    self:client_gone(client)
  end
  self.offers:add_client(client)
  self.room:add_client(client)
  if self.maxsize == 0 then
    permits.ensure(client)
  end
  return { is_bounded = self.maxsize > 0, closed = self.is_closed, finished = self.is_finished }
end

--- The client is dead, or has let go of the queue: what lay unclaimed with it goes to the others.
function Core:client_gone(client)
  if self.offers.by_client[client] then
    self.offers:remove_client(client)
    self.room:remove_client(client)
  end
  self:settled(client)
  self:match()
end

return M
