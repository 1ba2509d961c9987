--- Items of a queue that are with other processes: given to them, and not yet known to be taken.
---
--- An offer is a lot of items (wishes.lua), which are kept until the process is done with it. So each item is
--- taken once, whoever dies when, and none lies with a process that does not come to it while somebody else
--- waits.
---
--- A process that empties its lots fast gets more than its fibers wait for (a surplus), as long as nobody
--- else wants any. At most one process has a surplus, and before anybody else is given something it is taken
--- back. So items are taken in the order of the queue, however many take them; unless a process dies, is
--- stuck, or its getter gives up just when its item comes: that item is first again, late.
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local buffer = require("string.buffer")
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local cells = require("aimp.shared.queue.cells")
local errors = require("aimp.errors")
local items_module = require("aimp.shared.queue.items")
local plain = require("aimp.codec.plain")
local protocol = require("aimp.shared.queue.protocol")
local wishes = require("aimp.shared.queue.wishes")

local FRAME, FLAG_ERROR = aimp_ffi.FRAME, aimp_ffi.FLAG_ERROR
local BYTES, FAULT = items_module.BYTES, items_module.FAULT
local lshift = bit.lshift
local is_scalar, is_plain_table = plain.is_scalar, plain.is_plain_table

local M = {}

local OFFER_MAX = 256
local OFFER_BYTES = 8192 -- an offer that is larger gets no more items

---@class aimp.shared.Offers : aimp.shared.Wishes
---@field holder? aimp.shared.Client  who may have a surplus
---@field limit integer  of a surplus: grows with each offer that is used up, shrinks when one is asked back
local Offers = setmetatable({}, wishes.Wishes)
Offers.__index = Offers

---@param core aimp.shared.QueueCore
---@return aimp.shared.Offers
function M.new(core)
  local self = setmetatable({ core = core, holder = nil, limit = OFFER_MAX,
    frame = ffi.new("struct frame"), buf = buffer.new() }, Offers)
  wishes.init(self, core.getters)
  return self
end

-- ---- giving ----

local function is_plain(value, form)
  return form == BYTES or form ~= FAULT
    and (is_scalar(value) or type(value) == "table" and is_plain_table(value))
end

local function pack_plain(buf, lot, items, max)
  local n = 0
  while n < max and items.size > 0 and #buf < OFFER_BYTES and is_plain(items:peek()) do
    local value, form = items:pop()
    n = n + 1
    lot.values[n], lot.forms[n] = value, form
    if form == BYTES then
      buf:put(value)
    else
      buf:encode(value)
    end
  end
  return n, 0, 0
end

local function pack_error(buf, err)
  buf:reset():encode({ code = err.code, message = err.message })
  return 1, 0, FLAG_ERROR
end

-- Anything else goes alone. What cannot be sent arrives as the error that says so.
local function pack_any(buf, lot, items, client)
  local value, form = items:pop()
  lot.values[1], lot.forms[1] = value, form
  if form == FAULT then
    return pack_error(buf, value)
  end
  local connection = client.connection
  local ok, format = pcall(connection.pack, buf, 1, value)
  lot.sent, connection.route.fresh = connection.route.fresh, nil -- also if the value lets go of them
  if not ok then
    return pack_error(buf, errors.wrap(format))
  end
  return 1, format, 0
end

--- Of an offer, at most max items that were not claimed; they are the first of the queue again.
---@return integer count
function Offers:take_back(lot, max)
  local count = cells.take_back(lot, max)
  for i = lot.n + count, lot.n + 1, -1 do
    self.core.items:push_front(lot.values[i], lot.forms[i])
    lot.values[i] = nil
  end
  return count
end

--- What was claimed has been got.
function Offers.drop() end

local function pack(self, wish, lot, max)
  local items, buf = self.core.items, self.buf:reset()
  if is_plain(items:peek()) then
    return pack_plain(buf, lot, items, max)
  end
  return pack_any(buf, lot, items, wish.client)
end

-- Gives at most max items, of which fibers wait for `wanted`. One for a TRY_GET is not counted as wanted.
local function offer(self, wish, max, wanted, flag)
  local lot, frame = { values = {}, forms = {} }, self.frame
  local n, format, flags = pack(self, wish, lot, max)
  local awaited = math.min(n, wanted)
  local demand = flag == 0 and awaited or 0
  local data, len = self.buf:ref()
  frame.kind, frame.flags, frame.fn = FRAME.TELL, flags + flag, self.core:number()
  frame.count, frame.first, frame.tag, frame.len = protocol.ITEMS, n, format + lshift(n, 8), len
  frame.aux = demand + protocol.EPOCH * wish.epoch
  if self:give(wish, lot, n, demand, frame, data) then
    lot.demand = awaited
    self.holder = n > awaited and wish.client or self.holder
    return true
  end
  for i = n, 1, -1 do
    self.core.items:push_front(lot.values[i], lot.forms[i])
  end
  return false
end

-- With a bound, no process has more than half of it in advance.
local function surplus_for(self, wish)
  local maxsize = self.core.maxsize
  local most = math.min(wish.ahead, self.limit)
  return maxsize > 0 and math.min(most, math.floor(maxsize / 2)) or most
end

--- Gives the first in line its items.
---@param wish aimp.shared.Wish
function Offers:serve(wish)
  local max, awaited = self:share_of(wish, surplus_for(self, wish), OFFER_MAX)
  offer(self, wish, max, awaited, 0)
end

-- ---- what clients say ----

-- What it asked for before it needs it; only in lots of which it needs no word that an item is claimed, as it
-- gives for others when that is read (wishes.lua).
local function offer_ahead(self, wish)
  local items, surplus = self.core.items, surplus_for(self, wish)
  if surplus > 0 and items.size > 0 and not wish.is_starved and is_plain(items:peek()) then
    offer(self, wish, surplus, 0, 0)
  end
end

--- Fibers of it wait for items, and it would take some more.
function Offers:want(client, count, ahead)
  local core, wish = self.core, self.by_client[client]
  wish:change(count)
  wish.ahead = math.min(ahead, OFFER_MAX)
  core:match()
  if count == 0 and self.line.size == 0 and (self.holder or client) == client then
    offer_ahead(self, wish)
  end
  if core.is_finished then
    self:tell(wish, protocol.FINISHED)
  end
end

--- Fewer of its fibers wait.
function Offers:unwant(client, count)
  self.by_client[client]:change(-count)
  self.core:match()
end

--- It wants one now or not at all.
function Offers:try(client)
  local wish, core = self.by_client[client], self.core
  if core:has_item(client) and offer(self, wish, 1, 1, protocol.TRY) then
    return
  end
  self:tell(wish, protocol.EMPTY)
end

--- All of an offer is claimed, or was taken back.
function Offers:done(client, cell, generation)
  local lot = self.by_client[client]:find(cell, generation)
  if lot then
    self:take_back(lot, lot.n)
    if lot.n == lot.given then
      self.limit = math.min(self.limit + 1, OFFER_MAX)
    end
    self:close(lot)
    self.core:match()
  end
end

--- It does not want what it has. It will not touch what is on its way either, or it would get that before
--- what it gives back; so all is taken, and what is given from now on has another epoch.
function Offers:give_back(client)
  local wish = self.by_client[client]
  wish.epoch = (wish.epoch + 1) % protocol.EPOCHS
  self:take_all(wish)
  self.core:match()
end

--- Somebody is to be given an item: the surplus that another has comes first.
---@param client? any  for whom; nil: for several
function Offers:recall(client)
  local holder = self.holder
  if holder and holder ~= client then
    local wish = self.by_client[holder]
    self.holder = nil
    if wish and self:take_surplus(wish) > 0 then
      self.limit = math.floor(self.limit / 4)
    end
  end
end

-- ---- telling ----

--- Tells a client something that has no payload.
function Offers:tell(wish, op)
  wish.client:post(op, self.core:number(), 0, 0, 0, nil, 0)
end

function Offers:tell_all(op)
  for _, wish in ipairs(self.list) do
    self:tell(wish, op)
  end
end

return M
