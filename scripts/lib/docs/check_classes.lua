--- What public classes, options and modules must say, and that it is true.
---
--- `report(fmt, …)` adds a problem with the place in front.
-- SPDX-License-Identifier: MIT
local lists = require("scripts.lib.docs.lists")
local parts = require("scripts.lib.docs.check_parts")

local M = {}

-- ---- options ----

-- A table of rules, as check.options takes them.
local function is_schema(value)
  for _, rule in next, value or {} do
    if type(rule) ~= "table" or not (rule.type or rule.check or rule.choices) then
      return false
    end
  end
  return value ~= nil and next(value) ~= nil
end

local function check_default(field, rule, report)
  local default = rule.default
  local kind = type(default)
  if (kind == "number" or kind == "string" or default == true)
    and not field.text:find(tostring(default), 1, true) then
    report("field '%s' does not say its default, %s", field.name, tostring(default))
  end
end

-- The fields of a class and of those that it extends, by name.
local function all_fields(model, class, fields)
  for _, parent in ipairs(class.parents) do
    all_fields(model, model.all_classes[parent] or { parents = {}, fields = {} }, fields)
  end
  for _, field in ipairs(class.fields) do
    fields[field.name] = field
  end
  return fields
end

local function check_schema(model, class, schema, report)
  local fields = all_fields(model, class, {})
  for _, name in ipairs(lists.keys(fields)) do
    if schema[name] then
      check_default(fields[name], schema[name], report)
    else
      report("option '%s' is documented and not known", name)
    end
  end
  for _, name in ipairs(lists.keys(schema)) do
    if not fields[name] then
      report("option '%s' is not documented", name)
    end
  end
end

-- The rules behind the comment of a class; else those of a function that takes it.
local function schema_of(model, behaviour, class)
  for _, declaration in ipairs(class.declarations) do
    local name = declaration.file .. " " .. (declaration.variable or "")
    for _, value in ipairs(model.survey.values[name] or {}) do
      if is_schema(value) then
        return value
      end
    end
  end
  for _, entry in ipairs(model.entries) do
    for _, value in ipairs(entry.doc.params) do
      local schema = value.kind:match("^[%w_.]+") == class.name and behaviour:schema(entry) or nil
      if is_schema(schema) then
        return schema
      end
    end
  end
end

local function check_options(model, behaviour, class, report)
  if not class.name:find("Options$") then
    return
  end
  local schema = schema_of(model, behaviour, class)
  if schema then
    check_schema(model, class, schema, report)
  else
    report("no rules are found which it could be checked against: put it in front of the table")
  end
end

-- ---- classes ----

local function check_fields(model, class, report)
  local seen = {}
  for _, field in ipairs(class.fields) do
    if field.text == "" then
      report("field '%s' has no description", field.name)
    elseif seen[field.name] then
      report("field '%s' is there twice", field.name)
    end
    seen[field.name] = true
    parts.unit(field, "field", report)
    parts.kind(model, field.kind, report)
  end
  for _, entry in ipairs(class.entries) do
    if seen[entry.key] then
      report("'%s' is a field and a method", entry.key)
    end
  end
end

local function is_there(class, key)
  for _, methods in ipairs(class.tables) do
    if rawget(methods, key) ~= nil then
      return true
    end
  end
  return false
end

-- Methods that the text declares must be there.
local function check_declared(model, class, report)
  for _, declaration in ipairs(class.declarations) do
    for _, fn in pairs(model.files[declaration.file].functions) do
      if declaration.variable and fn.owner == declaration.variable and not fn.key:find("^_") then
        if not is_there(class, fn.key) then
          report("'%s' is declared in line %d and not there at run time", fn.key, fn.line)
        end
      end
    end
  end
end

---@param model docs.Model
---@param behaviour docs.Behaviour
---@param class docs.PublicClass
---@param report fun(fmt: string, ...)
function M.class(model, behaviour, class, report)
  if class.text == "" and not class.name:find("Options$") then
    report("has no description")
  end
  for _, declaration in ipairs(class.declarations) do
    for _, fault in ipairs(declaration.doc.faults) do
      report("%s", fault)
    end
  end
  for _, parent in ipairs(class.parents) do
    parts.kind(model, parent, report)
  end
  parts.names(model, class.text, report)
  parts.examples(model, class.examples, report)
  check_fields(model, class, report)
  check_declared(model, class, report)
  check_options(model, behaviour, class, report)
end

-- ---- modules ----

--- Values that are no functions, and fields that the module's class has.
---@param model docs.Model
---@param module docs.Module
---@param report fun(fmt: string, ...)
function M.module(model, module, report)
  for _, value in ipairs(module.values) do
    if value.doc.text == "" then
      report("%s has no description", value.name)
    elseif type(value.value) == "number" then
      parts.unit({ name = value.name, kind = "number", text = value.doc.text }, "value", report)
    end
  end
  local class = model.all_classes[module.name]
  for _, field in ipairs(class and class.fields or {}) do
    if module.keys[field.name] == nil then
      report("%s.%s is documented and not there", module.name, field.name)
    end
  end
end

return M
