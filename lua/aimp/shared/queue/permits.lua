--- Permits: leave to put into this process's queues without a bound, which another process has.
---
--- A process has one permit for all such queues, a lot (cells.lua) of more places than it will ever use, and
--- claims one for each put. Closing a queue revokes the permits of those who have it: from then on they can
--- claim nothing, and what they claimed before is counted when it comes. So nothing is put after the close,
--- although nobody was asked. Who finds its permit revoked says so and gets the next, which follows the news
--- of the close.
---
---   given ──revoke──► revoked ──what was claimed has come──► settled ──DONE_PERMIT──► closed, the next given
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local cells = require("aimp.shared.queue.cells")
local stubs = require("aimp.shared.stubs")

local FRAME = aimp_ffi.FRAME

local M = {}

local PLACES = 2 ^ 31

---@class aimp.shared.Permit : aimp.shared.Lot
---@field arrived integer  puts that came
---@field cores aimp.shared.QueueCore[]  closed, and waiting for the puts that were claimed

local frame = ffi.new("struct frame")

---@param client aimp.shared.Client
local function give(client)
  frame.kind, frame.flags, frame.fn, frame.tag, frame.len, frame.aux = FRAME.TELL, 0, 0, 0, 0, 0
  frame.first, frame.count = 0, stubs.PERMIT
  local permit = { arrived = 0, cores = {} }
  if cells.open(permit, client, PLACES, 0, frame, nil) then
    client.permit = permit
  elseif not client.is_gone then
    cells.when_free(client, function()
      give(client)
    end)
  end
end

--- The client has got a queue.
---@param client aimp.shared.Client
function M.ensure(client)
  if not client.has_permits then
    client.has_permits = true
    give(client)
  end
end

local function settle(permit)
  local cores = permit.cores
  permit.cores = {}
  for _, core in ipairs(cores) do
    core:settled(permit.client)
  end
end

--- The queue is closed.
---@param client aimp.shared.Client
---@param core aimp.shared.QueueCore
---@return boolean is_settled  false: puts are on their way; core:settled(client) tells when they have come
function M.revoke(client, core)
  local permit = client.permit
  if not permit then
    return true -- it waits for one
  end
  cells.take_back(permit, permit.n)
  if permit.arrived == permit.n then
    return true
  end
  table.insert(permit.cores, core)
  return false
end

--- A put has come.
---@return boolean is_permitted
function M.arrived(client, cell, generation)
  local permit = client.permit
  if not permit or permit.cell ~= cell or permit.generation ~= generation or permit.arrived >= permit.n then
    return false
  end
  permit.arrived = permit.arrived + 1
  return true
end

--- The put that came was taken in.
function M.taken(client)
  local permit = client.permit
  if permit.arrived == permit.n then
    settle(permit)
  end
end

--- The client can claim nothing any more, or has nothing to claim from.
function M.done(client, cell, generation)
  local permit = client.permit
  if permit and permit.cell == cell and permit.generation == generation then
    cells.take_back(permit, permit.n)
    client.permit = nil
    settle(permit)
    cells.close(permit)
    give(client)
  end
end

--- The client is gone.
function M.gone(client)
  if client.permit then
    settle(client.permit)
    client.permit = nil
  end
end

return M
