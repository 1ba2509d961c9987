--- What the methods of dictionaries are given, and what is wrong with it. Faults are raised at the user's
--- line; levels as in aimp.check.
-- SPDX-License-Identifier: MIT
local check = require("aimp.check")
local errors = require("aimp.errors")

local each = pairs -- LuaJIT 2.1 of March 2022 miscompiles loops that it knows by name to be over pairs()

local M = {}

local function is_key(key)
  local kind = type(key)
  return kind == "string" or kind == "boolean" or kind == "number" and key == key
end

local function describe(key)
  if key == nil then
    return "nothing"
  end
  return key ~= key and "NaN" or "a " .. type(key)
end

---@param class table  of dictionaries
function M.self(level, self, class, fname)
  if type(self) ~= "table" or getmetatable(self) ~= class then
    errors.raise_misuse(level + 2, "%s: not a Dict; call its methods with a colon, as in dict:get(key)",
      fname)
  end
end

--- The first argument.
function M.key(level, fname, key)
  if not is_key(key) then
    errors.raise_misuse(level + 2,
      "bad argument #1 to '%s' (a key is a string, a number other than NaN, or a boolean; got %s)", fname,
      describe(key))
  end
end

--- The second argument.
function M.value(level, fname, value)
  if value == nil then
    errors.raise_misuse(level + 2, "bad argument #2 to '%s' (expected a value, got nothing; "
      .. "dict:delete(key) removes an entry)", fname)
  end
end

---@param what string  where the entries stand
function M.entries(level, fname, what, entries)
  for key in each(entries) do
    if not is_key(key) then
      errors.raise_misuse(level + 2, "%s: a key of %s is %s; keys are strings, numbers or booleans",
        fname, what, describe(key))
    end
  end
end

local function ttl_fault(value)
  if value <= 0 then
    return ("must be more than 0 seconds (math.huge: for good), got %s"):format(tostring(value))
  end
end

--- Rule of an option that is a time to live.
M.ttl_rule = { type = "number", check = ttl_fault }

local entry_options = { ttl = M.ttl_rule }

--- The time to live that the options of a call say.
---@return number? seconds
function M.ttl_option(level, fname, options)
  if options == nil then
    return nil
  end
  local checked = check.options(level + 1, fname, options, entry_options)
  return checked.ttl
end

--- A time to live that is the second argument.
function M.ttl_argument(level, fname, seconds)
  check.arg(level + 1, fname, 2, seconds, "number")
  local fault = ttl_fault(seconds)
  if fault then
    errors.raise_misuse(level + 2, "bad argument #2 to '%s' (%s)", fname, fault)
  end
end

return M
