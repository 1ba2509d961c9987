--- From a module to its pages and types, and what is wrong with its comments.
---
--- Used by main.lua for aimp, and by the specs for modules of their own.
-- SPDX-License-Identifier: MIT
local behaviour_module = require("scripts.lib.docs.behaviour")
local check_classes = require("scripts.lib.docs.check_classes")
local check_functions = require("scripts.lib.docs.check_functions")
local layout_module = require("scripts.lib.docs.layout")
local lists = require("scripts.lib.docs.lists")
local markdown = require("scripts.lib.docs.markdown")
local model_module = require("scripts.lib.docs.model")
local source = require("scripts.lib.docs.source")
local stubs = require("scripts.lib.docs.stubs")
local tree = require("scripts.lib.docs.tree")

local M = {}

---@class docs.Project
---@field module string      "aimp"
---@field root string        the checkout
---@field folder string      where modules are in it: "lua/", or ""
---@field pages docs.Page[]

local function read_files(project)
  local files = {}
  local path = project.folder .. project.module:gsub("%.", "/")
  for _, name in ipairs(tree.list(project.root, path)) do
    if name:find("%.lua$") then
      files[name] = source.read(name, tree.read(project.root .. "/" .. name))
    end
  end
  return files
end

local function check(model)
  local behaviour = behaviour_module.new(model)
  local function reporter(file, line, name)
    return function(fmt, ...)
      model:report("%s:%d: %s: %s", file, line, name, fmt:format(...))
    end
  end
  for _, entry in ipairs(model.entries) do
    check_functions.check(model, behaviour, entry, reporter(entry.file, entry.line, entry.name))
  end
  for _, name in ipairs(lists.keys(model.classes)) do
    local class = model.classes[name]
    check_classes.class(model, behaviour, class, reporter(class.file, class.line, name))
  end
  for _, module in ipairs(model.module_list) do
    check_classes.module(model, module, reporter(module.path or "?", 1, module.name))
  end
end

--- Documents a module.
---@param project docs.Project
---@return string[] problems
---@return { pages: table<string, string>, types: table<string, string> }? texts  by path; nil: none to be had
---@return docs.Model? model
function M.document(project)
  local model = model_module.build({ module = project.module, root = project.root,
    folder = project.folder, files = read_files(project) })
  local layout = layout_module.lay_out(model, project.pages)
  if model.survey.is_stale then -- everything is found by its line
    return { project.module .. ": functions are not where the sources have them; build aimprun again" }
  end
  check(model)
  table.sort(model.problems)
  if not model.is_whole then
    return model.problems -- its pages would lack what could not be loaded
  end
  return model.problems, { pages = markdown.pages(layout), types = stubs.files(model, layout) }, model
end

return M
