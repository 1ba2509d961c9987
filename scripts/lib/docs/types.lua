--- LuaCATS types: where one ends, which names stand in it.
---
--- Used by annotation.lua, which has to tell `---@param n integer  how many` apart, and by the checks. A
--- type is kept as its text; nothing here knows what a name means.
-- SPDX-License-Identifier: MIT
local M = {}

local take_union

local function skip(text, at)
  return text:match("^%s*()", at)
end

-- `fun(a: T): R1, R2`
local function take_function(text, at)
  at = text:match("^%b()()", at) or at
  local after = text:match("^%s*:%s*()", at)
  if not after then
    return at
  end
  at = take_union(text, after) or at
  while text:match("^%s*,", at) do
    at = take_union(text, text:match("^%s*,%s*()", at)) or at
  end
  return at
end

local function take_primary(text, at)
  local name, after = text:match("^([%a_][%w_.%-]*%*?)()", at)
  if name == "fun" then
    return take_function(text, after)
  elseif name == "async" and text:match("^%s+fun", after) then
    return take_primary(text, skip(text, after))
  elseif name then
    after = text:match("^(%.%.%.)", after - 3) and after or after
    return text:match("^%b<>()", after) or after
  end
  return text:match('^"[^"]*"()', at) or text:match("^'[^']*'()", at) or text:match("^`[^`]*`()", at)
    or text:match("^%b{}()", at) or text:match("^%b()()", at) or text:match("^%.%.%.()", at)
    or text:match("^%-?%d+()", at)
end

function take_union(text, at)
  at = take_primary(text, at)
  while at do
    local suffix = text:match("^%[%]()", at) or text:match("^%?()", at)
    local bar = text:match("^%s*|%s*()", at)
    if suffix then
      at = suffix
    elseif bar then
      return take_union(text, bar)
    else
      return at
    end
  end
  return nil
end

--- Splits "number?  seconds" into its type and the rest.
---@param text string
---@return string? kind  nil: there is no type
---@return string rest   without the blanks around it
function M.take(text)
  local first = skip(text, 1)
  local after = take_union(text, first)
  if not after then
    return nil, text
  end
  return text:sub(first, after - 1), (text:sub(after):match("^%s*(.-)%s*$"))
end

--- The members of a union, each without its "?": "number?" has "number" and "nil".
---@param kind string
---@return string[]
function M.members(kind)
  local list, at = {}, 1
  while at do
    local first = skip(kind, at)
    local after = take_primary(kind, first)
    if not after then
      break
    end
    while kind:match("^%[%]", after) do
      after = after + 2
    end
    list[#list + 1] = kind:sub(first, after - 1)
    if kind:match("^%?", after) then
      list[#list + 1], after = "nil", after + 1
    end
    at = kind:match("^%s*|()", after)
  end
  return list
end

--- Whether a value of this type is a quantity if it is a number: then it has a unit. What may be a string as
--- well is a name.
---@param kind string
---@return boolean
function M.is_number(kind)
  local found = false
  for _, member in ipairs(M.members(kind)) do
    local element = member:match("^(%a+)%[%]$") or member
    if element == "string" then
      return false
    end
    found = found or element == "number" or element == "integer"
  end
  return found
end

--- Calls fn(name) for each dotted name in a type: those of classes and aliases.
---@param kind string
---@param fn fun(name: string)
function M.each_name(kind, fn)
  for name in kind:gsub('"[^"]*"', ""):gmatch("[%a_][%w_]*%.[%w_.]*[%w_]") do
    fn(name)
  end
end

return M
