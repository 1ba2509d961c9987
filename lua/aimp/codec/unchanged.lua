-- SPDX-License-Identifier: MIT
--- The quick answer to whether a function that was defined can be called as it is: its variables are
--- scalars and named values that did not change, or functions of which the same holds. On the path of every
--- call.
local rawequal, rawget, type, max = rawequal, rawget, type, math.max

local G = _G

local M = {}

-- Functions that call functions that call …: further than this a transaction has to look.
local MAX_CALLS = 50

-- 0 and -0 are equal and not the same.
local function is_same(value, last)
  return rawequal(value, last) and (type(value) ~= "number" or value ~= 0 or 1 / value == 1 / last)
end

local check

-- A variable that holds a function is unchanged when that is.
local function check_function(self, key, epoch, needs, depth)
  local record = self.records[key]
  if not record or not record.needs or depth > MAX_CALLS then
    return nil
  elseif record.epoch == epoch then
    return needs
  end
  return check(self, record, epoch, needs, depth + 1)
end

-- A cell that holds something complex has no getter; one that is never assigned needs none.
local function check_cell(self, cell, epoch, needs, depth)
  needs = max(needs, cell.pos)
  local get = cell.get
  if get then
    return is_same(get(), cell.value) and needs or nil
  end
  return cell.is_fixed and cell.ref and check_function(self, cell.ref, epoch, needs, depth) or nil
end

local function check_global(self, global, epoch, needs, depth)
  needs = max(needs, global.pos)
  local value = rawget(G, global.name)
  if is_same(value, global.value) then
    return needs
  elseif type(value) == "function" and self.key_of[value] == global.ref then
    return check_function(self, global.ref, epoch, needs, depth)
  end
end

function check(self, record, epoch, needs, depth)
  record.epoch = epoch
  needs = max(needs, record.needs)
  if record.is_static then
    return needs
  end
  local cells, globals = record.cells, record.globals
  for i = 1, #cells do
    needs = check_cell(self, cells[i], epoch, needs, depth)
    if not needs then
      return nil
    end
  end
  for i = 1, #globals do
    needs = check_global(self, globals[i], epoch, needs, depth)
    if not needs then
      return nil
    end
  end
  return needs
end

--- The position that a function needs that was defined before, or nil when a variable that it uses,
--- directly or through other functions, has changed or is not quickly compared. Compiles; no allocation.
---@param self aimp.codec.Captures
---@param record table
---@return integer?
function M.needs(self, record)
  local epoch = self.epoch + 1
  self.epoch = epoch
  return check(self, record, epoch, 0, 0)
end

return M
