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

--- The same, and how many of its fibers wait, as far as is known: of a lot those claim first for whom it was
--- given, and what is claimed besides is for others that waited, if there were some.
---@return integer left
---@return integer need
function Wish:look()
  local left, awaited, got = 0, 0, 0
  for _, lot in ipairs(self.lots) do
    local left_of_lot = cells.left(lot)
    local besides = lot.n - left_of_lot - lot.demand -- claimed
    left = left + left_of_lot
    awaited, got = awaited + min(max(-besides, 0), left_of_lot), got + max(besides, 0)
  end
  return left, max(awaited + (self.want > 0 and max(self.want - got, 0) or self.want), 0)
end

--- What it was given besides what its fibers wait for.
---@return integer
function Wish:surplus()
  local left, need = self:look()
  return left - need
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

--- More fibers wait, or fewer.
---@param count integer
function Wish:change(count)
  if self.want + count <= WANT_MAX then -- more is nonsense, which would fill the memory
    self.want = self.want + count
    self:enlist()
  end
end

return M
