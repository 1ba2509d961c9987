--- Items of a queue that are with other processes: given to them, and not yet known to be taken.
---
--- An offer is a few items in one frame with a claim cell (proc/pool.h). The process that got it claims the
--- items one by one; the owner may take back what is not claimed. So each item is taken once, whoever dies
--- when, and none lies with a process that does not come to it while somebody else waits.
---
--- The record of an offer, with its items, stays until the process has said that it is done with it.
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local buffer = require("string.buffer")
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local exports = require("aimp.shared.exports")
local protocol = require("aimp.shared.queue.protocol")
local waiting = require("aimp.shared.waiting")

local C, FRAME, FLAG_ERROR = aimp_ffi.C, aimp_ffi.FRAME, aimp_ffi.FLAG_ERROR
local lshift = bit.lshift
local each = pairs

local M = {}

local OFFER_MAX = 256
local OFFER_BYTES = 8192 -- an offer that is larger gets no more items

---@class aimp.shared.Wish  what a client wants
---@field client aimp.shared.Client
---@field want integer     items that fibers of it wait for
---@field ahead integer    items that it would take besides
---@field is_try boolean   it wants to know at once
---@field waiter? aimp.shared.Waiter  its place in the line
---@field offers table<integer, table>  by cell
---@field is_unaware boolean  it was told of the close and has not answered

---@class aimp.shared.Offers
local Offers = {}
Offers.__index = Offers

---@param core aimp.shared.QueueCore
---@return aimp.shared.Offers
function M.new(core)
  return setmetatable({ core = core, wishes = {}, open = 0, serial = 0, frame = ffi.new("struct frame"),
    buf = buffer.new() }, Offers)
end

---@param client aimp.shared.Client
function Offers:add_client(client)
  self.wishes[client] = self.wishes[client]
    or { client = client, want = 0, ahead = 0, offers = {}, is_unaware = false }
end

local function number(self)
  self.number = self.number or exports.number_of(exports.front_of(self.core))
  return self.number
end

-- ---- giving ----

-- What goes as plain data: bytes, or a scalar.
local function is_plain(value, encoded)
  return encoded or type(value) ~= "table" and type(value) ~= "function" and type(value) ~= "cdata"
end

local function pack_plain(buf, record, items, max)
  local n = 0
  while n < max and items.size > 0 and #buf < OFFER_BYTES and is_plain(items:peek()) do
    local value, encoded = items:pop()
    n = n + 1
    record.values[n], record.encoded[n] = value, encoded
    if encoded then
      buf:put(value)
    else
      buf:encode(value)
    end
  end
  return n, 0, 0
end

-- Anything else goes alone. What cannot be sent arrives as the error that says so.
local function pack_any(buf, record, items, client)
  local value = items:pop()
  record.values[1], record.encoded[1] = value, false
  local ok, format = pcall(client.connection.pack, buf, 1, value)
  if ok then
    return 1, format, 0
  end
  buf:reset():encode({ code = "ENCODE", message = tostring(format.message or format) })
  return 1, 0, FLAG_ERROR
end

local function take_back_all(self, record)
  local connection = record.client.connection
  local count = C.aimp_pool_offer_take_back(connection.backend.pool, connection.slot, record.cell, record.n)
  self:reclaim(record, count)
  return count
end

-- The items that the parent took back from the end of an offer are the first again.
function Offers:reclaim(record, count)
  for i = record.n, record.n - count + 1, -1 do
    self.core.items:push_front(record.values[i], record.encoded[i])
    record.values[i] = nil
  end
  record.n = record.n - count
end

local function send(self, wish, record, n, format, flags)
  local frame, client, buf = self.frame, wish.client, self.buf
  local connection = client.connection
  local data, len = buf:ref()
  frame.kind, frame.flags, frame.fn = FRAME.TELL, flags + (wish.is_try and protocol.TRY or 0), number(self)
  frame.first, frame.count, frame.tag, frame.len = n, protocol.ITEMS, format + lshift(n, 8), len
  frame.aux = 0
  local rc = C.aimp_pool_offer(connection.backend.pool, connection.slot, n, frame, data)
  record.n, record.cell, record.generation, record.client = n, frame.cell, frame.generation, client
  if rc ~= 0 then
    self:reclaim(record, n) -- no cell is free, or nobody is there
    return false
  end
  connection.backend:touch()
  self.open, self.serial = self.open + 1, self.serial + 1
  record.serial = self.serial
  wish.offers[record.cell] = record
  return true
end

local function offer(self, wish, max)
  local items, buf = self.core.items, self.buf:reset()
  local record = { values = {}, encoded = {} }
  local n, format, flags
  if is_plain(items:peek()) then
    n, format, flags = pack_plain(buf, record, items, max)
  else
    n, format, flags = pack_any(buf, record, items, wish.client)
  end
  return send(self, wish, record, n, format, flags) and n or 0
end

local function leave_line(wish)
  if wish.waiter then
    waiting.leave(wish.waiter)
    wish.waiter = nil
  end
end

--- Gives the first in line its items: one, if others wait too. Who wants more goes to the end of the line.
---@param wish aimp.shared.Wish
function Offers:serve(wish)
  local core = self.core
  leave_line(wish)
  local max = core.getters.size > 0 and 1 or math.min(wish.want + wish.ahead, OFFER_MAX)
  local n = offer(self, wish, core.maxsize > 0 and math.min(max, wish.want) or max)
  wish.want = math.max(wish.want - n, 0)
  if n == 0 then
    wish.is_starved = true -- until a cell is free
  elseif wish.want > 0 then
    wish.waiter = core.getters:enlist(wish.client, wish)
  end
end

-- ---- what clients say ----

--- It wants items, and would take some more.
function Offers:want(client, count, ahead)
  local wish = self.wishes[client]
  wish.ahead = math.min(ahead, OFFER_MAX)
  wish.want = wish.want + count
  local core = self.core
  if core.items.size == 0 and count > 0 then
    self:steal(false)
  end
  if wish.want > 0 and not wish.waiter then
    wish.waiter = core.getters:enlist(client, wish)
    core:match()
    core:watch()
  elseif count == 0 and core.items.size > 0 and core.getters.size == 0 and core.maxsize == 0 then
    offer(self, wish, wish.ahead)
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
  wish.is_try = true
  local given = core.items.size > 0 and core.getters.size == 0 and offer(self, wish, 1) == 1
  wish.is_try = false
  if not given then
    self:tell(wish, protocol.EMPTY)
  else
    core:match()
  end
end

--- It is done with an offer.
function Offers:done(client, cell, generation)
  local wish = self.wishes[client]
  local record, connection = wish.offers[cell], client.connection
  if not record or record.generation ~= generation then
    return
  end
  take_back_all(self, record) -- nothing is left, unless it lies
  C.aimp_pool_offer_close(connection.backend.pool, connection.slot, cell, generation)
  wish.offers[cell] = nil
  self.open = self.open - 1
  if wish.is_starved then
    wish.is_starved = false
    wish.waiter = wish.want > 0 and self.core.getters:enlist(client, wish) or nil
  end
  self.core:match()
end

-- ---- taking back ----

local function left_of(record)
  local connection = record.client.connection
  return C.aimp_pool_offer_left(connection.backend.pool, connection.slot, record.cell)
end

local function fullest(self)
  local best, most = nil, 0
  for _, wish in each(self.wishes) do
    for _, record in each(wish.offers) do
      local left = left_of(record)
      if left > most then
        best, most = record, left
      end
    end
  end
  return best, most
end

--- Takes back half of what the process with the fullest offer has not claimed.
---@param even_last boolean  also when it is a single item
function Offers:steal(even_last)
  if self.open == 0 then
    return
  end
  local record, left = fullest(self)
  if record and (left > 1 or even_last) then
    local connection = record.client.connection
    self:reclaim(record, C.aimp_pool_offer_take_back(connection.backend.pool, connection.slot, record.cell,
      math.ceil(left / 2)))
  end
end

--- Items that no process has claimed.
---@return integer
function Offers:left()
  local left = 0
  if self.open > 0 then
    for _, wish in each(self.wishes) do
      for _, record in each(wish.offers) do
        left = left + left_of(record)
      end
    end
  end
  return left
end

-- ---- ends ----

--- Tells a client something that has no payload.
function Offers:tell(wish, op)
  wish.client:post(op, number(self), 0, 0, 0, nil, 0)
end

function Offers:tell_closed()
  for _, wish in each(self.wishes) do
    wish.is_unaware = true
    self.core.unaware = self.core.unaware + 1
    self:tell(wish, protocol.CLOSED)
  end
end

function Offers:tell_finished()
  for _, wish in each(self.wishes) do
    self:tell(wish, protocol.FINISHED)
  end
end

--- The client has heard of the close: what it put before is here.
function Offers:aware(client)
  local wish = self.wishes[client]
  if wish.is_unaware then
    wish.is_unaware = false
    self.core.unaware = self.core.unaware - 1
    self.core:match()
  end
end

local function latest_first(wish)
  local records = {}
  for _, record in each(wish.offers) do
    records[#records + 1] = record
  end
  table.sort(records, function(a, b) return a.serial > b.serial end)
  return records
end

--- The client is gone, or has let go of the queue: what it did not claim is first again, in order.
function Offers:remove_client(client)
  local wish = self.wishes[client]
  if not wish then
    return
  end
  leave_line(wish)
  local pool, slot = client.connection.backend.pool, client.connection.slot
  for _, record in ipairs(latest_first(wish)) do
    take_back_all(self, record)
    C.aimp_pool_offer_close(pool, slot, record.cell, record.generation)
    self.open = self.open - 1
  end
  if wish.is_unaware then
    self.core.unaware = self.core.unaware - 1
  end
  self.wishes[client] = nil
end

return M
