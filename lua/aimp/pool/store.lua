--- Results of a map between their arrival and their consumption.
---
--- A ring of slots over the items' indices (counted from 0): state, first value and, rarely, all
--- values. It is as large as the window of a stream, or grows to hold all. Once it holds all, slot i + 1 is
--- item i, so the table of values is the list that await() returns.
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local ffi = require("ffi")
local new_table = require("table.new")

local band = bit.band

---@class aimp.pool.Store
local Store = {}
Store.__index = Store

local M = {}

--- States of a slot.
M.MISSING, M.VALUE, M.FAILED, M.TAKEN = 0, 1, 2, 3
local MISSING, VALUE, FAILED, TAKEN = M.MISSING, M.VALUE, M.FAILED, M.TAKEN

local FIRST_CAPACITY = 256

---@return aimp.pool.Store
function M.new()
  return setmetatable({
    capacity = FIRST_CAPACITY,
    mask = FIRST_CAPACITY - 1,
    state = ffi.new("uint8_t[?]", FIRST_CAPACITY),
    values = new_table(FIRST_CAPACITY, 0),
    extra = nil,          -- slot -> all values of an item that has not exactly one
    first = 0,            -- items below are taken and forgotten
    arrivals = nil,       -- indices in order of arrival, when the consumer wants that order
    arrival_head = 0, arrival_tail = 0,
  }, Store)
end

local function copy_slots(self, from, last)
  for index = self.first, last do
    local old, new = band(index, from.mask), band(index, self.mask)
    self.state[new] = from.state[old]
    self.values[new + 1] = from.values[old + 1]
    if from.extra then
      self.extra[new + 1] = from.extra[old + 1]
    end
  end
end

--- Makes room for items up to `last`.
function Store:reserve(last)
  local needed = last - self.first + 1
  if needed <= self.capacity then
    return
  end
  local from = { mask = self.mask, state = self.state, values = self.values, extra = self.extra }
  local limit = self.first + self.capacity - 1
  while self.capacity < needed do
    self.capacity = self.capacity * 2
  end
  self.mask = self.capacity - 1
  self.state = ffi.new("uint8_t[?]", self.capacity)
  self.values = new_table(self.capacity, 0)
  self.extra = from.extra and {} or nil
  copy_slots(self, from, limit)
end

local function arrived(self, first, count)
  local list = self.arrivals
  if list then
    for index = first, first + count - 1 do
      self.arrival_tail = self.arrival_tail + 1
      list[self.arrival_tail] = index
    end
  end
end

function Store:store_numbers(first, count, numbers)
  local values, state, mask = self.values, self.state, self.mask
  for k = 0, count - 1 do
    local slot = band(first + k, mask)
    values[slot + 1] = numbers[k]
    state[slot] = VALUE
  end
  arrived(self, first, count)
end

function Store:store_nils(first, count)
  local state, mask = self.state, self.mask
  for k = 0, count - 1 do
    state[band(first + k, mask)] = VALUE
  end
  arrived(self, first, count)
end

function Store:store_list(first, count, list)
  local values, state, mask = self.values, self.state, self.mask
  for k = 0, count - 1 do
    local slot = band(first + k, mask)
    values[slot + 1] = list[k + 1]
    state[slot] = VALUE
  end
  arrived(self, first, count)
end

function Store:store_multi(first, count, lists)
  self.extra = self.extra or {}
  for k = 0, count - 1 do
    local slot, list = band(first + k, self.mask), lists[k + 1]
    self.values[slot + 1] = list[1]
    self.extra[slot + 1] = list
    self.state[slot] = VALUE
  end
  arrived(self, first, count)
end

function Store:store_failure(index, err)
  local slot = band(index, self.mask)
  self.values[slot + 1] = err
  self.state[slot] = FAILED
  arrived(self, index, 1)
end

function Store:state_of(index)
  return self.state[band(index, self.mask)]
end

--- From now on `next_arrived` tells what came, in the order in which it came.
function Store:track_arrivals(last)
  if self.arrivals then
    return
  end
  self.arrivals = {}
  for index = self.first, last do
    local state = self:state_of(index)
    if state == VALUE or state == FAILED then
      arrived(self, index, 1)
    end
  end
end

--- The index that arrived next; nil: none yet.
function Store:next_arrived()
  if self.arrival_head == self.arrival_tail then
    return nil
  end
  self.arrival_head = self.arrival_head + 1
  local index = self.arrivals[self.arrival_head]
  self.arrivals[self.arrival_head] = nil
  if self.arrival_head == self.arrival_tail then
    self.arrival_head, self.arrival_tail = 0, 0
  end
  return index
end

-- Items at the front that are taken need no slots any more.
local function forget_taken(self)
  local first, state, mask = self.first, self.state, self.mask
  while state[band(first, mask)] == TAKEN do
    state[band(first, mask)] = MISSING
    first = first + 1
  end
  self.first = first
end

--- Takes an item out: its state, its first value, and the list of all values if there is one.
function Store:take(index)
  local slot = band(index, self.mask)
  local state, value = self.state[slot], self.values[slot + 1]
  local extra = self.extra
  local all = extra and extra[slot + 1]
  if extra then
    extra[slot + 1] = nil
  end
  self.values[slot + 1] = nil
  self.state[slot] = TAKEN
  if index == self.first then
    forget_taken(self)
  end
  return state, value, all
end

--- Looks at an item without taking it.
function Store:peek(index)
  local slot = band(index, self.mask)
  return self.state[slot], self.values[slot + 1], self.extra and self.extra[slot + 1]
end

return M
