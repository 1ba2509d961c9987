--- One documentation comment, taken apart: text, "Raises …", "Example: …", and the LuaCATS tags.
---
--- The text is Markdown. What a tag says may go on in lines that are indented under it.
-- SPDX-License-Identifier: MIT
local types = require("scripts.lib.docs.types")

local M = {}

---@class docs.Value  a parameter, a return value or a field
---@field name? string      return values may lack one
---@field is_optional boolean
---@field kind string       its type
---@field text string

---@class docs.Annotation
---@field text string          Markdown; "" when there is none
---@field raises? string       the paragraph that begins with "Raises"
---@field examples string[]    Lua code
---@field params docs.Value[]
---@field returns docs.Value[]
---@field fields docs.Value[]  public ones
---@field hidden table<string, true>  names of fields that are private
---@field overloads string[]
---@field generics string[]
---@field faults string[]      tags that cannot be read
---@field is_async? boolean
---@field is_private? boolean  not for users
---@field class? { name: string, parents: string[], text: string }
---@field alias? { name: string, kind: string, choices: { value: string, text: string }[] }
---@field kind? string         what ---@type says

local tags = {}

local function fault(doc, tag, rest)
  doc.faults[#doc.faults + 1] = ("cannot read ---@%s %s"):format(tag, rest)
end

-- `name? type  text`
local function named_value(rest)
  local name, mark, after = rest:match("^([%w_.]+)(%??)%s+(.*)$")
  local kind, text = types.take(after or "")
  return kind and { name = name, is_optional = mark == "?" or kind:sub(-1) == "?", kind = kind, text = text }
end

function tags.param(doc, rest)
  local value = named_value(rest)
  doc.params[#doc.params + 1] = value or fault(doc, "param", rest)
  return value
end

local hiding = { private = true, protected = true, package = true }

function tags.field(doc, rest)
  local visibility, after = rest:match("^(%l+)%s+(.*)$")
  if not hiding[visibility] then
    visibility, after = nil, rest
  end
  local key, key_kind = after:match("^(%b[])%s+(.*)$")
  local value = key and named_value("key " .. key_kind) or named_value(after)
  if not value then
    return fault(doc, "field", rest)
  end
  value.name = key or value.name
  if visibility or value.name:find("^_") then
    doc.hidden[value.name] = true
  else
    doc.fields[#doc.fields + 1] = value
  end
  return value
end

-- `type name  text`; a name is set off by two blanks or is all there is, else it is the text's first word.
tags["return"] = function(doc, rest)
  local kind, after = types.take(rest)
  if not kind then
    return fault(doc, "return", rest)
  end
  local name, text = after:match("^([%a_][%w_]*)%s%s+(.*)$")
  name = name or after:match("^[%a_][%w_]*$") or after:match("^%.%.%.")
  local value = { name = name, is_optional = kind:sub(-1) == "?", kind = kind,
    text = name and (text or after:sub(#name + 1):match("^%s*(.*)$")) or after }
  doc.returns[#doc.returns + 1] = value
  return value
end

function tags.class(doc, rest)
  local name, after = rest:gsub("^%b()%s*", ""):match("^([%a_][%w_.]*)(.*)$")
  local parents, text = {}, after
  local list = after:match("^%s*:%s*(.*)$")
  while list do
    local kind, more = types.take(list)
    parents[#parents + 1], text = kind, more
    list = more:match("^,%s*(.*)$")
  end
  doc.class = { name = name, parents = parents, text = text:match("^%s*(.-)%s*$") }
  return doc.class
end

function tags.alias(doc, rest)
  local name, after = rest:match("^([%a_][%w_.]*)%s*(.*)$")
  doc.alias = { name = name, kind = types.take(after) or "", choices = {} }
end

function tags.type(doc, rest)
  doc.kind = types.take(rest)
end

function tags.async(doc)
  doc.is_async = true
end

function tags.private(doc)
  doc.is_private = true
end
tags.protected, tags.package = tags.private, tags.private

function tags.overload(doc, rest)
  doc.overloads[#doc.overloads + 1] = rest
end

function tags.generic(doc, rest)
  doc.generics[#doc.generics + 1] = rest
end

-- Known to LuaCATS, and of no use here.
for _, name in ipairs({ "operator", "see", "nodiscard", "deprecated", "diagnostic", "cast", "as", "meta" }) do
  tags[name] = function() end
end

local function choice(doc, line)
  local value, text = line:match('^|%s*[+>]?%s*("[^"]*")%s*(.*)$')
  if not (doc.alias and value) then
    return fault(doc, "alias", line)
  end
  table.insert(doc.alias.choices, { value = value, text = text:match("^#?%s*(.-)%s*$") })
end

-- Reads the tags; gives the lines that are text.
local function read_tags(doc, lines)
  local text, last = {}, nil
  for _, line in ipairs(lines) do
    local tag, rest = line:match("^@(%a+)%s*(.-)%s*$")
    local more = last and line:match("^%s%s+(%S.*)$")
    if tag then
      last = (tags[tag] or function() fault(doc, tag, rest) end)(doc, rest)
    elseif line:match("^|") then
      choice(doc, line)
    elseif more then
      last.text = last.text .. (last.text == "" and "" or " ") .. more
    else
      if last and line:find("%S") then
        doc.faults[#doc.faults + 1] = "text behind a tag: indent it more, or put it in front:" .. line
      end
      last = nil
      text[#text + 1] = line:match("^%s?(.-)%s*$")
    end
  end
  return text
end

-- The lines from `first` on that are blank or indented by `indent`; gives the code and what comes next.
local function indented(text, first, indent)
  local code, last = {}, first - 1
  for i = first, #text do
    if text[i] ~= "" and text[i]:sub(1, #indent) ~= indent then
      break
    elseif text[i] ~= "" then
      last = i
    end
  end
  for i = first, last do
    code[#code + 1] = text[i]:sub(#indent + 1)
  end
  return table.concat(code, "\n"), last + 1
end

local function take_example(doc, text, i)
  local inline = text[i]:match("^Examples?:%s*`([^`]+)`$")
  local code, after = inline, i + 1
  if not inline then
    code, after = indented(text, i + 1, "    ")
  end
  doc.examples[#doc.examples + 1] = code
  return after
end

local function take_paragraph(text, i)
  local lines = {}
  while text[i] and text[i] ~= "" do
    lines[#lines + 1] = text[i]
    i = i + 1
  end
  return table.concat(lines, "\n"), i
end

-- Sorts paragraphs into text, raises and examples.
local function read_text(doc, text)
  local kept, i = {}, 1
  while i <= #text do
    local starts = i == 1 or text[i - 1] == "" or text[i]:find("^Example")
    if starts and text[i]:find("^Examples?:") then
      i = take_example(doc, text, i)
    elseif starts and text[i]:find("^Raises ") then
      doc.raises, i = take_paragraph(text, i)
    else
      kept[#kept + 1] = text[i]
      i = i + 1
    end
  end
  doc.text = table.concat(kept, "\n"):gsub("\n\n\n+", "\n\n"):match("^%s*(.-)%s*$")
end

---@param lines string[]  of a comment, without the three dashes
---@return docs.Annotation
function M.read(lines)
  local doc = { examples = {}, params = {}, returns = {}, fields = {}, hidden = {}, overloads = {},
    generics = {}, faults = {} }
  read_text(doc, read_tags(doc, lines))
  return doc
end

--- The first sentence of a text, on one line.
---@param text string
---@return string
function M.first_sentence(text)
  local line = (text:match("^(.-)\n\n") or text):gsub("\n", " ")
  return line:match("^(.-[.!?])%s") or line
end

return M
