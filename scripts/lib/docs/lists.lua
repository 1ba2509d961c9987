--- What several files here do with lists and maps.
-- SPDX-License-Identifier: MIT
local M = {}

--- The keys of a map that are strings, sorted.
---@param map table<string, any>
---@return string[]
function M.keys(map)
  local keys = {}
  for key in next, map do
    if type(key) == "string" then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys)
  return keys
end

---@param list any[]
---@param more any[]
function M.append(list, more)
  for _, value in ipairs(more) do
    list[#list + 1] = value
  end
end

return M
