--- Room in a bounded queue that other processes have been given to put items in.
---
--- A grant is a lot of places (cells.lua): the process claims a place and sends the item for it, without
--- waiting for an answer. Places that it does not claim are taken back for others. A place counts as taken
--- from the grant until its item has come, and then the item counts.
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local cells = require("aimp.shared.queue.cells")
local protocol = require("aimp.shared.queue.protocol")
local waiting = require("aimp.shared.waiting")

local FRAME = aimp_ffi.FRAME
local each = pairs

local M = {}

local GRANT_MAX = 256

---@class aimp.shared.Grant : aimp.shared.Lot
---@field arrived integer  items that came

---@class aimp.shared.Room
---@field taken integer  places whose items have not come
---@field open integer   grants that are not done
local Room = {}
Room.__index = Room

---@param core aimp.shared.QueueCore
---@return aimp.shared.Room
function M.new(core)
  return setmetatable({ core = core, wishes = {}, taken = 0, open = 0,
    frame = ffi.new("struct frame") }, Room)
end

---@param client aimp.shared.Client
function Room:add_client(client)
  self.wishes[client] = self.wishes[client]
    or { client = client, want = 0, ahead = 0, lots = {}, is_starved = false }
end

local function leave_line(wish)
  if wish.waiter then
    waiting.leave(wish.waiter)
    wish.waiter = nil
  end
end

local function take_back(self, grant, max)
  self.taken = self.taken - cells.take_back(grant, max)
end

-- ---- granting ----

local function grant(self, wish, n)
  local frame, lot = self.frame, { arrived = 0 }
  frame.kind, frame.flags, frame.fn = FRAME.TELL, 0, self.core:number()
  frame.first, frame.count, frame.tag, frame.len, frame.aux = n, protocol.PLACES, 0, 0, 0
  if not cells.open(lot, wish.client, n, frame, nil) then
    return 0
  end
  wish.lots[lot.cell] = lot
  self.open, self.taken = self.open + 1, self.taken + n
  return n
end

--- Grants places to the first in line: one, if others wait too. Who wants more goes to the end of the line.
---@param wish aimp.shared.Wish
---@param free integer  places, at least 1
function Room:serve(wish, free)
  local putters = self.core.putters
  leave_line(wish)
  local half = math.floor(self.core.maxsize / 2)
  local most = putters.size > 0 and 1 or math.min(wish.want + math.min(wish.ahead, half), GRANT_MAX)
  local n = grant(self, wish, math.min(most, free))
  wish.want = math.max(wish.want - n, 0)
  if n == 0 then
    wish.is_starved = true
  elseif wish.want > 0 then
    wish.waiter = putters:enlist(wish.client, wish)
  end
end

-- ---- what clients say ----

--- Fibers of it wait for places; it would take some more.
function Room:want(client, count, ahead)
  local wish, core = self.wishes[client], self.core
  wish.ahead, wish.want = math.min(ahead, GRANT_MAX), wish.want + count
  if wish.want > 0 and not wish.waiter then
    wish.waiter = core.putters:enlist(client, wish)
  end
  core:admit()
  core:watch()
end

function Room:unwant(client, count)
  local wish = self.wishes[client]
  wish.want = math.max(wish.want - count, 0)
  if wish.want == 0 then
    leave_line(wish)
  end
end

local function close(self, wish, lot)
  cells.close(lot)
  wish.lots[lot.cell] = nil
  self.open = self.open - 1
  if wish.is_starved then
    wish.is_starved = false
    wish.waiter = wish.want > 0 and self.core.putters:enlist(wish.client, wish) or nil
  end
end

--- The item for a place has come, or never will.
---@return boolean is_place  false: it claims a place that it was not given
function Room:arrived(client, cell, generation)
  local wish = self.wishes[client]
  local lot = wish.lots[cell]
  if not lot or lot.generation ~= generation or lot.arrived >= lot.n then
    return false
  end
  lot.arrived, self.taken = lot.arrived + 1, self.taken - 1
  if lot.arrived == lot.given then
    close(self, wish, lot)
  end
  return true
end

--- It is done with a grant of which places were taken back; the items of the others have come.
function Room:done(client, cell, generation)
  local wish = self.wishes[client]
  local lot = wish.lots[cell]
  if lot and lot.generation == generation then
    take_back(self, lot, lot.n)
    self.taken = self.taken - (lot.n - lot.arrived)
    close(self, wish, lot)
    self.core:admit()
  end
end

-- ---- taking back ----

--- Takes back half of the places that the process with the fullest grant has not claimed.
---@param even_last boolean
function Room:steal(even_last)
  if self.open == 0 then
    return
  end
  local lot, left = cells.fullest(self.wishes)
  if lot and (left > 1 or even_last) then
    take_back(self, lot, math.ceil(left / 2))
  end
end

--- The client is gone, or has let go of the queue.
function Room:remove_client(client)
  local wish = self.wishes[client]
  leave_line(wish)
  for _, lot in each(wish.lots) do
    take_back(self, lot, lot.n)
    self.taken = self.taken - (lot.n - lot.arrived)
    cells.close(lot)
    self.open = self.open - 1
  end
  self.wishes[client] = nil
end

return M
