-- SPDX-License-Identifier: MIT
--- Reads dumped functions: which of their upvalues never change, which globals they name, and how to make
--- the dump of a factory that creates closures of the dumped prototype.
---
--- The dump format is LuaJIT's own, version 2, which is what string.dump of this very process writes.
---
--- Why a factory: loading a dump makes a new prototype each time. A thousand closures of one prototype that
--- were loaded one by one would be compiled a thousand times. The factory is the code of
--- `local u1, u2 = ... return function() … end` with the dumped prototype in the place of the inner function.
local bit = require("bit")
local util = require("jit.util")

local band = bit.band

local M = {}

local VERSION = 2
local FLAG_STRIPPED = 0x02
local UPVALUE_LOCAL, UPVALUE_IMMUTABLE = 0x80, 0x40 -- in the high byte
local MAX_UPVALUES = 60

local function read_uleb(s, at)
  local value, scale = 0, 1
  while true do
    local byte = s:byte(at)
    at = at + 1
    value = value + byte % 128 * scale
    if byte < 128 then
      return value, at
    end
    scale = scale * 128
  end
end

local function uleb(value)
  local bytes = {}
  while value >= 128 do
    bytes[#bytes + 1] = string.char(value % 128 + 128)
    value = math.floor(value / 128)
  end
  return table.concat(bytes) .. string.char(value)
end

-- Where the first prototype of a dump starts, and whether it has no debug information.
local function read_head(dump)
  assert(dump:sub(1, 3) == "\27LJ" and dump:byte(4) == VERSION, "aimp: unknown bytecode format")
  local flags, at = read_uleb(dump, 5)
  local is_stripped = band(flags, FLAG_STRIPPED) ~= 0
  if not is_stripped then
    local length
    length, at = read_uleb(dump, at)
    at = at + length
  end
  return at, is_stripped
end

-- The dump's bytes up to its last prototype, and that one, which is the function itself.
local function split(dump)
  local at, is_stripped = read_head(dump)
  local last, last_size
  while true do
    local size, start = read_uleb(dump, at)
    if size == 0 then
      break
    end
    last, last_size, at = at, size, start + size
  end
  return dump:sub(1, last - 1), dump:sub(at - last_size, at - 1), is_stripped
end

-- Where the upvalue descriptors (two bytes each) of a prototype start, and their number.
local function find_upvalues(proto, is_stripped)
  local count = proto:byte(4)
  local _, at = read_uleb(proto, 5)
  _, at = read_uleb(proto, at)
  local instructions
  instructions, at = read_uleb(proto, at)
  if not is_stripped then
    local debug_size
    debug_size, at = read_uleb(proto, at)
    if debug_size > 0 then
      _, at = read_uleb(proto, at)
      _, at = read_uleb(proto, at)
    end
  end
  return at + 4 * instructions, count
end

-- The main prototypes of `local u1, … = ... return function() return u1, … end` by number of upvalues.
local frames = {}

local function frame_for(count)
  local frame = frames[count]
  if not frame then
    local list = {}
    for i = 1, count do
      list[i] = "u" .. i
    end
    local variables = table.concat(list, ",")
    local source = count == 0 and "return function() end"
      or ("local %s = ... return function() return %s end"):format(variables, variables)
    local _, proto = split(string.dump(loadstring(source, "=aimp")))
    frame = proto
    frames[count] = frame
  end
  return frame
end

-- The frame of a stripped dump has no place for the size of its debug information.
local function strip(frame)
  local instructions_at = select(2, read_uleb(frame, select(2, read_uleb(frame, 5))))
  local instructions, at = read_uleb(frame, instructions_at)
  local debug_size, after = read_uleb(frame, at)
  if debug_size > 0 then
    after = select(2, read_uleb(frame, select(2, read_uleb(frame, after))))
  end
  local code = frame:sub(after, after + 4 * instructions - 1)
  local constants = frame:sub(after + 4 * instructions, #frame - debug_size)
  return frame:sub(1, at - 1) .. code .. constants
end

--- What the sender needs to know of a prototype.
---@param dump string
---@return string factory     the dump of a function that takes the upvalues' values and returns a closure
---@return boolean[] is_fixed by upvalue: it is never assigned after its closure was made
function M.analyse(dump)
  local head, proto, is_stripped = split(dump)
  local at, count = find_upvalues(proto, is_stripped)
  assert(count <= MAX_UPVALUES, "aimp: too many upvalues")
  local is_fixed, slots = {}, {}
  for i = 0, count - 1 do
    local high = proto:byte(at + 2 * i + 1)
    is_fixed[i + 1] = band(high, UPVALUE_LOCAL + UPVALUE_IMMUTABLE) == UPVALUE_LOCAL + UPVALUE_IMMUTABLE
    slots[i + 1] = string.char(i, UPVALUE_LOCAL + (is_fixed[i + 1] and UPVALUE_IMMUTABLE or 0))
  end
  local inner = proto:sub(1, at - 1) .. table.concat(slots) .. proto:sub(at + 2 * count)
  local frame = is_stripped and strip(frame_for(count)) or frame_for(count)
  return head .. uleb(#inner) .. inner .. uleb(#frame) .. frame .. "\0", is_fixed
end

-- ---- globals ----

-- The instruction that reads a global, as this build numbers it.
local GGET = band(util.funcbc(loadstring("return aimp_probe"), 1), 0xff)

local function collect(fn, names, is_known)
  local info = util.funcinfo(fn)
  for pc = 1, info.bytecodes - 1 do
    local instruction = util.funcbc(fn, pc)
    if band(instruction, 0xff) == GGET then
      local name = util.funck(fn, -bit.rshift(instruction, 16) - 1)
      if not is_known[name] then
        is_known[name] = true
        names[#names + 1] = name
      end
    end
  end
  return info.children
end

local function collect_nested(fn, names, is_known)
  if not collect(fn, names, is_known) then
    return
  end
  local n = -1
  while true do
    local constant = util.funck(fn, n)
    if constant == nil then
      return
    elseif type(constant) == "proto" then
      collect_nested(constant, names, is_known)
    end
    n = n - 1
  end
end

--- The names of the globals that a function or a function inside it reads.
---@param fn function
---@return string[]
function M.globals_read(fn)
  local names = {}
  collect_nested(fn, names, {})
  return names
end

return M
