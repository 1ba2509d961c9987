--- Writes the pages of docs/api.
-- SPDX-License-Identifier: MIT
local annotation = require("scripts.lib.docs.annotation")
local headings = require("scripts.lib.docs.headings")

local M = {}

local NOTE = "<!-- Made by scripts/docs from the comments in lua/aimp; change those. -->\n\n"

local Writer = {}
Writer.__index = Writer

function Writer:add(fmt, ...)
  self.lines[#self.lines + 1] = select("#", ...) > 0 and fmt:format(...) or fmt
end

-- ---- links ----

function Writer:link(name)
  local target = self.links[name]
  if not target then
    return nil
  end
  return (target.page == self.page and "" or target.page .. ".md") .. "#" .. target.anchor
end

local function code(text, in_table)
  return text == "" and "" or "`" .. (in_table and text:gsub("|", "\\|") or text) .. "`"
end

-- A type, with links to the classes in it.
function Writer:kind(kind, in_table)
  local parts, done = {}, 0
  for first, name, after in kind:gmatch("()([%a_][%w_]*%.[%w_.]*[%w_])()") do
    if self:link(name) then
      parts[#parts + 1] = code(kind:sub(done + 1, first - 1), in_table)
      parts[#parts + 1] = ("[`%s`](%s)"):format(name, self:link(name))
      done = after - 1
    end
  end
  parts[#parts + 1] = code(kind:sub(done + 1), in_table)
  return table.concat(parts)
end

-- ---- functions ----

-- "list [, opts]", as in the Lua manual.
local function parameter_list(entry)
  local text, depth = "", 0
  for i, name in ipairs(entry.params) do
    local value = entry.doc.params[i]
    local comma = i > 1 and ", " or ""
    if value and value.is_optional then
      text, depth = text .. (i > 1 and " [" or "[") .. comma .. name, depth + 1
    else
      text = text .. comma .. name
    end
  end
  return text .. ("]"):rep(depth)
end

local function result_list(entry)
  local names = {}
  for i, value in ipairs(entry.doc.returns) do
    names[i] = value.name or value.kind
  end
  return table.concat(names, ", ")
end

---@param entry docs.Entry
---@return string
function M.signature(entry)
  if entry.key == "__len" then
    return "#" .. entry.call
  elseif entry.key == "__call" and entry.class then
    return ("for %s in %s do"):format(result_list(entry), entry.call)
  end
  local results = result_list(entry)
  return ("%s(%s)%s"):format(entry.call, parameter_list(entry), results ~= "" and " → " .. results or "")
end

local function of_value(self, value)
  local name = value.name and ("`%s` "):format(value.name) or ""
  local text = value.text ~= "" and ": " .. value.text or ""
  return name .. self:kind(value.kind) .. text
end

function Writer:values(title, values)
  if #values == 0 then
    return
  end
  self:add("%s:\n", title)
  for _, value in ipairs(values) do
    self:add("- " .. of_value(self, value))
  end
  self:add("")
end

function Writer:examples(doc)
  for _, example in ipairs(doc.examples) do
    self:add("```lua")
    self:add(example)
    self:add("```\n")
  end
end

function Writer:doc(doc)
  if doc.text ~= "" then
    self:add(doc.text .. "\n")
  end
end

---@param level string  "##"
function Writer:entry(entry, level, heading)
  local doc = entry.doc
  self:add("%s %s\n", level, heading)
  self:add("`%s`%s\n", M.signature(entry), doc.is_async and " ⏳" or "")
  self:doc(doc)
  self:values("Parameters", doc.params)
  self:values("Returns", doc.returns)
  if doc.raises then
    self:add(doc.raises .. "\n")
  end
  self:examples(doc)
end

-- ---- classes, values ----

function Writer:fields(fields)
  if #fields == 0 then
    return
  end
  self:add("| field | type | |")
  self:add("|---|---|---|")
  for _, field in ipairs(fields) do
    self:add("| `%s` | %s | %s |", field.name, self:kind(field.kind, true), (field.text:gsub("|", "\\|")))
  end
  self:add("")
end

function Writer:class(item)
  local class = item.class
  self:add("## %s\n", headings.of_item(item))
  if #class.parents > 0 then
    local parents = {}
    for i, parent in ipairs(class.parents) do
      parents[i] = self:kind(parent)
    end
    self:add("Is also a %s.\n", table.concat(parents, ", "))
  end
  if class.text ~= "" then
    self:add(class.text .. "\n")
  end
  self:examples(class)
  self:fields(class.fields)
  for _, entry in ipairs(class.entries) do
    self:entry(entry, "###", headings.of_method(entry))
  end
end

function Writer:alias(item)
  self:add("## %s\n", item.name)
  self:doc(item.doc)
  if item.doc.alias.kind ~= "" then
    self:add(self:kind(item.doc.alias.kind) .. "\n")
  end
  for _, choice in ipairs(item.doc.alias.choices) do
    self:add("- `%s`: %s", choice.value, choice.text)
  end
  self:add("")
end

function Writer:item(item)
  if item.kind == "function" then
    self:entry(item.entry, "##", item.name)
  elseif item.kind == "class" then
    self:class(item)
  elseif item.kind == "alias" then
    self:alias(item)
  else
    self:add("## %s\n", item.name)
    self:doc(item.doc)
    self:examples(item.doc)
  end
end

-- ---- pages ----

local function text_of(writer)
  return (table.concat(writer.lines, "\n"):gsub("\n\n\n+", "\n\n"):gsub("\n*$", "\n"))
end

local function page_text(page, links)
  local self = setmetatable({ lines = {}, links = links, page = page.page.name }, Writer)
  self:add(NOTE .. "# %s\n", page.page.title)
  self:add(page.page.intro .. "\n")
  for _, item in ipairs(page.items) do
    self:item(item)
  end
  return text_of(self)
end

local function summary_of(item)
  local text = item.class and item.class.text or (item.entry or item).doc.text
  return annotation.first_sentence(text)
end

local function index_row(self, name, target, text, is_async)
  self:add("| [`%s`](%s)%s | %s |", name, target, is_async and " ⏳" or "", (text:gsub("|", "\\|")))
end

local function index_item(self, page, item)
  local file, heading = page.page.name .. ".md#", headings.of_item(item)
  local is_async = item.entry and item.entry.doc.is_async
  index_row(self, heading, file .. headings.anchor(heading), summary_of(item), is_async)
  for _, entry in ipairs(item.class and item.class.entries or {}) do
    heading = headings.of_method(entry)
    index_row(self, heading, file .. headings.anchor(heading), annotation.first_sentence(entry.doc.text),
      entry.doc.is_async)
  end
end

local function index_page(self, page)
  self:add("## [%s](%s.md)\n", page.page.title, page.page.name)
  self:add("| | |")
  self:add("|---|---|")
  for _, item in ipairs(page.items) do
    if not item.name:find("Options$") then
      index_item(self, page, item)
    end
  end
  self:add("")
end

local INTRO = [[
# The API of aimp

Made from the comments in the sources, and checked against the code. What ⏳ marks waits: it needs a
running task and lets the others go on meanwhile. Times are seconds. Misuse, such as a wrong argument,
raises a string at the caller's line, and is not named for each function; what else a function raises is
an [error object](errors.md) with a code.
]]

local function index_text(layout)
  local self = setmetatable({ lines = {}, links = {}, page = "README" }, Writer)
  self:add(NOTE .. INTRO)
  for _, page in ipairs(layout) do
    if #page.items > 0 then
      index_page(self, page)
    end
  end
  return text_of(self)
end

--- The text of each page, by its file's name.
---@param layout docs.PageOf[]
---@return table<string, string>
function M.pages(layout)
  local links, texts = headings.links(layout), {}
  for _, page in ipairs(layout) do
    if #page.items > 0 then
      texts[page.page.name .. ".md"] = page_text(page, links)
    end
  end
  texts["README.md"] = index_text(layout)
  return texts
end

return M
