--- Lots: a few items, or places for items, that one process was given and claims one by one (proc/pool.h).
---
--- Each lot has a claim cell in the memory that is shared with the process. What the process has not claimed
--- can be taken back at any time, whatever it does meanwhile. The cell is used again when the process has
--- said that it is done with it. Used by wishes.lua and permits.lua, in the owner of a queue.
-- SPDX-License-Identifier: MIT
local aimp_ffi = require("aimp.ffi")
local fiber = require("aimp.fiber")
local loop = require("aimp.loop")

local C = aimp_ffi.C

local M = {}

---@class aimp.shared.Lot
---@field client aimp.shared.Client
---@field cell integer
---@field generation integer
---@field n integer       items that were not taken back
---@field given integer   at first
---@field demand integer  of these, for fibers that waited for them
---@field serial integer  later lots have higher ones
---@field sent_at number  seconds

local last_serial = 0

local function place(lot)
  local connection = lot.client.connection
  return connection.backend.pool, connection.slot
end

--- Opens a lot of n items and sends its frame.
---@param lot table         becomes the lot
---@param client aimp.shared.Client
---@param n integer
---@param demand integer
---@param frame ffi.cdata*
---@return boolean opened  false: no cell is free, or nobody is there
function M.open(lot, client, n, demand, frame, data)
  lot.client, lot.n, lot.given, lot.demand = client, n, n, demand
  local pool, slot = place(lot)
  if C.aimp_pool_offer(pool, slot, n, frame, data) ~= 0 then
    return false
  end
  last_serial = last_serial + 1
  lot.cell, lot.generation, lot.serial, lot.sent_at = frame.cell, frame.generation, last_serial, loop.now()
  client.connection.backend:touch()
  return true
end

--- Takes back at most max from the end of what is not claimed.
---@return integer count
function M.take_back(lot, max)
  local pool, slot = place(lot)
  local count = C.aimp_pool_offer_take_back(pool, slot, lot.cell, math.min(max, lot.n))
  lot.n = lot.n - count
  return count
end

---@return integer  items that are not claimed
function M.left(lot)
  local pool, slot = place(lot)
  return C.aimp_pool_offer_left(pool, slot, lot.cell)
end

local function go_on(client)
  local waiting = client.without_cell
  client.without_cell = nil
  for _, resume in ipairs(waiting) do
    resume()
  end
end

--- The cell may be used again.
function M.close(lot)
  local pool, slot = place(lot)
  C.aimp_pool_offer_close(pool, slot, lot.cell, lot.generation)
  if lot.client.without_cell then
    fiber.soon(go_on, lot.client)
  end
end

--- Calls resume() some time after a cell of the client's was closed.
---@param client aimp.shared.Client
---@param resume fun()
function M.when_free(client, resume)
  client.without_cell = client.without_cell or {}
  table.insert(client.without_cell, resume)
end

return M
