--- What one other process wants of a queue, items or places, and the lots (cells.lua) that it was given.
---
--- It has a place in the line for each of its fibers that waits for more than what is on its way, among the
--- fibers of this process. How many wait is counted as protocol.lua says; how many of them have got something
--- meanwhile can be seen in the claim cells. Used by wishes.lua, in the owner of the queue.
-- SPDX-License-Identifier: MIT
local cells = require("aimp.shared.queue.cells")
local waiting = require("aimp.shared.waiting")

local max, min = math.max, math.min

--- No process has more fibers that wait.
local WANT_MAX = 2 ^ 20

---@class aimp.shared.Wish
---@field client aimp.shared.Client
---@field line aimp.shared.Line
---@field want integer     fibers that wait, beside those for whom something was given
---@field ahead integer    things that it would take besides
---@field is_starved boolean  no cell was free
---@field lots aimp.shared.Lot[]  not done; in the order in which they were given
---@field epoch integer    how often it gave back what it had (offers.lua)
---@field places aimp.shared.Waiter[]  in the line, `first` to `last`
local Wish = {}
Wish.__index = Wish

local M = {}

---@param client aimp.shared.Client
---@param line aimp.shared.Line
---@return aimp.shared.Wish
function M.new(client, line)
  return setmetatable({ client = client, line = line, want = 0, ahead = 0, is_starved = false, lots = {},
    epoch = 0, places = {}, first = 1, last = 0 }, Wish)
end

-- ---- lots ----

--- The lot of a cell, if there is one.
---@return aimp.shared.Lot?
function Wish:find(cell, generation)
  for _, lot in ipairs(self.lots) do
    if lot.cell == cell then
      return lot.generation == generation and lot or nil
    end
  end
end

---@param lot aimp.shared.Lot
function Wish:remove(lot)
  for i, other in ipairs(self.lots) do
    if other == lot then
      table.remove(self.lots, i)
      return
    end
  end
end

--- What it has not claimed.
---@return integer
function Wish:left()
  local left = 0
  for _, lot in ipairs(self.lots) do
    left = left + cells.left(lot)
  end
  return left
end

--- The same, and how many of its fibers wait and have claimed nothing. Of a lot those claim first for whom it
--- was given, then those whose wish crossed with it.
---@return integer left
---@return integer need
function Wish:look()
  local left, need = 0, self.want
  for _, lot in ipairs(self.lots) do
    local left_of_lot = cells.left(lot)
    local besides = lot.n - left_of_lot - lot.demand -- claimed
    left = left + left_of_lot
    need = need + min(max(-besides, 0), left_of_lot) - min(max(besides, 0), lot.crossing)
  end
  return left, need
end

--- What it was given besides what its fibers wait for.
---@return integer
function Wish:surplus()
  local left, need = self:look()
  return left - max(need, 0)
end

--- Since when it has had something that it did not claim; nil: it has nothing.
---@return number? seconds
function Wish:idle_since()
  for _, lot in ipairs(self.lots) do
    if cells.left(lot) > 0 then
      return lot.sent_at
    end
  end
end

--- When it was given something last.
---@return number seconds
function Wish:served_at()
  local last = self.lots[#self.lots]
  return last and last.sent_at or 0
end

-- ---- places in the line ----

local function leave_at(self, place)
  waiting.leave(self.places[place])
  self.places[place] = nil
end

--- As many places as it needs; those that came last leave first.
function Wish:enlist()
  local left, need = self:look()
  local count = self.is_starved and 0 or max(need - left, 0)
  while self.last - self.first + 1 > count do
    leave_at(self, self.last)
    self.last = self.last - 1
  end
  while self.last - self.first + 1 < count do
    self.last = self.last + 1
    self.places[self.last] = self.line:enlist(self.client, self)
  end
end

--- It got something.
function Wish:leave(count)
  for _ = 1, count do
    leave_at(self, self.first)
    self.first = self.first + 1
  end
end

function Wish:leave_all()
  self:leave(self.last - self.first + 1)
end

--- Whether others stand in the line.
---@return boolean
function Wish:has_others()
  return self.line.size > self.last - self.first + 1
end

-- ---- what the client says ----

--- Fibers will be the first to claim what was on its way when they asked, as nothing else was there. Only
--- where a lot is done with as soon as all of it is claimed.
---@param count integer
function Wish:cross(count)
  for _, lot in ipairs(self.lots) do
    local more = max(min(count, lot.n - lot.demand - lot.crossing), 0)
    lot.crossing, count = lot.crossing + more, count - more
  end
end

--- More fibers wait.
---@param count integer
function Wish:want_more(count)
  if self.want + count > WANT_MAX then
    return -- nonsense, which would fill the memory
  end
  self.want = self.want + count
  self:enlist()
end

--- Fewer wait, for they gave up, or got what had crossed with their wish.
---@param count integer
function Wish:want_less(count)
  local crossing = count
  for _, lot in ipairs(self.lots) do
    local less = min(crossing, lot.crossing)
    lot.crossing, crossing = lot.crossing - less, crossing - less
  end
  self.want = self.want - count
  self:enlist()
end

return M
