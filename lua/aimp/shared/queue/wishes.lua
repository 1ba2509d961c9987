--- What other processes want of a queue, items or places, and the lots (cells.lua) that they were given.
---
--- The same for both, in the owner: a process that wants something has one place in the line, among the
--- fibers of this process. Used by offers.lua and room.lua, which know what a lot holds: their
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
---@field want integer     things that fibers of it wait for; below zero: it got more than that
---@field ahead integer    things that it would take besides
---@field is_starved boolean  no cell was free
---@field epoch integer   how often it gave back what it had (offers.lua)
---@field waiter? aimp.shared.Waiter  its place in the line
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
    epoch = 0 }
end

---@param wish aimp.shared.Wish
function Wishes:enlist(wish)
  if wish.want > 0 and not wish.waiter and not wish.is_starved then
    wish.waiter = self.line:enlist(wish.client, wish)
  end
end

---@param wish aimp.shared.Wish
function Wishes:leave(wish)
  if wish.waiter then
    waiting.leave(wish.waiter)
    wish.waiter = nil
  end
end

--- It wants more, or fewer.
---@param client aimp.shared.Client
---@param count integer
---@return aimp.shared.Wish
function Wishes:change(client, count)
  local wish = self.by_client[client]
  wish.want = wish.want + count
  if wish.want > 0 then
    self:enlist(wish)
  else
    self:leave(wish)
  end
  return wish
end

--- Gives a lot. False: that is not possible now; the wish comes back into the line when it is.
---@return boolean
function Wishes:give(wish, lot, n, demand, frame, data)
  if not cells.open(lot, wish.client, n, demand, frame, data) then
    self:leave(wish)
    wish.is_starved = true
    cells.when_free(wish.client, function()
      wish.is_starved = false
      if self.by_client[wish.client] == wish then
        self:enlist(wish)
        self.core:match()
      end
    end)
    return false
  end
  wish.want = wish.want - demand
  wish.lots[lot.cell] = lot
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

local function add_lots(list, wish)
  for _, lot in each(wish.lots) do
    list[#list + 1] = lot
  end
end

-- Latest first, so that items come back to the front of the queue in their order.
local function sorted_lots(...)
  local list = {}
  for i = 1, select("#", ...) do
    add_lots(list, (select(i, ...)))
  end
  table.sort(list, is_later)
  return list
end

-- Takes back all but the first `keep`.
local function take_from(self, lots, keep)
  local left, count = 0, 0
  for _, lot in ipairs(lots) do
    left = left + cells.left(lot)
  end
  for _, lot in ipairs(lots) do
    count = count + self:take_back(lot, math.max(left - keep - count, 0))
  end
  return count
end

--- Takes back all that a client has not claimed.
---@param client aimp.shared.Client
---@return integer count
function Wishes:take_all(client)
  return take_from(self, sorted_lots(self.by_client[client]), 0)
end

-- Things that fibers of the client wait for, as far as is known: they get the first that it has.
local function awaited(lots)
  local count = 0
  for _, lot in ipairs(lots) do
    count = count + lot.demand - (lot.n - cells.left(lot))
  end
  return math.max(count, 0)
end

--- Takes back what a client was given besides what its fibers wait for.
---@param client aimp.shared.Client
---@return integer count
function Wishes:take_surplus(client)
  local lots = sorted_lots(self.by_client[client])
  return take_from(self, lots, awaited(lots))
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
    local lots, left = sorted_lots(wish), 0
    for _, lot in ipairs(lots) do
      left = left + cells.left(lot)
    end
    if left > awaited(lots) then
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

-- Whether somebody else waits than this client.
local function has_others(line, client)
  return line.size > 1 or line.size == 1 and line:peek() ~= client
end

--- Whether somebody has something while others wait.
---@return boolean
function Wishes:is_kept_from_others()
  for client, wish in each(self.by_client) do
    if idle_since(wish) and has_others(self.line, client) then
      return true
    end
  end
  return false
end

--- Somebody waits: takes back all that others had and did not claim for long.
function Wishes:take_from_stuck()
  local before, stuck = loop.now() - STUCK_AFTER_S, {}
  for client, wish in each(self.by_client) do
    if (idle_since(wish) or before) < before and has_others(self.line, client) then
      stuck[#stuck + 1] = wish
      self:leave(wish) -- goes behind those who have waited, or it would get the same again
      self:enlist(wish)
    end
  end
  take_from(self, sorted_lots(unpack(stuck)), 0)
end

--- The client is gone, or has let go of the queue.
function Wishes:remove_client(client)
  local wish = self.by_client[client]
  self:leave(wish)
  for _, lot in ipairs(sorted_lots(wish)) do
    self:take_back(lot, lot.n)
    self:drop(lot)
    self:close(lot)
  end
  self.by_client[client] = nil
end

return M
