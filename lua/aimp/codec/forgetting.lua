-- SPDX-License-Identifier: MIT
--- Ends the definitions of functions and tables that were collected, and of the variables that only they
--- used.
local captures = require("aimp.codec.captures")
local wire = require("aimp.codec.wire")

local next, max = next, math.max
local each = pairs -- see plain.lua
local kind = wire.kind

local M = {}

-- Variables without functions that are kept in case another closure shares them, see `orphan`.
local MAX_ORPHANS = 256
-- Definitions between two sweeps, at least; otherwise as many as were left by the last one.
local MIN_SWEEP = 256

local function drop(self, record)
  self.records[record.key] = nil
  if record.pos > 0 then
    self.forget(record.key)
  end
end

local function drop_cell(self, cell)
  if self.cells[cell.id] == cell then
    self.cells[cell.id] = nil
  end
  drop(self, cell)
end

-- Another function may share the variable and be sent later; what the receiver stored in it must still be
-- there then. That the other exists cannot be known, so a bounded number of such variables is kept for a
-- while.
local function orphan(self, cell)
  if not cell.get then
    return drop_cell(self, cell)
  end
  self.last_orphan = self.last_orphan + 1
  self.orphans[self.last_orphan] = cell
  if self.last_orphan - self.first_orphan >= MAX_ORPHANS then
    local oldest = self.orphans[self.first_orphan]
    self.orphans[self.first_orphan] = nil
    self.first_orphan = self.first_orphan + 1
    if next(oldest.users) == nil and self.records[oldest.key] then
      drop_cell(self, oldest)
    end
  end
end

local function leave_cells(self, record)
  for _, cell in ipairs(record.cells) do
    if cell.users[record.key] then
      cell.users[record.key] = nil
    end
    if next(cell.users) == nil and self.records[cell.key] then
      orphan(self, cell)
    end
  end
end

-- A getter must not keep a value alive that has become complex since it was made.
local function check_getters(self)
  for _, cell in each(self.cells) do
    if cell.get and not captures.is_simple(cell.get()) then
      cell.get, cell.value = nil, captures.COMPLEX
    end
  end
end

--- Forgets the definitions of functions and tables that were collected.
---@param self aimp.codec.Captures
function M.sweep(self)
  check_getters(self)
  local count = 0
  for key, record in each(self.records) do
    local is_owned = record.kind == kind.FUNC or record.kind == kind.TABLE or record.kind == kind.NAMED
    if is_owned and not self.live[key] then
      drop(self, record)
      if record.cells then
        leave_cells(self, record)
      end
    else
      count = count + 1
    end
  end
  self.fresh, self.sweep_after = 0, count
end

--- Called after each transaction; forgets now and then, so that its cost is constant for each definition.
function M.sweep_if_due(self)
  if self.fresh > max(self.sweep_after, MIN_SWEEP) then
    M.sweep(self)
  end
end

return M
