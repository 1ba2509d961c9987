--- The truth of a queue, in the process that made it.
---
--- Getters stand in one line: fibers of this process, and other processes, each of which wants a number of
--- items and is given them as offers (offers.lua). Putters that find the queue full stand in another.
---
---   open ──close──► closing ──nothing left, nothing on its way──► finished
---
--- An item that another process put before it heard of the close still counts, so closing lasts until all of
--- them have heard.
-- SPDX-License-Identifier: MIT
local errors = require("aimp.errors")
local items_module = require("aimp.shared.queue.items")
local offers_module = require("aimp.shared.queue.offers")
local pollers = require("aimp.pollers")
local fiber = require("aimp.fiber")
local loop = require("aimp.loop")
local waiting = require("aimp.shared.waiting")

local freeze, thaw = items_module.freeze, items_module.thaw

local M = {}

--- Puts in a row of one who does not wait, between two looks at what other processes want.
local PUTS_A_LOOK = 64
--- What lies unclaimed in a process goes to a getter that has waited this long.
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
    clients = {},        -- those that have the queue: what each wants
    unaware = 0,         -- clients that have not heard of the close
    is_shared = false, is_closed = false, is_finished = false,
    puts = 0,            -- since the last look
    timer = nil,
  }, Core)
  self.offers = offers_module.new(self)
  return self
end

local function closed()
  return errors.new("CLOSED", "the queue is closed")
end

-- ---- moving items ----

-- Takes in what putters wait with, as far as there is room.
local function admit(self)
  while self.maxsize > 0 and self.items.size < self.maxsize do
    local client, item = self.putters:peek()
    if client == nil then
      return
    end
    self.items:push(item.value, item.encoded)
    self.putters:wake(true)
  end
end

local function finish_if_empty(self)
  if self.is_closed and not self.is_finished and self.items.size == 0 and self.unaware == 0
    and self.offers:left() == 0 then
    self.is_finished = true
    self.getters:wake_all(nil, "finished")
    self.offers:tell_finished()
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
    admit(self)
  end
  finish_if_empty(self)
end

local function steal_late(self)
  self.timer = nil
  if self.getters:count() > 0 then
    self.offers:steal(true)
    self:match()
    self:watch()
  end
end

--- Somebody waits: what other processes have and do not need is taken back, now or a little later.
function Core:watch()
  if self.timer or self.getters:count() == 0 or self.offers:left() == 0 then
    return
  end
  self.timer = loop.timer(STEAL_AFTER_S, steal_late, self)
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

--- Waits for room. Raises CLOSED, TIMEOUT, ENCODE.
function Core:put(client, timeout, value)
  if self.is_closed then
    error(closed(), 0)
  end
  local encoded
  value, encoded = prepare(self, value)
  if self.maxsize == 0 or (self.items.size < self.maxsize and self.putters.size == 0) then
    self:add(value, encoded)
    if self.is_shared then
      look(self)
    end
  elseif not self.putters:wait(timeout, client, { value = value, encoded = encoded }) then
    error(closed(), 0)
  else
    self:match()
  end
end

---@return boolean done  false: there was no room
function Core:try_put(_, value)
  if self.is_closed then
    error(closed(), 0)
  elseif self.maxsize > 0 and self.items.size >= self.maxsize then
    return false
  end
  self:add(prepare(self, value))
  return true
end

-- ---- getting ----

local function take(self)
  local value, encoded = self.items:pop()
  if self.putters.size > 0 then
    admit(self)
  end
  finish_if_empty(self)
  return thaw(value, encoded)
end

local function has_item(self)
  if self.items.size == 0 and self.getters.size == 0 then
    self.offers:steal(false)
  end
  return self.items.size > 0 and self.getters.size == 0
end

--- Waits for an item. Raises TIMEOUT.
---@return boolean got  false: the queue is closed and nothing is left
---@return any value
function Core:get(client, timeout)
  if has_item(self) then
    return true, take(self)
  elseif self.is_finished then
    return false
  end
  if timeout ~= 0 then
    self:watch_soon()
  end
  local value, how = self.getters:wait(timeout, client)
  if how == "finished" then
    return false
  end
  return true, thaw(value, how == "encoded")
end

--- The caller is about to stand in line.
function Core:watch_soon()
  if not self.timer and self.offers:left() > 0 then
    self.timer = loop.timer(STEAL_AFTER_S, steal_late, self)
  end
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

--- No more items; what is there can still be got.
function Core:close()
  if self.is_closed then
    return
  end
  self.is_closed = true
  while self.putters:wake(false) do end -- luacheck: ignore 542
  self.offers:tell_closed()
  finish_if_empty(self)
end

function Core:closed()
  return self.is_closed
end

--- The queue becomes known to other processes.
function Core:share()
  self.items:freeze()
  self.is_shared = true
end

function Core:attached(client)
  self.offers:add_client(client)
  return { maxsize = self.maxsize, closed = self.is_closed, finished = self.is_finished }
end

--- What lay unclaimed with the client goes to the others.
function Core:client_gone(client)
  self.offers:remove_client(client)
  self:match()
end

M.Core = Core
return M
