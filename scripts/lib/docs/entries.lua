--- The public functions: of modules, and the methods of classes.
---
--- Used by model.lua, which says what is public.
-- SPDX-License-Identifier: MIT
local annotation = require("scripts.lib.docs.annotation")
local classes_module = require("scripts.lib.docs.classes")
local lists = require("scripts.lib.docs.lists")
local survey_module = require("scripts.lib.docs.survey")

local M = {}

---@class docs.Entry  one public function
---@field name string       "aimp.spawn", "aimp.Pool:map"
---@field key string        "spawn"
---@field call string       how it is called: "aimp.spawn", "pool:map"
---@field fn function
---@field params string[]   without self
---@field is_method boolean
---@field doc docs.Annotation
---@field file string       of the function
---@field line integer
---@field class? docs.PublicClass
---@field declaration? docs.Function  nil: the text has no function there

local no_doc = annotation.read({})

-- The comment on an assignment to `variable.key` in a file.
local function value_doc(model, path, variable, key)
  local file = model.files[path or ""]
  return file and variable and file.values[variable .. "." .. key] or nil
end

-- fields: name, key, call, class; is_call: its first parameter is what is called.
local function new_entry(model, fn, doc, fields)
  local path, line = model.survey:place(fn)
  local params, declaration = survey_module.parameters(fn), model.survey:declaration(fn)
  local entry = {
    name = fields.name, key = fields.key, call = fields.call, class = fields.class, fn = fn, params = params,
    is_method = params[1] == "self", file = path or "?", line = line or 0, declaration = declaration,
    doc = doc or declaration and declaration.doc or no_doc,
  }
  if entry.is_method or fields.is_call then
    table.remove(params, 1)
  end
  if entry.doc.is_private then
    return nil
  end
  model.entries[#model.entries + 1] = entry
  return entry
end

-- Operators that are worth a description where they have one.
local operators = { __call = true, __len = true }

local function is_inherited(model, class, key, fn)
  for _, parent in ipairs(class.parents) do
    for _, methods in ipairs(model.all_classes[parent] and model.all_classes[parent].tables or {}) do
      if rawget(methods, key) == fn then
        return true
      end
    end
  end
  return false
end

local function method_doc(model, class, key, fn)
  for _, declaration in ipairs(class.declarations) do
    local doc = value_doc(model, declaration.file, declaration.variable, key)
    if doc then
      return doc
    end
  end
  local declaration = model.survey:declaration(fn)
  return declaration and declaration.doc
end

local function add_method(model, class, key, fn)
  local doc = method_doc(model, class, key, fn)
  local is_public = not key:find("^_") and not class.hidden[key] or operators[key] and doc
  if not is_public or is_inherited(model, class, key, fn) then
    return
  end
  local mark = survey_module.parameters(fn)[1] == "self" and ":" or "."
  local variable = classes_module.variable(class.name)
  class.entries[#class.entries + 1] = new_entry(model, fn, doc, { name = class.name .. mark .. key, key = key,
    class = class, call = operators[key] and variable or variable .. mark .. key })
end

--- Fills in the methods of a class.
---@param model docs.Model
---@param class docs.PublicClass
function M.add_methods(model, class)
  local seen = {}
  for _, methods in ipairs(class.tables) do
    for _, key in ipairs(lists.keys(methods)) do
      if type(methods[key]) == "function" and not seen[key] then
        seen[key] = true
        add_method(model, class, key, methods[key])
      end
    end
  end
end

--- A function of a module; nil when it is private.
---@param model docs.Model
---@param module docs.Module
---@param key string
---@param fn function
---@param is_call? boolean  fn is what calling the value does
---@return docs.Entry?
function M.of_module(model, module, key, fn, is_call)
  local name = module.name .. "." .. key
  local doc = not is_call and M.value_doc(model, module, key) or nil
  return new_entry(model, fn, doc, { name = name, key = key, call = name, is_call = is_call })
end

--- The comment on a value of a module, if there is one.
---@param model docs.Model
---@param module docs.Module
---@param key string
---@return docs.Annotation?
function M.value_doc(model, module, key)
  local file = model.files[module.path or ""]
  return value_doc(model, module.path, file and file.variable, key)
end

return M
