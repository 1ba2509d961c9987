--- The classes that the comments declare, joined with the tables that hold their methods at run time.
---
--- A class may be declared in several files, one for each table of its methods; it is one class all the same.
-- SPDX-License-Identifier: MIT
local lists = require("scripts.lib.docs.lists")

local M = {}

---@class docs.PublicClass
---@field name string
---@field text string
---@field parents string[]
---@field fields docs.Value[]
---@field hidden table<string, true>  names of private fields, and of methods that are declared as such
---@field overloads string[]
---@field examples string[]
---@field is_private? boolean
---@field entries docs.Entry[]        its public methods; model.lua fills it in
---@field tables table[]              of its methods
---@field declarations docs.Class[]
---@field file string                 where it is described
---@field line integer

local function new_class(declaration)
  return { name = declaration.name, file = declaration.file, line = declaration.line, text = "", parents = {},
    fields = {}, hidden = {}, overloads = {}, examples = {}, entries = {}, tables = {}, declarations = {} }
end

local function add_declaration(class, declaration)
  local doc = declaration.doc
  local text = doc.text ~= "" and doc.text or doc.class.text
  if class.text == "" and text ~= "" then
    class.text, class.file, class.line = text, declaration.file, declaration.line
  end
  lists.append(class.parents, doc.class.parents)
  lists.append(class.fields, doc.fields)
  lists.append(class.overloads, doc.overloads)
  lists.append(class.examples, doc.examples)
  for name in pairs(doc.hidden) do
    class.hidden[name] = true
  end
  class.is_private = class.is_private or doc.is_private
  class.declarations[#class.declarations + 1] = declaration
end

--- All that the files declare.
---@param files table<string, docs.File>
---@return table<string, docs.PublicClass>
function M.read(files)
  local classes = {}
  for _, path in ipairs(lists.keys(files)) do
    for _, declaration in ipairs(files[path].classes) do
      local class = classes[declaration.name] or new_class(declaration)
      classes[declaration.name] = class
      add_declaration(class, declaration)
    end
  end
  return classes
end

local function extends(classes, class, other)
  for _, parent in ipairs(class.parents) do
    if parent == other.name or classes[parent] and extends(classes, classes[parent], other) then
      return true
    end
  end
  return false
end

-- Methods of a class may have been copied into the table of one that extends it: that is the latter's.
local function claim(classes, class_of, class, methods)
  local owner = class_of[methods]
  if not owner or extends(classes, class, owner) then
    class_of[methods] = class
  end
end

--- Finds the tables of their methods.
---@param classes table<string, docs.PublicClass>
---@param survey docs.Survey
---@return table<table, docs.PublicClass> class_of  by such a table
function M.bind(classes, survey)
  local class_of = {}
  for _, name in ipairs(lists.keys(classes)) do
    for _, declaration in ipairs(classes[name].declarations) do
      local tables = declaration.variable and survey:tables_of(declaration.file, declaration.variable) or {}
      for _, methods in ipairs(tables) do
        claim(classes, class_of, classes[name], methods)
      end
    end
  end
  for _, methods in ipairs(survey.tables) do
    if class_of[methods] then
      table.insert(class_of[methods].tables, methods)
    end
  end
  return class_of
end

--- A name for an object of a class: "aimp.PoolResult" is used as `result`.
---@param name string
---@return string
function M.variable(name)
  return (name:match("(%u%l*)$") or name:match("[^.]+$")):lower()
end

return M
