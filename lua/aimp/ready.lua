-- SPDX-License-Identifier: MIT
--- The ready queue: one FIFO of what is to run next, for aimp.fiber.
---
--- A ring of slots in one Lua table, so that in the steady state nothing is allocated. An entry takes one
--- slot (a table) or three (a function and its two arguments); the type of the first slot tells.
local bit = require("bit")
local new_table = require("table.new")

local band = bit.band

local M = {}

local FIRST_CAPACITY = 1024

local ring, mask = new_table(FIRST_CAPACITY, 0), FIRST_CAPACITY - 1
local head, tail = 0, 0 -- both only grow; head <= tail <= head + capacity

local function grow()
  local capacity = (mask + 1) * 2
  local larger = new_table(capacity, 0)
  for i = head, tail - 1 do
    larger[band(i, capacity - 1) + 1] = ring[band(i, mask) + 1]
  end
  ring, mask = larger, capacity - 1
end

---@return boolean was_empty
function M.push(entry)
  if tail - head > mask then
    grow()
  end
  ring[band(tail, mask) + 1] = entry
  tail = tail + 1
  return tail - head == 1
end

---@return boolean was_empty
function M.push_call(fn, a, b)
  if tail - head + 2 > mask then
    grow()
  end
  local at = tail
  ring[band(at, mask) + 1] = fn
  ring[band(at + 1, mask) + 1] = a
  ring[band(at + 2, mask) + 1] = b
  tail = at + 3
  return at == head
end

--- Takes the next slot; the caller knows that there is one.
function M.pop()
  local slot = band(head, mask) + 1
  local entry = ring[slot]
  ring[slot] = nil
  head = head + 1
  return entry
end

function M.is_empty()
  return head == tail
end

return M
