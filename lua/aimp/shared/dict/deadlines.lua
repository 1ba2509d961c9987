--- Which keys end when: a binary heap that knows the place of each key, so that a deadline is moved or
--- taken back without a search. Times are whatever clock the caller uses; nothing here waits.
---
--- Invariants: due[i] <= due[2i], due[2i+1]; place[keys[i]] == i; size entries.
-- SPDX-License-Identifier: MIT
local M = {}

---@class aimp.dict.Deadlines
---@field size integer  keys that have a deadline; others only read it
local Deadlines = {}
Deadlines.__index = Deadlines

---@return aimp.dict.Deadlines
function M.new()
  return setmetatable({ size = 0, due = {}, keys = {}, place = {} }, Deadlines)
end

local function swap(heap, i, j)
  local due, keys, place = heap.due, heap.keys, heap.place
  due[i], due[j] = due[j], due[i]
  keys[i], keys[j] = keys[j], keys[i]
  place[keys[i]], place[keys[j]] = i, j
end

local function sift_up(heap, i)
  local due = heap.due
  while i > 1 do
    local parent = (i - i % 2) / 2
    if due[parent] <= due[i] then
      return
    end
    swap(heap, i, parent)
    i = parent
  end
end

local function sift_down(heap, i)
  local due = heap.due
  while 2 * i <= heap.size do
    local child = 2 * i
    if child < heap.size and due[child + 1] < due[child] then
      child = child + 1
    end
    if due[i] <= due[child] then
      return
    end
    swap(heap, i, child)
    i = child
  end
end

--- Gives a key its deadline, or another one.
function Deadlines:put(key, due)
  local i = self.place[key]
  if not i then
    i = self.size + 1
    self.size, self.keys[i], self.place[key] = i, key, i
  end
  self.due[i] = due
  sift_up(self, i)
  sift_down(self, self.place[key])
end

--- Takes a key's deadline back; one that has none is left alone.
function Deadlines:drop(key)
  local i = self.place[key]
  if not i then
    return
  end
  local last = self.size
  swap(self, i, last)
  self.due[last], self.keys[last], self.place[key] = nil, nil, nil
  self.size = last - 1
  if i < last then
    sift_up(self, i)
    sift_down(self, i)
  end
end

---@return number? due
function Deadlines:of(key)
  return self.due[self.place[key]]
end

---@return number? due  the earliest; nil: no key has one
---@return any key
function Deadlines:first()
  return self.due[1], self.keys[1]
end

return M
