--- What other processes want of a queue, items or places, and the lots (cells.lua) that they were given.
---
--- The same for both, in the owner: a process has a place in the line for each of its fibers that wait, among
--- the fibers of this process. Used by offers.lua and room.lua, which know what a lot holds: their
--- `take_back(lot, max)` and `drop(lot)`.
-- SPDX-License-Identifier: MIT
local cells = require("aimp.shared.queue.cells")
local loop = require("aimp.loop")
local waiting = require("aimp.shared.waiting")

local each = pairs

--- What a process does not claim although its fibers wait for it, as it is stopped or computes, goes to
--- others after this time …
local STUCK_AFTER_S = 0.1
--- … and what it has besides, where others wait without being able to ask it back at once, after this.
local STALE_AFTER_S = 0.01

---@class aimp.shared.Wish  what a client wants
---@field client aimp.shared.Client
---@field want integer     things that fibers wait for beside what is on its way; protocol.lua
---@field ahead integer    things that it would take besides
---@field is_starved boolean  no cell was free
---@field epoch integer   how often it gave back what it had (offers.lua)
---@field places aimp.shared.Waiter[]  in the line, `first` to `last`; as many as it wants
---@field first integer
---@field last integer
---@field lots table<integer, aimp.shared.Lot>  by cell; not done

---@class aimp.shared.Wishes
---@field line aimp.shared.Line
---@field by_client table<aimp.shared.Client, aimp.shared.Wish>
---@field open integer  lots that are not done
local Wishes = {}
Wishes.__index = Wishes

local M = { Wishes = Wishes, STALE_AFTER_S = STALE_AFTER_S }

--- Makes the fields of one that inherits from Wishes.
---@param self table
---@param line aimp.shared.Line
function M.init(self, line)
  self.line, self.by_client, self.open = line, {}, 0
end

---@param client aimp.shared.Client
function Wishes:add_client(client)
  self.by_client[client] = { client = client, want = 0, ahead = 0, lots = {}, is_starved = false,
    places = {}, first = 1, last = 0, epoch = 0 }
end

local function leave_at(wish, place)
  waiting.leave(wish.places[place])
  wish.places[place] = nil
end

-- What it has not claimed, and how many of its fibers wait and have claimed nothing. Of a lot those claim
-- first for whom it was given, then those whose wish crossed with it.
local function look_at(wish)
  local left, need = 0, wish.want
  for _, lot in each(wish.lots) do
    local left_of_lot = cells.left(lot)
    local besides = lot.n - left_of_lot - lot.demand -- claimed
    left = left + left_of_lot
    need = need + math.min(math.max(-besides, 0), left_of_lot) - math.min(math.max(besides, 0), lot.crossing)
  end
  return left, need
end

-- As many places in the line as it has fibers that wait for more than what is on its way; those that came
-- last leave first.
local function enlist(self, wish)
  local left, need = look_at(wish)
  local count = wish.is_starved and 0 or math.max(need - left, 0)
  while wish.last - wish.first + 1 > count do
    leave_at(wish, wish.last)
    wish.last = wish.last - 1
  end
  while wish.last - wish.first + 1 < count do
    wish.last = wish.last + 1
    wish.places[wish.last] = self.line:enlist(wish.client, wish)
  end
end

-- It got something.
local function leave_first(wish, count)
  for _ = 1, count do
    leave_at(wish, wish.first)
    wish.first = wish.first + 1
  end
end

local function leave_all(wish)
  leave_first(wish, wish.last - wish.first + 1)
end

--- Whether somebody stands in the line who is not of this client.
---@param wish? aimp.shared.Wish  nil: a fiber of this process
---@return boolean
function Wishes:has_others(wish)
  return not wish or self.line.size > wish.last - wish.first + 1
end

--- How much the first in line is to be given: as much as its fibers there wait for that nobody else stands
--- between, and if nobody stands behind them, a surplus.
---@param wish aimp.shared.Wish
---@param surplus integer
---@param max integer
---@return integer count
---@return integer awaited
function Wishes:share_of(wish, surplus, max)
  local awaited = self.line:count_first(wish, max)
  return self:has_others(wish) and awaited or math.min(awaited + surplus, max), awaited
end

local function is_earlier(a, b)
  return a.serial < b.serial
end

local function sorted_lots(is_before, ...)
  local list = {}
  for i = 1, select("#", ...) do
    for _, lot in each(select(i, ...).lots) do
      list[#list + 1] = lot
    end
  end
  table.sort(list, is_before)
  return list
end

--- Fibers of a client will be the first to claim what was on its way when they asked, as nothing else was
--- there. Only where a lot is done with as soon as all of it is claimed.
---@param client aimp.shared.Client
---@param count integer
function Wishes:cross(client, count)
  for _, lot in ipairs(sorted_lots(is_earlier, self.by_client[client])) do
    local more = math.max(math.min(count, lot.n - lot.demand - lot.crossing), 0)
    lot.crossing, count = lot.crossing + more, count - more
  end
end

--- More of its fibers wait.
---@param client aimp.shared.Client
---@param count integer
---@return aimp.shared.Wish
function Wishes:want_more(client, count)
  local wish = self.by_client[client]
  wish.want = wish.want + count
  enlist(self, wish)
  return wish
end

--- Fewer wait, for they gave up, or got what had crossed with their wish.
---@param client aimp.shared.Client
---@param count integer
function Wishes:want_less(client, count)
  local wish, crossing = self.by_client[client], count
  for _, lot in ipairs(sorted_lots(is_earlier, wish)) do
    local less = math.min(crossing, lot.crossing)
    lot.crossing, crossing = lot.crossing - less, crossing - less
  end
  wish.want = wish.want - count
  enlist(self, wish)
end

local function starve(self, wish)
  wish.is_starved = true
  leave_all(wish)
  cells.when_free(wish.client, function()
    wish.is_starved = false
    if self.by_client[wish.client] == wish then
      enlist(self, wish)
      self.core:match()
    end
  end)
end

--- Gives a lot. False: that is not possible now; the wish comes back into the line when it is.
---@return boolean
function Wishes:give(wish, lot, n, demand, frame, data)
  if not cells.open(lot, wish.client, n, demand, frame, data) then
    starve(self, wish)
    return false
  end
  wish.want = wish.want - demand
  wish.lots[lot.cell] = lot
  leave_first(wish, demand)
  self.open = self.open + 1
  return true
end

--- The lot that a client speaks of; nil: it has no such lot.
---@return aimp.shared.Lot?
function Wishes:find(client, cell, generation)
  local lot = self.by_client[client].lots[cell]
  return lot and lot.generation == generation and lot or nil
end

--- The client has said its last word about a lot.
---@param lot aimp.shared.Lot
function Wishes:close(lot)
  cells.close(lot)
  self.by_client[lot.client].lots[lot.cell] = nil
  self.open = self.open - 1
end

--- What nobody has claimed.
---@return integer
function Wishes:left()
  local left = 0
  if self.open > 0 then
    for _, wish in each(self.by_client) do
      for _, lot in each(wish.lots) do
        left = left + cells.left(lot)
      end
    end
  end
  return left
end

-- ---- taking back ----

local function is_later(a, b)
  return a.serial > b.serial
end

-- Latest first, so that items come back to the front of the queue in their order.
local function take_from(self, max, ...)
  local count = 0
  for _, lot in ipairs(sorted_lots(is_later, ...)) do
    count = count + self:take_back(lot, max - count)
  end
  return count
end

--- Takes back all that a client has not claimed.
---@param client aimp.shared.Client
function Wishes:take_all(client)
  local wish = self.by_client[client]
  take_from(self, math.huge, wish)
  enlist(self, wish)
end

local function surplus_of(wish)
  local left, need = look_at(wish)
  return left - math.max(need, 0)
end

--- Takes back what a client was given besides what its fibers wait for.
---@param client aimp.shared.Client
---@return integer count
function Wishes:take_surplus(client)
  local wish = self.by_client[client]
  local surplus = surplus_of(wish)
  return surplus > 0 and take_from(self, surplus, wish) or 0
end

-- Seconds since the client was given something.
local function quiet_for(wish, now)
  local last = -math.huge
  for _, lot in each(wish.lots) do
    last = math.max(last, lot.sent_at)
  end
  return now - last
end

--- Whether somebody has what its fibers do not wait for.
---@return boolean
function Wishes:has_surplus()
  for _, wish in each(self.by_client) do
    if surplus_of(wish) > 0 then
      return true
    end
  end
  return false
end

--- Takes back the surplus of those who have been given nothing for a while.
function Wishes:take_stale()
  local now = loop.now()
  for client, wish in each(self.by_client) do
    if quiet_for(wish, now) > STALE_AFTER_S then
      self:take_surplus(client)
    end
  end
end

-- Since when it has had something that it did not claim; nil: it has nothing.
local function idle_since(wish)
  local first
  for _, lot in each(wish.lots) do
    if cells.left(lot) > 0 then
      first = math.min(first or lot.sent_at, lot.sent_at)
    end
  end
  return first
end

--- Whether somebody has something while others wait.
---@return boolean
function Wishes:is_kept_from_others()
  for _, wish in each(self.by_client) do
    if idle_since(wish) and self:has_others(wish) then
      return true
    end
  end
  return false
end

--- Somebody waits: takes back all that others had and did not claim for long.
function Wishes:take_from_stuck()
  local before, stuck = loop.now() - STUCK_AFTER_S, {}
  for _, wish in each(self.by_client) do
    if (idle_since(wish) or before) < before and self:has_others(wish) then
      stuck[#stuck + 1] = wish
    end
  end
  take_from(self, math.huge, unpack(stuck))
  for _, wish in ipairs(stuck) do
    leave_all(wish) -- goes behind those who have waited, or it would get the same again
    enlist(self, wish)
  end
end

--- The client is gone, or has let go of the queue.
function Wishes:remove_client(client)
  local wish = self.by_client[client]
  leave_all(wish)
  for _, lot in ipairs(sorted_lots(is_later, wish)) do
    self:take_back(lot, lot.n)
    self:drop(lot)
    self:close(lot)
  end
  self.by_client[client] = nil
end

return M
