-- SPDX-License-Identifier: MIT
--- Finds the way to a value that cannot be sent, for the error message. Runs only after a refusal: it looks
--- for the value from the top again, breadth first, so the hot code keeps no paths.
local bytecode = require("aimp.codec.bytecode")
local errors = require("aimp.errors")
local handles = require("aimp.codec.handles")
local names = require("aimp.codec.names")
local plain = require("aimp.codec.plain")

local type, getmetatable = type, debug.getmetatable
local each = pairs -- see plain.lua

local M = {}

local function source_line(info)
  local file = info.source:sub(1, 1) == "@" and io.open(info.source:sub(2))
  local text = not file and info.source:sub(1, 1) ~= "=" and info.source or nil
  local number = 0
  for line in (file and file:lines() or (text or ""):gmatch("([^\n]*)\n?")) do
    number = number + 1
    if number == info.linedefined then
      text = line
      break
    end
  end
  if file then
    file:close()
  end
  return number == info.linedefined and text or ""
end

local function name_in(line)
  return line:match("function%s+([%a_][%w_.:]*)") or line:match("([%a_][%w_.]*)%s*=%s*function")
end

--- "function 'name' (file:line)"; the name is a guess from the source line.
---@param fn function
---@return string
function M.describe_function(fn)
  local info = debug.getinfo(fn, "S")
  if info.what == "C" then
    return "C function"
  end
  local name = name_in(source_line(info))
  local place = ("(%s:%d)"):format(info.short_src, info.linedefined)
  return name and ("function '%s' %s"):format(name, place) or "function " .. place
end

local function describe_key(key)
  if type(key) == "string" and key:find("^[%a_][%w_]*$") then
    return key
  elseif type(key) == "string" then
    return ("[%q]"):format(key)
  end
  return "[" .. (plain.is_scalar(key) and tostring(key) or type(key)) .. "]"
end

-- ---- the search ----

-- Steps from one value to those that it holds. `found(value, label)` takes each.
local function table_steps(t, found)
  local metatable = getmetatable(t)
  for key, value in each(t) do
    found(value, describe_key(key))
    found(key, "a key")
  end
  if metatable then
    found(metatable, "metatable")
  end
end

local function function_steps(fn, found)
  if names.is_c_function(fn) then
    return
  end
  for i = 1, math.huge do
    local name, value = debug.getupvalue(fn, i)
    if not name then
      break
    end
    found(value, "upvalue '" .. name .. "'")
  end
  if debug.getfenv(fn) ~= _G then
    return
  end
  for _, name in ipairs(bytecode.globals_read(fn)) do
    if not names.own_globals[name] then
      found(rawget(_G, name), "global '" .. name .. "'")
    end
  end
end

local function steps(value, sent, found)
  local metatable = getmetatable(value)
  if sent[value] then
    found(sent[value].value, "__aimp_send")
    found(metatable, "metatable")
  elseif type(value) == "table" and not (metatable and handles.method(metatable, "__aimp_send")) then
    table_steps(value, found)
  elseif type(value) == "function" then
    function_steps(value, found)
  end
end

local function label_of(value, label, is_first)
  if type(value) == "function" and is_first then
    return label and label .. " → " .. M.describe_function(value) or M.describe_function(value)
  end
  return label
end

local function join(entry)
  local labels = {}
  while entry do
    table.insert(labels, 1, entry.label)
    entry = entry.from
  end
  return table.concat(labels, " → ")
end

-- The shortest way from the roots to the target; nil when there is none.
local function locate(target, roots, sent)
  local queue, seen = {}, {}
  local from, answer
  local function found(value, label)
    if plain.is_scalar(value) or seen[value] then
      return
    end
    seen[value] = true
    local shown = rawequal(value, target) and label or label_of(value, label, not from)
    local entry = { value = value, from = from, label = shown }
    queue[#queue + 1] = entry
    answer = answer or rawequal(value, target) and entry
  end
  for _, root in ipairs(roots) do
    found(root.value, root.label)
  end
  local at = 0
  while not answer and at < #queue do
    at = at + 1
    from = queue[at]
    if not names.index[from.value] then
      steps(from.value, sent, found)
    end
  end
  return answer and join(answer)
end

--- The error object for a refusal.
---@param refusal aimp.codec.Refusal
---@param roots { value: any, label: string? }[]  where the search starts
---@param sent table  what __aimp_send returned during the attempt, by object
---@return aimp.Error
function M.error_for(refusal, roots, sent)
  local way = locate(refusal.value, roots, sent) or "?"
  return errors.new("ENCODE", ("cannot send %s at %s"):format(refusal.what, way))
end

return M
