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
  self.by_client[client] = { client = client, want = 0, ahead = 0, lots = {}, is_starved = false }
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

local function add_lots(list, wish)
  for _, lot in each(wish.lots) do
    list[#list + 1] = lot
  end
end

local function is_later(a, b)
  return a.serial > b.serial
end

-- So that items come back to the front of the queue in their order.
local function latest_first(self, client)
  local list = {}
  for _, wish in each(self.by_client) do
    if not client or wish.client == client then
      add_lots(list, wish)
    end
  end
  table.sort(list, is_later)
  return list
end

--- Takes back what was given besides what fibers wait for.
---@param client? aimp.shared.Client  from this one; default: from all
---@param min_age? number             seconds; only of lots that were sent so long ago
---@return integer count
---@return boolean is_all  false: there is some that is not so old
function Wishes:take_surplus(client, min_age)
  local count, is_all, before = 0, true, min_age and loop.now() - min_age
  for _, lot in ipairs(latest_first(self, client)) do
    if not before or lot.sent_at <= before then
      count = count + self:take_back(lot, cells.surplus(lot))
    else
      is_all = is_all and cells.surplus(lot) == 0
    end
  end
  return count, is_all
end

local function take_late(self, lot, now, has_others)
  local age = now - lot.sent_at
  if age > STUCK_AFTER_S and has_others(lot.client) then
    local wish = self.by_client[lot.client]
    self:leave(wish) -- behind those who have waited, or it would get the same again
    self:take_back(lot, lot.n)
    self:enlist(wish)
  elseif age > STALE_AFTER_S then
    self:take_back(lot, cells.surplus(lot))
  end
end

--- Somebody waits: takes back what was not claimed for long.
function Wishes:take_all_late()
  local line, now = self.line, loop.now()
  local function has_others(client)
    return line.size > 1 or line:peek() ~= client
  end
  if self.open > 0 then
    for _, lot in ipairs(latest_first(self)) do
      take_late(self, lot, now, has_others)
    end
  end
end

--- The client is gone, or has let go of the queue.
function Wishes:remove_client(client)
  local wish = self.by_client[client]
  self:leave(wish)
  for _, lot in ipairs(latest_first(self, client)) do
    self:take_back(lot, lot.n)
    self:drop(lot)
    self:close(lot)
  end
  self.by_client[client] = nil
end

return M
