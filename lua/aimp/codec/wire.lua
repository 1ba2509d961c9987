-- SPDX-License-Identifier: MIT
--- What the codec's bytes mean: constants that both ends share, and the check of bytes from a worker.
---
--- A payload is format 0, values in LuaJIT's own string.buffer encoding one after another, or format 1, a
--- graph: encoded values that are read as instructions, each an op and its operands. Nodes are numbered
--- from 1 in the order of their NEW_ ops; no instruction names a node that was not made before.
---
---   NEW_TABLE  plain              a table with those entries whose key and value are plain
---   NEW_NAME   path               what a module exports (names.lua)
---   NEW_FUNC   key                a function that was defined
---   NEW_KEYED  key                a class or a captured table that was defined
---   NEW_CDATA  type, bytes        an FFI value without pointers
---   NEW_OBJECT                    reserves a number for CONSTRUCT
---   FIELDS     node, {key = node} entries with a plain key
---   REF_KEYS   node, {key node, value node, …}
---   REF_PLAIN  node, {key node, plain value, …}
---   META       node, metatable node
---   CONSTRUCT  node, metatable node, is_node, value or node     calls __aimp_recv
---   END
---
--- Node 1 is the list of the payload's values, or the contents of a table that is being defined.
---
--- A definition is a kind and its operands; see definitions.lua.
local ffi = require("ffi")

local M = {}

M.PLAIN, M.GRAPH = 0, 1

--- Ops are strings of one character: two bytes on the wire and compared by identity.
M.op = {
  NEW_TABLE = "t", NEW_NAME = "n", NEW_FUNC = "f", NEW_KEYED = "k", NEW_CDATA = "c", NEW_OBJECT = "o",
  FIELDS = "F", REF_KEYS = "K", REF_PLAIN = "P", META = "M", CONSTRUCT = "C", END = ".",
}

M.kind = { PROTO = "p", FUNC = "f", NAMED = "n", CELL = "c", TABLE = "t", GLOBAL = "g" }

--- How an upvalue of a FUNC definition is given.
M.upvalue = { PLAIN = "=", CELL = "c", NAME = "n" }

-- Tags of the string.buffer encoding.
local TAG_NUM, TAG_TABLE, TAG_TABLE_LAST = 0x07, 0x08, 0x0d
local TAG_INT64, TAG_UINT64, TAG_COMPLEX, TAG_STRING = 0x10, 0x11, 0x12, 0x20

-- Payload bytes after the tag; -1: not a tag that may come from a worker. Lightuserdata other
-- than NULL is an address, and dictionaries are not used.
local SCALAR_SIZE = ffi.new("int8_t[?]", TAG_STRING)
ffi.fill(SCALAR_SIZE, TAG_STRING, -1)
SCALAR_SIZE[0], SCALAR_SIZE[1], SCALAR_SIZE[2], SCALAR_SIZE[3] = 0, 0, 0, 0
SCALAR_SIZE[6], SCALAR_SIZE[TAG_NUM] = 4, 8
SCALAR_SIZE[TAG_INT64], SCALAR_SIZE[TAG_UINT64], SCALAR_SIZE[TAG_COMPLEX] = 8, 8, 16

-- The variable-length number at p[at] and where the next byte is; nil when it is cut off.
local function read_count(p, at, len)
  if at >= len then
    return nil, at
  end
  local first = p[at]
  if first < 0xe0 then
    return first, at + 1
  elseif first < 0xff then
    if at + 2 > len then
      return nil, at
    end
    return (first - 0xe0) * 256 + p[at + 1] + 0xe0, at + 2
  elseif at + 5 > len then
    return nil, at
  end
  return p[at + 1] + p[at + 2] * 0x100 + p[at + 3] * 0x10000 + p[at + 4] * 0x1000000, at + 5
end

-- How many values a table of this tag says it holds, and where they start; nil: not a table's head.
local function read_table_size(p, at, len, tag)
  local shape, needed = tag - TAG_TABLE, 0
  local count
  if shape >= 2 then
    count, at = read_count(p, at, len)
    -- From shape 4 on slot 0 of the array is counted and not stored.
    needed = count and (shape >= 4 and count - 1 or count) or 0
    if needed < 1 then
      return nil, at
    end
  end
  if shape % 2 == 1 then
    count, at = read_count(p, at, len)
    if not count then
      return nil, at
    end
    needed = needed + 2 * count
  end
  return needed, at
end

-- The bytes of the scalar or string at p[at], without its head, and where they start; nil: not sound.
local function read_scalar_size(p, at, len, tag)
  if tag < TAG_STRING then
    local size = SCALAR_SIZE[tag]
    return size >= 0 and size or nil, at + 1
  end
  local count, start = read_count(p, at, len)
  if not count or count < TAG_STRING then
    return nil, start -- another tag in the long form of a number, which only strings may have
  end
  return count - TAG_STRING, start
end

--- Whether p[0 .. len) starts with a table.
---@param p ffi.cdata*
---@param len integer
---@return boolean
function M.is_table(p, len)
  return len > 0 and p[0] >= TAG_TABLE and p[0] <= TAG_TABLE_LAST
end

--- Whether p[0 .. len) starts with a whole value whose tables hold no more than the bytes that are there, so
--- that decoding it allocates in proportion to them. string.buffer itself believes the sizes it reads.
---@param p ffi.cdata*  uint8_t pointer
---@param len integer
---@return boolean
function M.is_sound(p, len)
  local at, missing = 0, 1
  while missing > 0 do
    if missing > len - at then
      return false
    end
    local tag = p[at]
    local size
    if tag >= TAG_TABLE and tag <= TAG_TABLE_LAST then
      local more
      more, at = read_table_size(p, at + 1, len, tag)
      missing = missing + (more or 0)
      size = more and 0 or nil
    else
      size, at = read_scalar_size(p, at, len, tag)
    end
    if not size or size > len - at then
      return false
    end
    at, missing = at + size, missing - 1
  end
  return true
end

return M
