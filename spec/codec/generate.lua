-- SPDX-License-Identifier: MIT
--- Random values for the codec's specs: the same ones for the same seed.
local ffi = require("ffi")

local M = {}

local CLASSES = {}
for i = 1, 3 do
  local class = { name = "class " .. i }
  class.__index = class
  CLASSES[i] = class
end
M.CLASSES = CLASSES

-- Park and Miller: the same on every machine, unlike math.random.
local function new_random(seed)
  local state = seed % 2147483646 + 1
  return function(n)
    state = state * 16807 % 2147483647
    return state % n + 1
  end
end
M.new_random = new_random

local NUMBERS = {
  0, -0.0, 1, -1, 0.1, 1e300, -1e-300, 1 / 0, -1 / 0, 0 / 0, 2 ^ 31, -2 ^ 31, 2 ^ 53, 255, 65536,
}

local scalar = {
  function() return true end,
  function() return false end,
  function(random) return NUMBERS[random(#NUMBERS)] end,
  function(random) return random(1000000) / 7 end,
  function(random) return ("x"):rep(random(20) - 1) end,
  function() return "nul\0and\255bytes\n" end,
  function(random) return ("long "):rep(random(4000)) end,
  function(random) return ffi.new("int64_t", -random(1e9)) * 1000000007LL end,
  function(random) return ffi.new("uint64_t", random(1e9)) * 0x100000001ULL end,
  function(random) return ffi.new("complex", random(10), -random(10)) end,
}

local KEYS = { "a", "b", "key with space", 1, 2, 3, 5, 100, -1, 0, 0.5, true, false, "\0", 2 ^ 40 }

local function new_table(state, depth)
  local t = {}
  state.tables[#state.tables + 1] = t
  if state.with_classes and state.random(8) == 1 then
    setmetatable(t, CLASSES[state.random(#CLASSES)])
  end
  for _ = 1, state.random(6) - 1 do
    local value = M.value_in(state, depth + 1)
    local key = state.random(3) == 1 and #t + 1 or KEYS[state.random(#KEYS)]
    t[key] = value
  end
  if state.with_sharing and state.random(6) == 1 then
    t.a = type(t.a) == "table" and t.a or t
    t[t.a] = state.random(10)
  end
  return t
end

function M.value_in(state, depth)
  local random = state.random
  if state.with_sharing and #state.tables > 0 and random(6) == 1 then
    return state.tables[random(#state.tables)]
  elseif depth < 6 and random(5) <= 3 then
    return new_table(state, depth)
  end
  return scalar[random(#scalar)](random)
end

--- A random value.
---@param seed integer
---@param options { sharing?: boolean, classes?: boolean }
function M.value(seed, options)
  local state = {
    random = new_random(seed), tables = {},
    with_sharing = options.sharing, with_classes = options.classes,
  }
  for _ = 1, 5 do
    state.random(10) -- neighbouring seeds start alike
  end
  return M.value_in(state, 0)
end

return M
