-- SPDX-License-Identifier: MIT
--- The state of a graph that is being written: its nodes, and the tables that are not finished yet.
local clear = require("table.clear")

local next = next

local M = {}

function M.new_node(w, value, kind, operand)
  local node = w.count + 1
  w.count = node
  w.seen[value] = node
  w.out:encode(kind)
  if operand ~= nil then
    w.out:encode(operand)
  end
  return node
end

-- The frames of the stack are columns: what is iterated, its node, the key before the entry at hand, the
-- fields found so far; `extra` and `objects` are set for few.
function M.push(w, value, node)
  local depth = w.depth + 1
  w.depth = depth
  w.values[depth], w.nodes[depth], w.keys[depth], w.fields[depth] = value, node, nil, false
  return depth
end

function M.pop(w)
  local depth = w.depth
  w.values[depth], w.keys[depth], w.fields[depth] = nil, nil, nil
  w.extra[depth], w.objects[depth] = nil, nil
  w.depth = depth - 1
end

local function extra_of(w, depth)
  local extra = w.extra[depth]
  if not extra then
    extra = { keys = {}, plain = {} }
    w.extra[depth] = extra
  end
  return extra
end

function M.note_entry(w, depth, key, value, key_node, value_node)
  if not key_node then
    local fields = w.fields[depth]
    if not fields then
      fields = {}
      w.fields[depth] = fields
    end
    fields[key] = value_node
    return
  end
  local extra = extra_of(w, depth)
  local list = value_node and extra.keys or extra.plain
  list[#list + 1] = key_node
  list[#list + 1] = value_node or value
end

function M.write_entries(w, code, node, entries)
  if entries and next(entries) ~= nil then
    w.out:encode(code)
    w.out:encode(node)
    w.out:encode(entries)
  end
end

-- Writers of small graphs are used again. One that is at work is not here, since __aimp_send may write
-- others.
local idle
local KEEP_NODES = 100

local function new_writer()
  return {
    count = 0, seen = {}, open = {}, depth = 0,
    values = {}, nodes = {}, keys = {}, fields = {}, extra = {}, objects = {}, metatables = {},
  }
end

function M.release(w)
  if w.count <= KEEP_NODES then
    clear(w.seen)
    w.out, w.refs, w.count = nil, nil, 0
    idle = w
  end
end

--- A writer with nothing written.
function M.writer(out, refs)
  local w = idle or new_writer()
  idle = nil
  w.out, w.refs = out, refs
  return w
end

return M
