--- Lots: a few items, or places for items, that one process was given and claims one by one (proc/pool.h).
---
--- Each lot has a claim cell in the memory that is shared with the process. What the process has not claimed
--- can be taken back at any time, whatever it does meanwhile. The cell is used again when the process has
--- said that it is done with it. Used by offers.lua and room.lua, in the owner of a queue.
-- SPDX-License-Identifier: MIT
local aimp_ffi = require("aimp.ffi")

local C = aimp_ffi.C
local each = pairs

local M = {}

---@class aimp.shared.Lot
---@field client aimp.shared.Client
---@field cell integer
---@field generation integer
---@field n integer       items that were not taken back
---@field given integer   at first
---@field serial integer  later lots have higher ones

local last_serial = 0

local function place(lot)
  local connection = lot.client.connection
  return connection.backend.pool, connection.slot
end

--- Opens a lot of n items and sends its frame. False: no cell is free, or nobody is there.
---@param lot table         becomes the lot
---@param client aimp.shared.Client
---@param n integer
---@param frame ffi.cdata*
---@return boolean
function M.open(lot, client, n, frame, data)
  lot.client, lot.n, lot.given = client, n, n
  local pool, slot = place(lot)
  if C.aimp_pool_offer(pool, slot, n, frame, data) ~= 0 then
    return false
  end
  last_serial = last_serial + 1
  lot.cell, lot.generation, lot.serial = frame.cell, frame.generation, last_serial
  client.connection.backend:touch()
  return true
end

--- Takes back at most max from the end of what is not claimed.
---@return integer count
function M.take_back(lot, max)
  local pool, slot = place(lot)
  local count = C.aimp_pool_offer_take_back(pool, slot, lot.cell, max)
  lot.n = lot.n - count
  return count
end

---@return integer  items that are not claimed
function M.left(lot)
  local pool, slot = place(lot)
  return C.aimp_pool_offer_left(pool, slot, lot.cell)
end

--- The cell may be used again.
function M.close(lot)
  local pool, slot = place(lot)
  C.aimp_pool_offer_close(pool, slot, lot.cell, lot.generation)
end

--- The lot with most left.
---@param wishes table<any, { lots: table<integer, aimp.shared.Lot> }>
---@return aimp.shared.Lot?
---@return integer left
function M.fullest(wishes)
  local best, most = nil, 0
  for _, wish in each(wishes) do
    for _, lot in each(wish.lots) do
      local left = M.left(lot)
      if left > most then
        best, most = lot, left
      end
    end
  end
  return best, most
end

---@param lots table<integer, aimp.shared.Lot>
---@return aimp.shared.Lot[]
function M.latest_first(lots)
  local list = {}
  for _, lot in each(lots) do
    list[#list + 1] = lot
  end
  table.sort(list, function(a, b) return a.serial > b.serial end)
  return list
end

return M
