-- SPDX-License-Identifier: MIT
--- What the loop asks for progress beside the ready queue: pools, executors.
local M = {}

---@class aimp.Poller
---@field poll fun(self): boolean         does what is there to do; true when it was something; cheap
---@field busy fun(self): boolean         answers are outstanding
---@field sleep_begin fun(self): boolean  before the loop blocks; false: something came
---@field sleep_end fun(self)             after each sleep_begin, whatever that returned
---@field spin? fun(self): boolean        waits a very short time; true when something came

local pollers = {} ---@type aimp.Poller[]  replaced, never changed, as a poller may remove itself while asked

--- Called after each change with the number of pollers.
function M.on_change(_) end

---@param poller aimp.Poller
function M.add(poller)
  local list = { unpack(pollers) }
  list[#list + 1] = poller
  pollers = list
  M.on_change(#list)
end

---@param poller aimp.Poller
function M.remove(poller)
  local list = {}
  for _, p in ipairs(pollers) do
    if p ~= poller then
      list[#list + 1] = p
    end
  end
  pollers = list
  M.on_change(#list)
end

---@return integer
function M.count()
  return #pollers
end

---@return boolean progress
function M.poll()
  local list, progress = pollers, false
  for i = 1, #list do
    if list[i]:poll() then
      progress = true
    end
  end
  return progress
end

---@return boolean
function M.is_busy()
  for _, p in ipairs(pollers) do
    if p:busy() then
      return true
    end
  end
  return false
end

---@return boolean came
function M.spin()
  for _, p in ipairs(pollers) do
    if p.spin and p:busy() and p:spin() then
      return true
    end
  end
  return false
end

--- Prepares all for a block of the loop.
---@return boolean may_sleep
---@return aimp.Poller[] begun  for `sleep_end`
function M.sleep_begin()
  local begun = {}
  for i, p in ipairs(pollers) do
    begun[i] = p
    if not p:sleep_begin() then
      return false, begun
    end
  end
  return true, begun
end

---@param begun aimp.Poller[]
function M.sleep_end(begun)
  for _, p in ipairs(begun) do
    p:sleep_end()
  end
end

return M
