-- SPDX-License-Identifier: MIT
--- From a path (names.lua) to the value that it names in this process.
local names = require("aimp.codec.names")

local type, rawget, tostring = type, rawget, tostring

local G, loaded = _G, package.loaded

local M = {}

local function split(path)
  local parts = {}
  for part in (path .. "\0"):gmatch("(.-)%z") do
    parts[#parts + 1] = part
  end
  return parts
end

-- The parts of paths that named something. Not of all: a worker can send any number of others.
local known_parts = {}

--- A path as people write it.
---@param path string
---@return string
function M.describe(path)
  return (path:gsub("^_G%z", ""):gsub("%z", "."))
end

-- The first value of a path, the place of the next part, and why there is none.
local function resolve_root(parts, may_load)
  local name = parts[1]
  if name == "_G" then
    if #parts == 1 then
      return G, 2
    end
    local value = names.pristine[parts[2]]
    if value == nil and may_load then
      value = rawget(G, parts[2]) -- this process may have a replacement of its own
    end
    return value, 3
  end
  -- While a module loads, package.loaded has a mark in its place.
  local present = loaded[name]
  if not may_load or present ~= nil and type(present) ~= "userdata" then
    return present, 2
  end
  local ok, value = pcall(G.require, name)
  if not ok then
    return nil, 0, "cannot load module '" .. name .. "': " .. tostring(value)
  end
  return value, 2
end

local function index_any(value, key)
  return value[key]
end

-- Modules may fill fields on first use; where nothing may be loaded only what is there counts.
local function field_of(value, key, may_load)
  if not may_load then
    return type(value) == "table" and rawget(value, key) or nil
  end
  local ok, field = pcall(index_any, value, key)
  return ok and field or nil
end

--- The value that a path names here.
---@param path string
---@param may_load boolean  whether a module that is not loaded is required
---@return any value        nil when there is none
---@return string? reason   set when there is none
function M.resolve(path, may_load)
  local parts = known_parts[path] or split(path)
  local value, at, reason = resolve_root(parts, may_load)
  if reason then
    return nil, reason
  end
  for i = at, #parts do
    if value ~= nil then
      value = field_of(value, parts[i], may_load)
    end
  end
  if value == nil then
    return nil, "'" .. M.describe(path) .. "' is not known in this process"
  end
  known_parts[path] = parts
  return value
end

return M
