--- What the text of a Lua file declares, and the documentation comments in front of it.
---
--- The code is not parsed: comments that begin a line with three dashes are, and the line that follows them.
--- Functions are known by the line of their `function`, which is also what the debug library knows them by.
-- SPDX-License-Identifier: MIT
local annotation = require("scripts.lib.docs.annotation")

local M = {}

---@class docs.Function
---@field file string
---@field line integer      1 is the first
---@field owner? string     the variable in front of "." or ":"
---@field key string        the name after it, or all of the name
---@field is_method boolean declared with ":"
---@field doc? docs.Annotation

---@class docs.Class  one declaration; a class may have several
---@field file string
---@field line integer
---@field name string
---@field variable? string  what the next line assigns: the table of the methods, or of the rules of options
---@field doc docs.Annotation

---@class docs.File
---@field path string
---@field variable? string             what the file returns
---@field functions table<integer, docs.Function>  by line
---@field values table<string, docs.Annotation>    of assignments, "M.codes"
---@field classes docs.Class[]
---@field aliases docs.Annotation[]

local function declared_function(line)
  local name = line:match("^%s*local%s+function%s+([%w_]+)") or line:match("^%s*function%s+([%w_.:]+)")
    or line:match("^%s*([%w_.]+)%s*=%s*function[%s(]")
  if name then
    local owner, mark, key = name:match("^(.*)([.:])([%w_]+)$")
    return { owner = owner, key = key or name, is_method = mark == ":" }
  elseif line:find("%f[%w_]function%f[^%w_]") then
    return { key = "", is_method = false } -- one without a name of its own
  end
end

-- The comment that ends in line `last`, taken apart, and its first line.
local function comment_above(lines, last)
  local first = last
  while first > 0 and lines[first]:match("^%s*%-%-%-") do
    first = first - 1
  end
  if first == last then
    return nil
  end
  local list = {}
  for i = first + 1, last do
    list[#list + 1] = lines[i]:match("^%s*%-%-%-(.*)$")
  end
  return annotation.read(list), first + 1
end

-- What stands on the line after a comment.
local function bind(file, number, line, doc, first)
  local fn = declared_function(line)
  local variable = line:match("^%s*local%s+([%w_]+)%s*=") or line:match("^%s*([%w_.]+)%s*=[^=]")
  fn = fn and fn.key ~= "" and fn or nil
  if doc.class then
    table.insert(file.classes, { file = file.path, line = first, name = doc.class.name, doc = doc,
      variable = not fn and variable or nil })
  elseif doc.alias then
    table.insert(file.aliases, doc)
  elseif variable and not fn then
    file.values[variable] = doc
  end
  if fn and not doc.class then
    file.functions[number].doc = doc
  end
end

---@param path string
---@param text string  of the file
---@return docs.File
function M.read(path, text)
  local lines = {}
  for line in (text:gsub("\n?$", "\n")):gmatch("(.-)\n") do
    lines[#lines + 1] = line
  end
  local file = { path = path, functions = {}, values = {}, classes = {}, aliases = {} }
  for number = 1, #lines + 1 do
    local line = lines[number] or ""
    local fn = declared_function(line)
    file.variable = line:match("^return ([%w_]+)$") or line:match("^return setmetatable%(([%w_]+)")
      or file.variable
    if fn then
      fn.file, fn.line, file.functions[number] = path, number, fn
    end
    if not line:match("^%s*%-%-%-") then
      local doc, first = comment_above(lines, number - 1)
      if doc then
        bind(file, number, line, doc, first)
      end
    end
  end
  return file
end

return M
