--- What a client holds through a process in the middle. The owner knows only that process, which releases
--- it when the client dies. For cores of this process there is nothing to do: they know who holds what.
-- SPDX-License-Identifier: MIT
local exports = require("aimp.shared.exports")

local M = {}

-- Without `first` any hold that this method ends.
local function remove(list, name, first)
  for i, hold in ipairs(list) do
    if hold.undo == name and (first == nil or hold.values[1] == first) then
      return table.remove(list, i)
    end
  end
end

local function remove_many(list, name, n)
  while n > 0 and remove(list, name) do
    n = n - 1
  end
end

-- What a core says first of a method that grants or ends something: a text is why it refused, false that
-- what it granted belongs to nobody.
local function note(entry, core, method, values, said)
  entry.holds = entry.holds or {}
  if type(said) == "string" then
    return
  elseif method.undo and said ~= false then
    table.insert(entry.holds, { undo = method.undo, values = values })
  elseif method.ends then
    remove_many(entry.holds, method.name, method.ends(unpack(values)))
  elseif not method.undo then
    remove(entry.holds, method.name, values[1])
  end
  if entry.is_released then -- the client died while it was served
    M.release(entry, core)
  end
end

--- Passes on the results of a method that was served.
---@param entry table   of the client's objects
---@param core table    a stub, or a core
---@param method aimp.shared.Method
---@param values any[]  its arguments
function M.note(entry, core, method, values, ...)
  if core.link then
    note(entry, core, method, values, (...))
  end
  return ...
end

--- The client is gone, or has let go of the object.
function M.release(entry, stub)
  local declaration = exports.declaration_of(entry.front)
  for _, hold in ipairs(entry.holds or {}) do
    local method = declaration.methods[hold.undo]
    stub.link:ask(method.op, stub.number, 0, #hold.values, unpack(hold.values))
  end
  entry.holds, entry.is_released = nil, true
end

return M
