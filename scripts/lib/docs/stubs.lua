--- Writes types/: what editors with lua-language-server read instead of the sources, which load half of
--- their names when they are first used and put classes together from several files.
---
--- A module's functions are in a file that is named as the module is; classes are in one file a page, which
--- nothing can require.
-- SPDX-License-Identifier: MIT
local M = {}

local HEAD = [[
---@meta %s
-- SPDX-License-Identifier: MIT
-- Made by scripts/docs from the comments in lua/aimp; change those.
]]

local Writer = {}
Writer.__index = Writer

local function new_writer(meta)
  return setmetatable({ lines = { HEAD:format(meta) } }, Writer)
end

function Writer:add(line)
  self.lines[#self.lines + 1] = line
end

function Writer:comment(text)
  for line in (text .. "\n"):gmatch("(.-)\n") do
    self:add(line == "" and "---" or "--- " .. line)
  end
end

function Writer:text()
  return table.concat(self.lines, "\n"):gsub("\n\n\n+", "\n\n"):gsub("\n*$", "\n")
end

-- ---- functions ----

-- "fun(): ..." would have lua-language-server demand a result, "fun(): any?" allow no second one.
local function editor_type(kind)
  return (kind:gsub("%):%s*%.%.%.", "): any?, any?, any?"))
end

local function value_line(tag, value)
  local name = value.name and value.name .. (value.is_optional and tag == "param" and "?" or "") or nil
  local text = value.text ~= "" and " # " .. value.text or ""
  if tag == "return" then
    return ("---@return %s%s%s"):format(value.kind, name and " " .. name or "", text)
  end
  return ("---@%s %s %s%s"):format(tag, name, editor_type(value.kind), text)
end

function Writer:doc(doc)
  if doc.text ~= "" then
    self:comment(doc.text)
  end
  if doc.raises then
    self:comment("\n" .. doc.raises)
  end
  for _, code in ipairs(doc.examples) do
    self:comment("\n```lua\n" .. code .. "\n```")
  end
end

function Writer:tags(doc)
  if doc.is_async then
    self:add("---@async")
  end
  for _, generic in ipairs(doc.generics) do
    self:add("---@generic " .. generic)
  end
  for _, value in ipairs(doc.params) do
    self:add(value_line("param", value))
  end
  for _, value in ipairs(doc.returns) do
    self:add(value_line("return", value))
  end
  for _, overload in ipairs(doc.overloads) do
    self:add("---@overload " .. overload)
  end
end

---@param entry docs.Entry
---@param name string  "aimp.spawn", "Pool:map"
function Writer:entry(entry, name)
  self:doc(entry.doc)
  self:tags(entry.doc)
  self:add(("function %s(%s) end\n"):format(name, table.concat(entry.params, ", ")))
end

-- `fun(a: T, b?: T): R`, for what is called without being a function.
local function function_type(entry)
  local params, returns = {}, {}
  for i, value in ipairs(entry.doc.params) do
    local mark = value.is_optional and value.name ~= "..." and "?" or ""
    params[i] = ("%s%s: %s"):format(value.name, mark, value.kind)
  end
  for i, value in ipairs(entry.doc.returns) do
    returns[i] = value.kind
  end
  return ("%sfun(%s)%s"):format(entry.doc.is_async and "async " or "", table.concat(params, ", "),
    #returns > 0 and ": " .. table.concat(returns, ", ") or "")
end

-- ---- classes ----

function Writer:fields(fields)
  for _, field in ipairs(fields) do
    local mark = field.is_optional and not field.name:find("^%[") and "?" or ""
    local text = field.text ~= "" and " # " .. field.text or ""
    self:add(("---@field %s%s %s%s"):format(field.name, mark, field.kind, text))
  end
end

function Writer:class_head(name, class, call)
  if class then
    self:doc(class)
  end
  local parents = class and #class.parents > 0 and ": " .. table.concat(class.parents, ", ") or ""
  self:add(("---@class %s%s"):format(name, parents))
  self:fields(class and class.fields or {})
  if call then
    self:add("---@overload " .. function_type(call))
  end
end

local function operator(class, key)
  for _, entry in ipairs(class.entries) do
    if entry.key == key then
      return entry
    end
  end
end

function Writer:class(class)
  self:class_head(class.name, class, operator(class, "__call"))
  if operator(class, "__len") then
    self:add("---@operator len: integer")
  end
  if #class.entries > 0 then
    local variable = class.name:match("[^.]+$")
    self:add(("local %s = {}\n"):format(variable))
    for _, entry in ipairs(class.entries) do
      if not entry.key:find("^__") then
        self:entry(entry, variable .. (entry.is_method and ":" or ".") .. entry.key)
      end
    end
  end
  self:add("")
end

function Writer:alias(item)
  self:doc(item.doc)
  local kind = editor_type(item.doc.alias.kind)
  self:add("---@alias " .. item.name .. (kind ~= "" and " " .. kind or ""))
  for _, choice in ipairs(item.doc.alias.choices) do
    self:add(("---| %s # %s"):format(choice.value, choice.text))
  end
  self:add("")
end

-- ---- files ----

local function module_text(model, module)
  local self = new_writer(module.name)
  local variable = module.name:match("[^.]+$")
  local class = model.all_classes[module.name]
  local bare = { text = "", parents = {}, fields = {}, examples = {} } -- its fields are below
  self:class_head(module.name, class and bare, module.call)
  self:add(("local %s = {}\n"):format(variable))
  for _, value in ipairs(module.values) do
    self:doc(value.doc)
    self:add("---@type " .. (value.doc.kind or "any"))
    self:add(("%s.%s = nil\n"):format(variable, value.key))
  end
  for _, entry in ipairs(module.entries) do
    if not model.modules[entry.name] then
      self:entry(entry, variable .. "." .. entry.key)
    end
  end
  for _, other in ipairs(module.modules) do
    if other.call then
      self:doc(other.call.doc)
    end
    self:add(("%s.%s = require(%q)\n"):format(variable, other.name:match("[^.]+$"), other.name))
  end
  self:add("return " .. variable)
  return self:text()
end

local function page_text(page)
  local self = new_writer("_")
  for _, item in ipairs(page.items) do
    if item.kind == "class" then
      self:class(item.class)
    elseif item.kind == "alias" then
      self:alias(item)
    end
  end
  return #self.lines > 1 and self:text() or nil
end

--- The text of each file, by its path below types/.
---@param model docs.Model
---@param layout docs.PageOf[]
---@return table<string, string>
function M.files(model, layout)
  local files = {}
  for _, module in ipairs(model.module_list) do
    local path = module.name:gsub("%.", "/")
    files[#module.modules > 0 and path .. "/init.lua" or path .. ".lua"] = module_text(model, module)
  end
  for _, page in ipairs(layout) do
    files[("%s/classes/%s.lua"):format(model.name, page.page.name)] = page_text(page)
  end
  return files
end

return M
