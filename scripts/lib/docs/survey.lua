--- What is there at run time: every function and table that a set of modules holds, and where it was written.
---
--- Walks from the modules through fields, metatables and upvalues, so that classes that no module exports
--- are found too. Functions are known by file and line, as in source.lua.
-- SPDX-License-Identifier: MIT
local M = {}

---@class docs.Survey
---@field tables table[]                   those that hold functions, in the order in which they were found
---@field values table<string, table[]>    by "file name": tables that a file has in locals of that name
---@field is_stale boolean                 a function is not where the text has one
local Survey = {}
Survey.__index = Survey

--- The file, as a path from the root, and the line of a Lua function; nil for others.
---@param fn function
---@return string? path
---@return integer? line
function Survey:place(fn)
  local info = debug.getinfo(fn, "S")
  local path = info.source:match("^@(.*)$")
  if info.what == "C" or not path then
    return nil
  elseif path:sub(1, #self.root + 1) == self.root .. "/" then
    path = path:sub(#self.root + 2)
  end
  return path:gsub("^builtin:", "lua/"), info.linedefined
end

local function push(self, value)
  local kind = type(value)
  if (kind == "table" or kind == "function") and not self.seen[value] then
    self.seen[value] = true
    self.queue[#self.queue + 1] = value
  end
end

local function look_at_table(self, value)
  local has_function = false
  for key, item in next, value do
    push(self, key)
    push(self, item)
    has_function = has_function or type(key) == "string" and type(item) == "function"
  end
  local meta = debug.getmetatable(value)
  if meta then
    push(self, meta)
  end
  if has_function then
    self.tables[#self.tables + 1] = value
  end
end

local function note_value(self, name, value)
  local list = self.values[name] or {}
  self.values[name] = list
  for _, known in ipairs(list) do
    if known == value then
      return
    end
  end
  list[#list + 1] = value
end

local function look_at_function(self, fn)
  local path = self:place(fn)
  if not self.files[path or ""] then
    return -- somebody else's
  end
  self.is_stale = self.is_stale or not self:declaration(fn)
  for i = 1, math.huge do
    local name, value = debug.getupvalue(fn, i)
    if not name then
      return
    elseif type(value) == "table" then
      note_value(self, path .. " " .. name, value)
    end
    push(self, value)
  end
end

--- Looks at all that can be reached from some values.
---@param root string                       the folder that paths are from
---@param files table<string, docs.File>  those whose functions count
---@param values any[]
---@return docs.Survey
function M.new(root, files, values)
  local self = setmetatable({
    root = root, files = files, tables = {}, values = {}, is_stale = false, seen = {}, queue = {},
  }, Survey)
  for _, other in ipairs({ _G, package.loaded, debug.getregistry() }) do
    self.seen[other] = true -- the whole world hangs from these
  end
  for _, value in ipairs(values) do
    push(self, value)
  end
  local at = 1
  while self.queue[at] do
    local value = self.queue[at]
    if type(value) == "table" then
      look_at_table(self, value)
    else
      look_at_function(self, value)
    end
    at = at + 1
  end
  return self
end

--- What the text says of a function: its declaration, or nil where there is none on that line.
---@param fn function
---@return docs.Function?
function Survey:declaration(fn)
  local path, line = self:place(fn)
  local file = path and self.files[path]
  return file and file.functions[line]
end

-- Whether a table holds a method that a variable of a file declares.
local function holds_method(self, candidate, path, variable)
  for key, value in next, candidate do
    local fn = type(key) == "string" and type(value) == "function" and self:declaration(value)
    if fn and fn.file == path and fn.owner == variable and fn.key == key then
      return true
    end
  end
  return false
end

local function holders(self, candidates, path, variable)
  local found = {}
  for _, candidate in ipairs(candidates) do
    if holds_method(self, candidate, path, variable) then
      found[#found + 1] = candidate
    end
  end
  return found
end

--- The tables with the methods that a variable of a file declares: what the variable holds; where nothing has
--- captured it, all that have such a method, as those do into which it was copied.
---@param path string
---@param variable string
---@return table[]
function Survey:tables_of(path, variable)
  local captured = holders(self, self.values[path .. " " .. variable] or {}, path, variable)
  return captured[1] and captured or holders(self, self.tables, path, variable)
end

--- The parameters of a function as the compiler knows them; "..." is the last of those that vary.
---@param fn function
---@return string[]
function M.parameters(fn)
  local info, names = debug.getinfo(fn, "u"), {}
  for i = 1, info.nparams do
    names[i] = debug.getlocal(fn, i)
  end
  if info.isvararg then
    names[#names + 1] = "..."
  end
  return names
end

return M
