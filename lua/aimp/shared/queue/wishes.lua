--- What other processes want of a queue, items or places: all their wishes (wish.lua), and what is taken
--- back.
---
--- The same for both, in the owner. Used by offers.lua and room.lua, which know what a lot holds: their
--- `take_back(lot, max)` and `drop(lot)`.
-- SPDX-License-Identifier: MIT
local cells = require("aimp.shared.queue.cells")
local loop = require("aimp.loop")
local wish_module = require("aimp.shared.queue.wish")

--- What a process does not claim although its fibers wait for it, as it is stopped or computes, goes to
--- others after this time …
local STUCK_AFTER_S = 0.25
--- … and what it has besides, where others wait without being able to ask it back at once, after this.
local STALE_AFTER_S = 0.01

---@class aimp.shared.Wishes
---@field line aimp.shared.Line
---@field list aimp.shared.Wish[]
---@field by_client table<aimp.shared.Client, aimp.shared.Wish>
---@field open integer  lots that are not done
local Wishes = {}
Wishes.__index = Wishes

local M = { Wishes = Wishes, STALE_AFTER_S = STALE_AFTER_S }

--- Makes the fields of one that inherits from Wishes.
---@param self table
---@param line aimp.shared.Line
function M.init(self, line)
  self.line, self.list, self.by_client, self.open = line, {}, {}, 0
end

---@param client aimp.shared.Client
function Wishes:add_client(client)
  local wish = wish_module.new(client, self.line)
  self.by_client[client], self.list[#self.list + 1] = wish, wish
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
  return wish:has_others() and awaited or math.min(awaited + surplus, max), awaited
end

local function starve(self, wish)
  wish.is_starved = true
  wish:leave_all()
  cells.when_free(wish.client, function()
    wish.is_starved = false
    if self.by_client[wish.client] == wish then
      wish:enlist()
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
  wish.lots[#wish.lots + 1] = lot
  wish:leave(demand)
  self.open = self.open + 1
  return true
end

--- The client has said its last word about a lot.
---@param lot aimp.shared.Lot
function Wishes:close(lot)
  local wish = self.by_client[lot.client]
  cells.close(lot)
  wish:remove(lot)
  wish:enlist() -- for those who were to get what was in it
  self.open = self.open - 1
end

--- What nobody has claimed.
---@return integer
function Wishes:left()
  local left = 0
  if self.open > 0 then
    for _, wish in ipairs(self.list) do
      left = left + wish:left()
    end
  end
  return left
end

-- ---- taking back ----

local function is_later(a, b)
  return a.serial > b.serial
end

-- From several, the latest first, so that items come back to the front of the queue in their order.
local function take_from(self, wishes)
  local lots = {}
  for _, wish in ipairs(wishes) do
    for _, lot in ipairs(wish.lots) do
      lots[#lots + 1] = lot
    end
  end
  table.sort(lots, is_later)
  for _, lot in ipairs(lots) do
    self:take_back(lot, lot.n)
  end
end

-- From the end of what one has.
local function take_end(self, wish, max)
  local lots, count = wish.lots, 0
  for i = #lots, 1, -1 do
    count = count + self:take_back(lots[i], max - count)
  end
  return count
end

--- Takes back all that a client has not claimed.
---@param wish aimp.shared.Wish
function Wishes:take_all(wish)
  take_end(self, wish, math.huge)
  wish:enlist()
end

--- Takes back what a client was given besides what its fibers wait for.
---@param wish aimp.shared.Wish
---@return integer count
function Wishes:take_surplus(wish)
  local surplus = wish:surplus()
  return surplus > 0 and take_end(self, wish, surplus) or 0
end

--- Whether somebody has what its fibers do not wait for.
---@return boolean
function Wishes:has_surplus()
  for _, wish in ipairs(self.list) do
    if wish:surplus() > 0 then
      return true
    end
  end
  return false
end

--- Takes back the surplus of those who have been given nothing for a while.
function Wishes:take_stale()
  local before = loop.now() - STALE_AFTER_S
  for _, wish in ipairs(self.list) do
    if wish:served_at() < before then
      self:take_surplus(wish)
    end
  end
end

--- Whether somebody has something while others wait.
---@return boolean
function Wishes:is_kept_from_others()
  for _, wish in ipairs(self.list) do
    if wish:has_others() and wish:idle_since() then
      return true
    end
  end
  return false
end

--- Somebody waits: takes back all that others had and did not claim for long.
function Wishes:take_from_stuck()
  local before, stuck = loop.now() - STUCK_AFTER_S, {}
  for _, wish in ipairs(self.list) do
    if wish:has_others() and (wish:idle_since() or before) < before then
      stuck[#stuck + 1] = wish
    end
  end
  take_from(self, stuck)
  for _, wish in ipairs(stuck) do
    wish:leave_all() -- goes behind those who have waited, or it would get the same again
    wish:enlist()
  end
end

--- The client is gone, or has let go of the queue.
function Wishes:remove_client(client)
  local wish = self.by_client[client]
  wish:leave_all()
  take_end(self, wish, math.huge)
  for _, lot in ipairs(wish.lots) do
    self:drop(lot)
    cells.close(lot)
    self.open = self.open - 1
  end
  self.by_client[client] = nil
  for i, other in ipairs(self.list) do
    if other == wish then
      table.remove(self.list, i)
      return
    end
  end
end

return M
