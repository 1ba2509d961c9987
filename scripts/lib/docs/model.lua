--- The public API: what is there at run time, joined with what the comments say of it.
---
--- Public is: each key of the module, also those that it loads when they are first used; of the modules
--- among its values, the same; each class that the type or the text of something public names, with its
--- methods. Not public is what begins with "_" or says ---@private.
-- SPDX-License-Identifier: MIT
local annotation = require("scripts.lib.docs.annotation")
local classes_module = require("scripts.lib.docs.classes")
local entries = require("scripts.lib.docs.entries")
local lists = require("scripts.lib.docs.lists")
local modules_module = require("scripts.lib.docs.modules")
local survey_module = require("scripts.lib.docs.survey")
local types = require("scripts.lib.docs.types")

local M = {}

---@class docs.Options  what is documented
---@field module string                   "aimp"
---@field root string                     the folder that paths are from, as `require` finds files below it
---@field folder string                   where the module's file is: "lua/"
---@field files table<string, docs.File>  all its files, by path

---@class docs.Module
---@field name string
---@field path? string
---@field call? docs.Entry   the module can be called itself
---@field entries docs.Entry[]
---@field values { name: string, key: string, doc: docs.Annotation, value: any }[]
---@field modules docs.Module[]
---@field keys table<string, any>

---@class docs.Model
---@field name string
---@field modules table<string, docs.Module>           by name
---@field module_list docs.Module[]                    in the order in which they were found
---@field classes table<string, docs.PublicClass>      the public ones
---@field all_classes table<string, docs.PublicClass>
---@field class_of table<table, docs.PublicClass>      by the table of its methods
---@field aliases table<string, { doc: docs.Annotation, file: string }>
---@field used_aliases table<string, { doc: docs.Annotation, file: string }>
---@field entries docs.Entry[]                         all of them
---@field problems string[]
---@field is_whole boolean                              all that the module names could be loaded
---@field survey docs.Survey
---@field files table<string, docs.File>
---@field folder string
local Model = {}
Model.__index = Model

local no_doc = annotation.read({})

---@param fmt string
function Model:report(fmt, ...)
  self.problems[#self.problems + 1] = fmt:format(...)
end

-- ---- classes that become public ----

local publish_type

local function publish_text(self, text)
  types.each_name(text, function(name)
    if self.all_classes[name] then
      publish_type(self, name)
    end
  end)
end

local function publish_values(self, values)
  for _, value in ipairs(values) do
    publish_type(self, value.kind)
    publish_text(self, value.text)
  end
end

local function publish_doc(self, doc)
  publish_values(self, doc.params)
  publish_values(self, doc.returns)
  publish_text(self, doc.text)
  publish_text(self, doc.raises or "")
  publish_type(self, doc.kind or "")
end

local function publish_class(self, class)
  if self.classes[class.name] or class.is_private then
    return
  end
  self.classes[class.name] = class
  entries.add_methods(self, class)
  publish_values(self, class.fields)
  publish_text(self, class.text)
  for _, parent in ipairs(class.parents) do
    publish_type(self, parent)
  end
  for _, entry in ipairs(class.entries) do
    publish_doc(self, entry.doc)
  end
end

function publish_type(self, kind)
  types.each_name(kind, function(name)
    if self.all_classes[name] and not self.modules[name] then
      publish_class(self, self.all_classes[name])
    elseif self.aliases[name] then
      self.used_aliases[name] = self.aliases[name]
    end
  end)
end

-- ---- modules ----

local add_module

local function add_value(self, module, key, value)
  local doc = entries.value_doc(self, module, key) or no_doc
  if not doc.is_private then
    table.insert(module.values, { name = module.name .. "." .. key, key = key, doc = doc, value = value })
    publish_doc(self, doc)
  end
end

local function call_of(value)
  local meta = type(value) == "table" and getmetatable(value)
  local call = type(meta) == "table" and rawget(meta, "__call")
  return type(call) == "function" and call or nil
end

local function add_key(self, module, key, value)
  if type(value) == "function" then
    module.entries[#module.entries + 1] = entries.of_module(self, module, key, value)
  elseif self.class_of[value] then
    publish_class(self, self.class_of[value])
    local call = call_of(value) and entries.of_module(self, module, key, call_of(value), true)
    module.entries[#module.entries + 1] = call
  elseif type(value) == "table" and modules_module.has_functions(value) then
    local call = call_of(value) and entries.of_module(self, module, key, call_of(value), true)
    table.insert(module.modules, add_module(self, module.name .. "." .. key, value, call))
    module.entries[#module.entries + 1] = call
  else
    add_value(self, module, key, value)
  end
end

function add_module(self, name, value, call)
  local module = { name = name, call = call, entries = {}, values = {}, modules = {}, keys = self.keys[name],
    path = modules_module.path(self.files, self.folder, name) }
  module.keys = module.keys or modules_module.keys(name, value)
  self.modules[name] = module
  self.module_list[#self.module_list + 1] = module
  for _, key in ipairs(lists.keys(module.keys)) do
    if not key:find("^_") then
      add_key(self, module, key, module.keys[key])
    end
  end
  return module
end

local function read_aliases(self)
  for path, file in pairs(self.files) do
    for _, doc in ipairs(file.aliases) do
      self.aliases[doc.alias.name] = { doc = doc, file = path }
    end
  end
end

--- Loads the module and all that it names.
---@param options docs.Options
---@return docs.Model
function M.build(options)
  local self = setmetatable({
    name = options.module, folder = options.folder, files = options.files, problems = {}, entries = {},
    modules = {}, module_list = {}, classes = {}, aliases = {}, used_aliases = {}, keys = {},
  }, Model)
  local root = require(options.module)
  local lost
  self.keys[options.module], lost = modules_module.keys(options.module, root)
  lists.append(self.problems, lost)
  self.is_whole = #lost == 0
  self.survey = survey_module.new(options.root, options.files, modules_module.loaded(options.module))
  self.all_classes = classes_module.read(options.files)
  self.class_of = classes_module.bind(self.all_classes, self.survey)
  read_aliases(self)
  add_module(self, options.module, root)
  for _, module in ipairs(self.module_list) do
    for _, entry in ipairs(module.entries) do
      publish_doc(self, entry.doc)
    end
  end
  return self
end

return M
