--- Items of a queue that are with other processes: given to them, and not yet known to be taken.
---
--- An offer is a lot of items (cells.lua). So each item is taken once, whoever dies when, and none lies with
--- a process that does not come to it while somebody else waits. The items of an offer are kept until the
--- process is done with it.
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local buffer = require("string.buffer")
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local cells = require("aimp.shared.queue.cells")
local protocol = require("aimp.shared.queue.protocol")
local waiting = require("aimp.shared.waiting")

local FRAME, FLAG_ERROR = aimp_ffi.FRAME, aimp_ffi.FLAG_ERROR
local lshift = bit.lshift
local each = pairs

local M = {}

local OFFER_MAX = 256
local OFFER_BYTES = 8192 -- an offer that is larger gets no more items

---@class aimp.shared.Wish  what a client wants
---@field client aimp.shared.Client
---@field want integer     items that fibers of it wait for
---@field ahead integer    items that it would take besides
---@field is_starved boolean  no cell was free
---@field waiter? aimp.shared.Waiter  its place in the line
---@field lots table<integer, aimp.shared.Lot>  by cell

---@class aimp.shared.Offers
---@field open integer  offers that are not done
local Offers = {}
Offers.__index = Offers

---@param core aimp.shared.QueueCore
---@return aimp.shared.Offers
function M.new(core)
  return setmetatable({ core = core, wishes = {}, open = 0, frame = ffi.new("struct frame"),
    buf = buffer.new() }, Offers)
end

---@param client aimp.shared.Client
function Offers:add_client(client)
  self.wishes[client] = self.wishes[client]
    or { client = client, want = 0, ahead = 0, lots = {}, is_starved = false }
end

-- ---- giving ----

-- What goes as plain data: bytes, or a scalar.
local function is_plain(value, encoded)
  return encoded or type(value) ~= "table" and type(value) ~= "function" and type(value) ~= "cdata"
end

local function pack_plain(buf, lot, items, max)
  local n = 0
  while n < max and items.size > 0 and #buf < OFFER_BYTES and is_plain(items:peek()) do
    local value, encoded = items:pop()
    n = n + 1
    lot.values[n], lot.encoded[n] = value, encoded
    if encoded then
      buf:put(value)
    else
      buf:encode(value)
    end
  end
  return n, 0, 0
end

-- Anything else goes alone. What cannot be sent arrives as the error that says so.
local function pack_any(buf, lot, items, client)
  local value = items:pop()
  lot.values[1], lot.encoded[1] = value, false
  local ok, format = pcall(client.connection.pack, buf, 1, value)
  if ok then
    return 1, format, 0
  end
  buf:reset():encode({ message = tostring(format.message or format) })
  return 1, 0, FLAG_ERROR
end

-- Items from the end of an offer are the first of the queue again.
local function reclaim(self, lot, count)
  for i = lot.n + count, lot.n + 1, -1 do
    self.core.items:push_front(lot.values[i], lot.encoded[i])
    lot.values[i] = nil
  end
end

local function take_back(self, lot, max)
  reclaim(self, lot, cells.take_back(lot, max))
end

local function send(self, wish, lot, n, tag, flags)
  local frame, data, len = self.frame, self.buf:ref()
  frame.kind, frame.flags, frame.fn = FRAME.TELL, flags, self.core:number()
  frame.first, frame.count, frame.tag, frame.len, frame.aux = n, protocol.ITEMS, tag, len, 0
  if not cells.open(lot, wish.client, n, frame, data) then
    lot.n = 0
    reclaim(self, lot, n)
    return 0
  end
  wish.lots[lot.cell] = lot
  self.open = self.open + 1
  return n
end

local function offer(self, wish, max, flag)
  local items, buf = self.core.items, self.buf:reset()
  local lot = { values = {}, encoded = {} }
  local n, format, flags
  if is_plain(items:peek()) then
    n, format, flags = pack_plain(buf, lot, items, max)
  else
    n, format, flags = pack_any(buf, lot, items, wish.client)
  end
  return send(self, wish, lot, n, format + lshift(n, 8), flags + flag)
end

local function leave_line(wish)
  if wish.waiter then
    waiting.leave(wish.waiter)
    wish.waiter = nil
  end
end

-- With a bound, no process has more than half of it in advance.
local function ahead_of(self, wish)
  local maxsize = self.core.maxsize
  return maxsize > 0 and math.min(wish.ahead, math.floor(maxsize / 2)) or wish.ahead
end

--- Gives the first in line its items: one, if others wait too. Who wants more goes to the end of the line.
---@param wish aimp.shared.Wish
function Offers:serve(wish)
  local getters = self.core.getters
  leave_line(wish)
  local max = getters.size > 0 and 1 or math.min(wish.want + ahead_of(self, wish), OFFER_MAX)
  local n = offer(self, wish, max, 0)
  wish.want = math.max(wish.want - n, 0)
  if n == 0 then
    wish.is_starved = true -- until a cell is free
  elseif wish.want > 0 then
    wish.waiter = getters:enlist(wish.client, wish)
  end
end

-- ---- what clients say ----

--- It wants items, and would take some more.
function Offers:want(client, count, ahead)
  local wish, core = self.wishes[client], self.core
  wish.ahead, wish.want = math.min(ahead, OFFER_MAX), wish.want + count
  if core.items.size == 0 and count > 0 then
    self:steal(false)
  end
  if wish.want > 0 and not wish.waiter then
    wish.waiter = core.getters:enlist(client, wish)
    core:match()
    core:watch()
  elseif count == 0 and core.items.size > 0 and core.getters.size == 0 and ahead_of(self, wish) > 0 then
    offer(self, wish, ahead_of(self, wish), 0)
  end
  if core.is_finished then
    self:tell(wish, protocol.FINISHED)
  end
end

--- It wants fewer.
function Offers:unwant(client, count)
  local wish = self.wishes[client]
  wish.want = math.max(wish.want - count, 0)
  if wish.want == 0 then
    leave_line(wish)
  end
end

--- It wants one now or not at all.
function Offers:try(client)
  local wish, core = self.wishes[client], self.core
  if core.items.size == 0 and core.getters.size == 0 then
    self:steal(false)
  end
  if core.items.size > 0 and core.getters.size == 0 and offer(self, wish, 1, protocol.TRY) == 1 then
    return
  end
  self:tell(wish, protocol.EMPTY)
end

--- It is done with an offer.
function Offers:done(client, cell, generation)
  local wish = self.wishes[client]
  local lot = wish.lots[cell]
  if not lot or lot.generation ~= generation then
    return
  end
  take_back(self, lot, lot.n) -- nothing, unless it lies
  cells.close(lot)
  wish.lots[cell] = nil
  self.open = self.open - 1
  if wish.is_starved then
    wish.is_starved = false
    wish.waiter = wish.want > 0 and self.core.getters:enlist(client, wish) or nil
  end
  self.core:match()
end

-- ---- taking back ----

--- Takes back half of what the process with the fullest offer has not claimed.
---@param even_last boolean  also when it is a single item
function Offers:steal(even_last)
  if self.open == 0 then
    return
  end
  local lot, left = cells.fullest(self.wishes)
  if lot and (left > 1 or even_last) then
    take_back(self, lot, math.ceil(left / 2))
  end
end

--- Items that no process has claimed.
---@return integer
function Offers:left()
  local left = 0
  if self.open > 0 then
    for _, wish in each(self.wishes) do
      for _, lot in each(wish.lots) do
        left = left + cells.left(lot)
      end
    end
  end
  return left
end

-- ---- ends ----

--- Tells a client something that has no payload.
function Offers:tell(wish, op)
  wish.client:post(op, self.core:number(), 0, 0, 0, nil, 0)
end

function Offers:tell_all(op)
  for _, wish in each(self.wishes) do
    self:tell(wish, op)
  end
end

--- The client is gone, or has let go of the queue: what it did not claim is first again, in order.
function Offers:remove_client(client)
  local wish = self.wishes[client]
  leave_line(wish)
  for _, lot in ipairs(cells.latest_first(wish.lots)) do
    take_back(self, lot, lot.n)
    cells.close(lot)
    self.open = self.open - 1
  end
  self.wishes[client] = nil
end

return M
