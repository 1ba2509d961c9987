--- The objects of aimp.Process and aimp.Worker: their fields, which are read and set like those of a plain
--- table, and the checks that they are what they should be.
-- SPDX-License-Identifier: MIT
local errors = require("aimp.errors")
local options_module = require("aimp.process.options")
local tasks = require("aimp.task")

local settable = options_module.settable

local M = {}

---@class aimp.process.Class  how Process and Worker differ
---@field name string         "Process"
---@field kind string         "process", for messages
---@field returns boolean     the target's results are sent back
---@field succeeded fun(call: aimp.Task): boolean  whether the exit status is to be 0
---@field metatable table     of the objects
---@field count integer       objects made so far

local is_class = {} -- by metatable

-- ---- checks ----

local function self_fault(self, method)
  if type(self) ~= "table" or not is_class[getmetatable(self)] then
    return ("process:%s: not a process; call it as process:%s()"):format(method, method)
  end
end

local function use_fault(self, method)
  return self_fault(self, method) or self._state == "closed"
    and ("%s:%s: %s is closed"):format(self._class.kind, method, self:_label()) or nil
end

--- Raises misuse at the caller of the public method that calls this.
function M.check_self(self, method)
  local fault = self_fault(self, method)
  if fault then
    errors.raise_misuse(3, "%s", fault)
  end
end

--- The same, also for one that was closed.
function M.check_usable(self, method)
  local fault = use_fault(self, method)
  if fault then
    errors.raise_misuse(3, "%s", fault)
  end
end

-- ---- fields ----

local fields = {
  name = function(self) return self._name end,
  daemon = function(self) return self._daemon end,
  pid = function(self) return self:_known_pid() end,
  exitcode = function(self) return self._exitcode or nil end,
}

local function read(self, name)
  local field = fields[name]
  if not field then
    return nil
  elseif self._state == "closed" and name ~= "name" then
    errors.raise_misuse(3, "%s is closed; it has no '%s' any more", self:_label(), name)
  end
  return (field(self))
end

local function refuse_write(self, name)
  if fields[name] then
    errors.raise_misuse(3, "%s: '%s' cannot be set", self:_label(), name)
  end
  local near = errors.nearest(name, { "name", "daemon" })
  errors.raise_misuse(3, "%s has no field '%s' to set%s", self:_label(), errors.describe(name),
    near and (", did you mean '" .. near .. "'?") or "")
end

local function write(self, name, value)
  local kind = settable[name]
  if not kind then
    refuse_write(self, name)
  elseif type(value) ~= kind then
    errors.raise_misuse(2, "%s: '%s' must be a %s, got a %s", self:_label(), name, kind, type(value))
  elseif self._state == "closed" then
    errors.raise_misuse(2, "%s is closed; '%s' cannot be set", self:_label(), name)
  elseif self._state ~= "new" then
    errors.raise_misuse(2, "%s: '%s' cannot be set after the start", self:_label(), name)
  end
  rawset(self, "_" .. name, value)
end

-- ---- objects ----

local function text_of(self)
  local pid = self:_current_pid()
  return ("aimp.%s: %s (%s%s)"):format(self._class.name, self._name, self._state,
    pid and ", pid " .. pid or "")
end

local function refuse_sending()
  error("a process cannot be sent; start one where it is needed", 0)
end

local function new_metatable(methods, class)
  return {
    __name = "aimp." .. class.name,
    __index = function(self, name)
      local value = methods[name]
      if value == nil then
        value = read(self, name)
      end
      return value
    end,
    __newindex = write,
    __tostring = text_of,
    __aimp_send = refuse_sending,
    __aimp_recv = refuse_sending,
  }
end

local classes = {} ---@type table<table, aimp.process.Class>  by their methods

--- Makes methods those of a class of objects.
---@param methods table
---@param class aimp.process.Class  without metatable and count, which are set here
function M.define(methods, class)
  class.metatable, class.count = new_metatable(methods, class), 0
  is_class[class.metatable], classes[methods] = true, class
end

---@param methods table
---@param options aimp.ProcessOptions  checked
function M.new(methods, options)
  local class = classes[methods]
  class.count = class.count + 1
  return setmetatable({
    _class = class, _options = options,
    _state = "new", -- see life.lua
    _name = options.name or ("%s-%d"):format(class.name, class.count), _daemon = options.daemon,
    _pid = false, _exitcode = false,
    _backend = false, _call = false, -- while it runs
    _outcome = tasks.new(),          -- ends with it
    _was_signalled = false,          -- by the script, which need not be told how it ended
  }, class.metatable)
end

return M
