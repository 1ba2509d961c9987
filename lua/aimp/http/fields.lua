-- SPDX-License-Identifier: MIT
--- The headers of a request: checked, merged and made into lines for curl.
---
--- A name or value that could end its line would let whoever chose it write headers of his own, so those
--- are refused, never repaired.
local M = {}

-- LuaJIT 2.1 of March 2022 miscompiles loops that it knows by name to be over pairs().
local each = pairs

local TOKEN = "^[%w!#$%%&'*+%-.^_`|~]+$"
local CONTROL = "[%z\1-\8\10-\31\127]"

--- Made from the body by curl; one that disagrees with it would desynchronise the connection.
local own = { ["content-length"] = true, ["transfer-encoding"] = true }

--- Not for another host than the one that they were meant for.
local private = { authorization = true, cookie = true, host = true, ["proxy-authorization"] = true }

---@param text string
---@return boolean
function M.is_token(text)
  return text:find(TOKEN) ~= nil
end

local function value_fault(name, value)
  if type(value) ~= "string" and type(value) ~= "number" then
    return string.format("header '%s': the value must be a string or a number, got a %s", name, type(value))
  elseif tostring(value):find(CONTROL) then
    return string.format("header '%s': the value has a control character", name)
  end
end

local function list_fault(name, list)
  for _, value in ipairs(list) do
    local fault = value_fault(name, value)
    if fault then
      return fault
    end
  end
end

local function field_fault(name, value)
  if type(name) ~= "string" then
    return "must have names that are strings"
  elseif not name:find(TOKEN) then
    return string.format("has %q, which is no header name", name)
  elseif own[name:lower()] then
    return string.format("has '%s', which is made from the body and cannot be set", name)
  elseif value == false then
    return nil
  elseif type(value) == "table" then
    return list_fault(name, value)
  end
  return value_fault(name, value)
end

--- What is wrong with a table of headers, or nil.
---@param headers table<string, string|number|false|(string|number)[]>
---@return string?
function M.fault(headers)
  for name, value in each(headers) do
    local fault = field_fault(name, value)
    if fault then
      return fault
    end
  end
end

--- Later tables win; false takes a header away.
---@return table<string, { name: string, value: any }> by_name  lower-case names
function M.merge(...)
  local merged = {}
  for i = 1, select("#", ...) do
    for name, value in each(select(i, ...) or {}) do
      merged[name:lower()] = { name = name, value = value }
    end
  end
  return merged
end

--- With those of a table that are not there yet; changes and returns it.
function M.merge_missing(merged, more)
  for name, value in each(more) do
    merged[name:lower()] = merged[name:lower()] or { name = name, value = value }
  end
  return merged
end

--- Without what another origin must not see.
function M.without_private(merged)
  local public = {}
  for key, field in each(merged) do
    public[key] = not private[key] and field or nil
  end
  return public
end

--- Without what described a body that is no longer sent.
function M.without_body(merged)
  local rest = {}
  for key, field in each(merged) do
    rest[key] = not key:find("^content%-") and field or nil
  end
  return rest
end

local function add_line(lines, name, value)
  value = tostring(value)
  lines[#lines + 1] = value == "" and name .. ";" or name .. ": " .. value -- curl's way to say "empty"
end

local function add_field(lines, field)
  if field.value == false then
    lines[#lines + 1] = field.name .. ":" -- curl's way to say "not at all"
  elseif type(field.value) == "table" then
    for _, value in ipairs(field.value) do
      add_line(lines, field.name, value)
    end
  else
    add_line(lines, field.name, field.value)
  end
end

--- Lines as curl takes them, sorted by name.
---@return string[]
function M.lines(merged)
  local keys, lines = {}, {}
  for key in each(merged) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    add_field(lines, merged[key])
  end
  return lines
end

return M
