--- Room in a bounded queue that other processes have been given to put items in.
---
--- A grant is a lot of places (wishes.lua): the process claims a place and sends the item for it, without
--- waiting for an answer. Places that it does not claim are taken back for others. A place counts as taken
--- from the grant until its item has come, and then the item counts.
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local cells = require("aimp.shared.queue.cells")
local protocol = require("aimp.shared.queue.protocol")
local wishes = require("aimp.shared.queue.wishes")

local FRAME = aimp_ffi.FRAME

local M = {}

local GRANT_MAX = 256

---@class aimp.shared.Grant : aimp.shared.Lot
---@field arrived integer  items that came

---@class aimp.shared.Room : aimp.shared.Wishes
---@field taken integer  places whose items have not come
local Room = setmetatable({}, wishes.Wishes)
Room.__index = Room

---@param core aimp.shared.QueueCore
---@return aimp.shared.Room
function M.new(core)
  local self = setmetatable({ core = core, taken = 0, frame = ffi.new("struct frame") }, Room)
  wishes.init(self, core.putters)
  return self
end

--- Of a grant, at most max places that were not claimed.
---@return integer count
function Room:take_back(grant, max)
  local count = cells.take_back(grant, max)
  self.taken = self.taken - count
  return count
end

--- Nothing will come for the places of a grant that were claimed.
function Room:drop(grant)
  self.taken = self.taken - (grant.n - grant.arrived)
  grant.arrived = grant.n
end

--- Grants places to the first in line.
---@param wish aimp.shared.Wish
---@param free integer  places, at least 1
function Room:serve(wish, free)
  local frame, half = self.frame, math.floor(self.core.maxsize / 2)
  local n, demand = self:share_of(wish, math.min(wish.ahead, half), math.min(GRANT_MAX, free))
  frame.kind, frame.flags, frame.fn = FRAME.TELL, 0, self.core:number()
  frame.first, frame.count, frame.tag, frame.len, frame.aux = n, protocol.PLACES, 0, 0, demand
  if self:give(wish, { arrived = 0 }, n, demand, frame, nil) then
    self.taken = self.taken + n
  end
end

--- Fibers of a client wait for places; it would take some more.
function Room:want(client, count, ahead)
  local wish = self.by_client[client]
  wish:change(count)
  wish.ahead = math.min(ahead, GRANT_MAX)
  self.core:match()
end

--- The item for a place has come.
---@return boolean is_place  false: it claims a place that it was not given
---@return boolean? is_over   it was the last place of its grant
function Room:arrived(client, cell, generation)
  local grant = self.by_client[client]:find(cell, generation)
  if not grant or grant.arrived >= grant.n then
    return false
  end
  grant.arrived, self.taken = grant.arrived + 1, self.taken - 1
  if grant.arrived < grant.given then
    return true, false
  end
  self:close(grant)
  return true, true
end

--- Fewer wait.
function Room:unwant(client, count)
  self.by_client[client]:change(-count)
end

--- It is done with a grant; the items of the places that it claimed have come.
function Room:done(client, cell, generation)
  local grant = self.by_client[client]:find(cell, generation)
  if grant then
    self:take_back(grant, grant.n)
    self:drop(grant)
    self:close(grant)
    self.core:match()
  end
end

--- Takes back what nobody waits with an item for.
---@return integer count
function Room:take_all_surplus()
  local count = 0
  for _, wish in ipairs(self.list) do
    count = count + self:take_surplus(wish)
  end
  return count
end

--- The queue is closed: what is not claimed never will be.
function Room:shut()
  for _, wish in ipairs(self.list) do
    self:take_all(wish)
  end
end

return M
