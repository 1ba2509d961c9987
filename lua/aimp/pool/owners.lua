--- The numbers under which the C side knows the owners of units, and their units. Methods of the backend.
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")

local FIRST_CAPACITY = 1024

---@class aimp.LocalBackend
local Local = {}

--- The fields that the methods here need, for the constructor.
function Local.no_owners()
  return {
    owners = {},             -- by number: a Task, a PoolResult, or false
    free_owners = {}, free_count = 0, owner_count = 0,
    units = ffi.new("uint64_t[?]", FIRST_CAPACITY), units_capacity = FIRST_CAPACITY,
  }
end

local function grow_units(self, count)
  local larger = ffi.new("uint64_t[?]", count)
  ffi.copy(larger, self.units, self.units_capacity * 8)
  self.units, self.units_capacity = larger, count
end

--- A number under which the C side speaks of the owner.
function Local:add_owner(owner)
  local id
  local free = self.free_count
  if free > 0 then
    id = self.free_owners[free]
    self.free_count = free - 1
  else
    id = self.owner_count + 1
    self.owner_count = id
    if id >= self.units_capacity then
      grow_units(self, self.units_capacity * 2)
    end
  end
  self.owners[id] = owner
  return id
end

function Local:remove_owner(id)
  self.owners[id] = false
  self.free_count = self.free_count + 1
  self.free_owners[self.free_count] = id
end

return Local
