-- SPDX-License-Identifier: MIT
--- Checks arguments and options of public functions; a fault is raised at the user's line.
---
--- Levels: 1 means "called directly by the public function" and blames that function's caller; add one for
--- each function in between. Never tail-call these: a tail call removes the frame that the level counts.
local errors = require("aimp.errors")

-- LuaJIT 2.1 of March 2022 miscompiles loops that it knows by name to be over pairs().
local each = pairs

local M = {}

local function is_callable(value)
  if type(value) == "function" then
    return true
  end
  local meta = getmetatable(value)
  return type(meta) == "table" and type(rawget(meta, "__call")) == "function"
end

local function is_integer(value)
  return type(value) == "number" and value % 1 == 0 and value > -2 ^ 53 and value < 2 ^ 53
end

local function is_number(value)
  return type(value) == "number" and value == value
end

local function is_seconds(value)
  return type(value) == "number" and value >= 0 and value < math.huge
end

--- Kinds beyond Lua's own types: how they are tested and what they are called.
local kinds = {
  any = { test = function() return true end, text = "any value" },
  callable = { test = is_callable, text = "a function" },
  number = { test = is_number, text = "a number" },
  integer = { test = is_integer, text = "an integer" },
  seconds = { test = is_seconds, text = "a number of seconds, 0 or more" },
}

local articles = { integer = "an", ["nil"] = "" }

local function kind_text(kind)
  if kinds[kind] then
    return kinds[kind].text
  end
  return (articles[kind] or "a") .. " " .. kind
end

local function matches(value, kind)
  local known = kinds[kind]
  if known then
    return known.test(value)
  end
  return type(value) == kind
end

--- What was given, for a message: the value itself where it is short and telling.
local function given(value)
  if type(value) == "string" and #value <= 40 then
    return string.format("the string '%s'", value)
  elseif type(value) == "number" or type(value) == "boolean" then
    return tostring(value)
  end
  return type(value) == "nil" and "nothing" or "a " .. type(value)
end

--- Checks one argument; a kind that ends in "?" may be nil.
---@param level integer
---@param fname string  public name, "aimp.sleep"
---@param n integer     argument number
---@param value any
---@param kind string   a Lua type, "integer", "callable", "seconds" or "any"
---@return any value
function M.arg(level, fname, n, value, kind)
  if kind:sub(-1) == "?" then
    if value == nil then
      return nil
    end
    kind = kind:sub(1, -2)
  end
  if not matches(value, kind) then
    errors.raise_misuse(level + 2, "bad argument #%d to '%s' (expected %s, got %s)",
      n, fname, kind_text(kind), given(value))
  end
  return value
end

local function sorted_names(schema)
  local names = {}
  for name in pairs(schema) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function unknown_option(name, schema)
  local names = sorted_names(schema)
  local near = errors.nearest(name, names)
  if near then
    return string.format("unknown option '%s', did you mean '%s'?", errors.describe(name), near)
  end
  return string.format("unknown option '%s' (%s)", errors.describe(name),
    #names > 0 and "known: " .. table.concat(names, ", ") or "there are none")
end

local function is_choice(value, choices)
  for _, choice in ipairs(choices) do
    if value == choice then
      return true
    end
  end
  return false
end

local function choice_fault(value, choices)
  local near = errors.nearest(value, choices)
  local hint = near and string.format(", did you mean '%s'?", near) or ""
  return string.format("must be one of %s, got %s%s", table.concat(choices, ", "), given(value), hint)
end

--- Says what is wrong with a value, or nil.
local function option_fault(value, rule)
  if rule.type and not matches(value, rule.type) then
    return string.format("must be %s, got %s", kind_text(rule.type), given(value))
  elseif rule.min and value < rule.min then
    return string.format("must be at least %s, got %s", rule.min, given(value))
  elseif rule.max and value > rule.max then
    return string.format("must be at most %s, got %s", rule.max, given(value))
  elseif rule.choices and not is_choice(value, rule.choices) then
    return choice_fault(value, rule.choices)
  end
  return rule.check and rule.check(value)
end

---@class aimp.OptionRule
---@field type? string       as for `check.arg`
---@field min? number
---@field max? number
---@field default? any       not checked
---@field choices? string[]
---@field check? fun(value: any): string?  what is wrong, or nil

--- Checks an option table; nil counts as empty.
---@param level integer
---@param fname string
---@param opts any
---@param schema table<string, aimp.OptionRule>
---@return table options  a copy with the defaults filled in
function M.options(level, fname, opts, schema)
  if opts ~= nil and type(opts) ~= "table" then
    errors.raise_misuse(level + 2, "%s: options must be a table, got %s", fname, given(opts))
  end
  local result = {}
  for name, rule in each(schema) do
    result[name] = rule.default
  end
  for name, value in each(opts or {}) do
    local rule = schema[name]
    local fault = rule and option_fault(value, rule)
    if not rule then
      errors.raise_misuse(level + 2, "%s: %s", fname, unknown_option(name, schema))
    elseif fault then
      errors.raise_misuse(level + 2, "%s: option '%s' %s", fname, name, fault)
    end
    result[name] = value
  end
  return result
end

return M
