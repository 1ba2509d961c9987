-- SPDX-License-Identifier: MIT
--- Values that travel by name, because every process can find them itself: what is in package.loaded, what a
--- loaded module exports, and the globals that were there before the script ran.
---
--- A path is a module's name and up to three fields, joined by "\0"; the module "_G" stands for those
--- globals. The index maps values to paths. It is made from the modules that are loaded when a value is
--- looked up, and again when others are.
local clear = require("table.clear")
local ffi = require("ffi")
local util = require("jit.util")

local type, rawget, rawequal = type, rawget, rawequal
local each = pairs -- see plain.lua

local M = {}

local G, loaded = _G, package.loaded

local STANDARD_GLOBALS = {
  "_VERSION", "assert", "bit", "collectgarbage", "coroutine", "debug", "dofile", "error", "gcinfo", "getfenv",
  "getmetatable", "io", "ipairs", "jit", "load", "loadfile", "loadstring", "math", "module", "newproxy",
  "next", "os", "package", "pairs", "pcall", "print", "rawequal", "rawget", "rawlen", "rawset", "require",
  "select", "setfenv", "setmetatable", "string", "table", "tonumber", "tostring", "type", "unpack", "xpcall",
}
local STANDARD_MODULES = {
  "string", "table", "math", "os", "io", "debug", "coroutine", "package", "bit", "jit", "ffi", "jit.util",
  "jit.opt", "jit.profile", "string.buffer", "table.new", "table.clear",
}
-- A table of more entries than this is data: its fields are not indexed.
local MAX_FIELDS = 1000

local is_standard = {}
for _, name in ipairs(STANDARD_MODULES) do
  is_standard[name] = true
end

--- Values to their paths. Weak, so it keeps nothing alive; others only read it.
---@type table<any, string>
M.index = setmetatable({}, { __mode = "k" })
--- Globals that were there before the script, which every process has: name to value.
---@type table<string, any>
M.pristine = {}
--- Globals that each process has of its own; they are never sent.
M.own_globals = { _G = true, arg = true }

local index, pristine = M.index, M.pristine
local initial_modules = {} -- loaded in every process although no file need hold them
local indexed = {} -- package.loaded as the index knows it

---@param value any
---@return boolean  whether it is the lightuserdata NULL
function M.is_null(value)
  return type(value) == "userdata" and ffi.cast("void *", value) == nil
end

---@param fn function
---@return boolean
function M.is_c_function(fn)
  return util.funcinfo(fn).bytecodes == nil
end

-- Lua functions that aimp itself puts in the place of standard ones, in every process alike.
local own_source = debug.getinfo(1, "S").source:match("^(.*aimp)[/.]codec")

local function is_given(fn)
  return M.is_c_function(fn)
    or own_source ~= nil and debug.getinfo(fn, "S").source:sub(1, #own_source) == own_source
end

local function is_reference(value)
  local kind = type(value)
  return kind == "table" or kind == "function" or kind == "cdata" or kind == "userdata"
end

local function add(value, path)
  if is_reference(value) and not index[value] then
    index[value] = path
  end
end

-- ---- building the index ----

-- Whether every process can load the module: scripts also put tables of their own into package.loaded.
local loadable = {} -- names for which it was found out

local function has_file(name)
  local root = name:match("^[^.]+") or name
  return (package.searchpath(name, package.path) or package.searchpath(name, package.cpath)
    or package.searchpath(root, package.cpath)) ~= nil
end

local function is_loadable(name)
  local preload = package.preload[name]
  if is_standard[name] or initial_modules[name] or name:match("^aimp%f[%z.]")
    or type(preload) == "function" and M.is_c_function(preload) then
    return true
  end
  loadable[name] = loadable[name] or has_file(name)
  return loadable[name]
end

-- What a script adds to a standard library is the script's.
local function is_exported(module_name, value)
  return not is_standard[module_name] or type(value) ~= "function" or is_given(value)
end

local function each_field(t, visit)
  local count = 0
  for _ in each(t) do
    count = count + 1
  end
  if count > MAX_FIELDS then
    return
  end
  for key, value in each(t) do
    if type(key) == "string" and is_reference(value) and not key:find("\0", 1, true) then
      visit(key, value)
    end
  end
end

local function add_fields(module_name, prefix, t)
  each_field(t, function(key, value)
    if is_exported(module_name, value) then
      add(value, prefix .. "\0" .. key)
    end
  end)
end

local function add_class(module_name, path, class)
  add_fields(module_name, path, class)
  local methods = rawget(class, "__index")
  if type(methods) == "table" and methods ~= class then
    add_fields(module_name, path .. "\0__index", methods)
  end
end

-- Classes that the module exports, and the one that the module may be itself.
local function add_classes(module_name, module)
  if index[module] == module_name then
    add_class(module_name, module_name, module)
  end
  each_field(module, function(key, value)
    local path = module_name .. "\0" .. key
    if type(value) == "table" and value ~= loaded and index[value] == path then
      add_class(module_name, path, value)
    end
  end)
end

local function add_globals()
  index[G] = "_G"
  for name, value in each(pristine) do
    if not is_standard[name] then
      add(value, "_G\0" .. name)
    end
  end
end

local function standard_first(a, b)
  if is_standard[a] ~= is_standard[b] then
    return is_standard[a] or false
  end
  return a < b
end

local function module_names()
  local list = {}
  for name, value in each(loaded) do
    indexed[name] = value
    if type(name) == "string" and name ~= "_G" and is_reference(value) and not name:find("\0", 1, true)
      and is_loadable(name) then
      list[#list + 1] = name
    end
  end
  table.sort(list, standard_first)
  return list
end

-- Whole modules first, then their exports, then what is in those, so that every value gets its shortest path.
local function build()
  clear(index)
  clear(indexed)
  local list = module_names()
  add_globals()
  for _, name in ipairs(list) do
    add(loaded[name], name)
  end
  for _, name in ipairs(list) do
    if type(loaded[name]) == "table" then
      add_fields(name, name, loaded[name])
    end
  end
  for _, name in ipairs(list) do
    if type(loaded[name]) == "table" then
      add_classes(name, loaded[name])
    end
  end
end

--- Brings the index up to date; call before values are looked up that were not looked up before.
function M.refresh()
  for name, value in each(loaded) do
    if not rawequal(indexed[name], value) then
      return build()
    end
  end
end

-- ---- what was there before the script ----

--- Takes all globals and loaded modules of this moment as given in every process. Hosts that prepare a state
--- before the script runs (aimprun, its workers) call it then.
function M.snapshot()
  for name, value in each(G) do
    if type(name) == "string" and not M.own_globals[name] then
      pristine[name] = value
    end
  end
  for name in each(loaded) do
    initial_modules[name] = true
  end
  clear(indexed)
end

-- Where no host takes a snapshot the script may have run for long: only what a script cannot have made.
local function take_standard_globals()
  for _, name in ipairs(STANDARD_GLOBALS) do
    local value = rawget(G, name)
    if type(value) ~= "function" or name == "require" or is_given(value) then
      pristine[name] = value
    end
  end
end
take_standard_globals()

return M
