--- Modules as their users see them: all their keys, loaded.
-- SPDX-License-Identifier: MIT
local lists = require("scripts.lib.docs.lists")

local M = {}

-- Names that a module loads when they are first used: the keys of what its __index calls `modules`.
local function lazy_names(module)
  local meta = getmetatable(module)
  local index = meta and rawget(meta, "__index")
  for i = 1, type(index) == "function" and math.huge or 0 do
    local name, value = debug.getupvalue(index, i)
    if not name then
      break
    elseif name == "modules" then
      return lists.keys(value)
    end
  end
  return {}
end

--- All keys of a module with their values.
---@param name string
---@param module table
---@return table<string, any> keys
---@return string[] problems  what cannot be loaded
function M.keys(name, module)
  local problems = {}
  for _, key in ipairs(lazy_names(module)) do
    local ok, value = pcall(function() return module[key] end)
    if not ok or value == nil then
      local reason = tostring(value):match("^[^\n]*")
      problems[#problems + 1] = ("%s.%s: cannot be loaded: %s"):format(name, key, reason)
    end
  end
  local keys = {}
  for key, value in next, module do
    keys[key] = value
  end
  return keys, problems
end

--- The values of package.loaded that belong to a module and to those below it.
---@param name string
---@return any[]
function M.loaded(name)
  local list = {}
  for _, other in ipairs(lists.keys(package.loaded)) do
    if other == name or other:sub(1, #name + 1) == name .. "." then
      list[#list + 1] = package.loaded[other]
    end
  end
  return list
end

--- The file of a module.
---@param files table<string, docs.File>
---@param folder string  that of the files' modules, "lua/" or ""
---@param name string
---@return string?
function M.path(files, folder, name)
  local path = folder .. name:gsub("%.", "/")
  return files[path .. ".lua"] and path .. ".lua" or files[path .. "/init.lua"] and path .. "/init.lua" or nil
end

--- Whether a table has functions by name, as modules and classes do.
---@param value table
---@return boolean
function M.has_functions(value)
  for key, item in next, value do
    if type(key) == "string" and type(item) == "function" then
      return true
    end
  end
  return false
end

return M
