-- SPDX-License-Identifier: MIT
--- Writes values of any shape as a graph (format in wire.lua).
---
--- Depth first with a stack of its own, so that no depth is too deep. The entries of a table are written
--- when all that it holds has been written, so whatever __aimp_recv is given is complete, but for cycles
--- through tables that contain the object; a cycle through the object itself is refused.
---
--- What goes by name or by key is decided by `refs` (captures.lua, worker_refs.lua):
---   refs:func(fn)  -> op, operand
---   refs:meta(mt)  -> op, operand, or nil: it travels as an ordinary table
---   refs:keyed(t)  -> key or nil
local cdata = require("aimp.codec.cdata")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local frames = require("aimp.codec.graph_frames")
local handles = require("aimp.codec.handles")
local names = require("aimp.codec.names")
local plain = require("aimp.codec.plain")
local refusal = require("aimp.codec.refusal")
local wire = require("aimp.codec.wire")

local type, next, pcall, getmetatable = type, next, pcall, debug.getmetatable
local each = pairs -- see plain.lua
local is_scalar, op, named, refuse = plain.is_scalar, wire.op, names.index, refusal.refuse
local new_node, push, pop = frames.new_node, frames.push, frames.pop
local note_entry, write_entries = frames.note_entry, frames.write_entries

local M = {}

local function holds_references(t)
  for key, value in each(t) do
    if not (is_scalar(value) and is_scalar(key)) then
      return true
    end
  end
  return false
end

local function plain_part(t)
  local part = {}
  for key, value in each(t) do
    if is_scalar(value) and is_scalar(key) then
      part[key] = value
    end
  end
  return part
end

local visit

local function write_meta(w, node, metatable)
  w.out:encode(op.META)
  w.out:encode(node)
  w.out:encode(w.seen[metatable])
end

local function begin_table(w, t, metatable)
  local is_whole = not holds_references(t)
  local node = new_node(w, t, op.NEW_TABLE, is_whole and t or plain_part(t))
  if metatable then
    -- One that travels as a table pushes a frame. It may be finished after this table's: META needs its
    -- number only.
    visit(w, metatable, true)
  end
  if not is_whole then
    w.metatables[push(w, t, node)] = metatable
  elseif metatable then
    write_meta(w, node, metatable)
  end
  return node
end

local function finish_table(w, depth)
  local node, extra = w.nodes[depth], w.extra[depth]
  write_entries(w, op.FIELDS, node, w.fields[depth])
  if extra then
    write_entries(w, op.REF_KEYS, node, extra.keys)
    write_entries(w, op.REF_PLAIN, node, extra.plain)
  end
  if w.metatables[depth] then
    write_meta(w, node, w.metatables[depth])
    w.metatables[depth] = nil
  end
  pop(w)
end

-- Goes on with the table on top until it is done, or until one of its entries lies on top.
local function step_table(w, depth)
  local t, key = w.values[depth], w.keys[depth]
  while true do
    local value
    key, value = next(t, key)
    if key == nil then
      return finish_table(w, depth)
    end
    local key_node = not is_scalar(key) and visit(w, key)
    if w.depth > depth then
      return -- comes back to the same entry
    end
    local value_node = not is_scalar(value) and visit(w, value)
    if w.depth > depth then
      return
    end
    if key_node or value_node then
      note_entry(w, depth, key, value, key_node, value_node)
    end
    w.keys[depth] = key
  end
end

-- ---- objects with __aimp_send ----

local function write_construct(w, object, metatable, is_node, value)
  local node = w.seen[object]
  w.out:encode(op.CONSTRUCT)
  w.out:encode(node)
  w.out:encode(w.seen[metatable])
  w.out:encode(is_node)
  w.out:encode(value)
  w.open[object] = nil
end

local function begin_object(w, object, metatable, send)
  if not handles.method(metatable, "__aimp_recv") then
    refuse(object, "object whose class has __aimp_send and no __aimp_recv")
  end
  -- Nothing may wait in it: buffers and definitions are half written meanwhile.
  local ok, value = fiber.outside(pcall, send, object, w.refs.route)
  if not ok then
    refuse(object, "object whose __aimp_send failed (" .. errors.describe(value) .. ")")
  end
  w.refs.sent[object] = { value = value }
  if not named[metatable] and not w.refs:meta(metatable) then
    refuse(object, "object of a class that was made in a worker")
  end
  visit(w, metatable, true)
  local node = new_node(w, object, op.NEW_OBJECT)
  w.open[object] = true
  if is_scalar(value) then
    write_construct(w, object, metatable, false, value)
  else
    w.objects[push(w, value, node)] = { object = object, metatable = metatable }
  end
  return node
end

local function step_object(w, depth, entry)
  local node = visit(w, w.values[depth])
  if w.depth > depth then
    return
  end
  write_construct(w, entry.object, entry.metatable, true, node)
  pop(w)
end

-- ---- one value ----

local function visit_with_metatable(w, value, metatable)
  local send = handles.method(metatable, "__aimp_send")
  if send then
    return begin_object(w, value, metatable, send)
  elseif type(value) ~= "table" then
    return refuse(value, "userdata")
  end
  return begin_table(w, value, metatable)
end

local function visit_table(w, t)
  local key = w.refs:keyed(t)
  if key then
    return new_node(w, t, op.NEW_KEYED, key)
  end
  local metatable = getmetatable(t)
  if metatable then
    return visit_with_metatable(w, t, metatable)
  end
  return begin_table(w, t)
end

local function visit_cdata(w, value)
  local class = handles.class_of(value)
  if class then
    return begin_object(w, value, class, handles.method(class, "__aimp_send"))
  end
  local name, bytes = cdata.write(value)
  if not name then
    refuse(value, bytes)
  end
  local node = new_node(w, value, op.NEW_CDATA, name)
  w.out:encode(bytes)
  return node
end

local function visit_new(w, value, is_metatable)
  local kind = type(value)
  if named[value] then
    return new_node(w, value, op.NEW_NAME, named[value])
  elseif is_metatable then
    local code, operand = w.refs:meta(value)
    if code then
      return new_node(w, value, code, operand)
    end
    return visit_table(w, value)
  elseif kind == "table" then
    return visit_table(w, value)
  elseif kind == "function" then
    return new_node(w, value, w.refs:func(value))
  elseif kind == "cdata" then
    return visit_cdata(w, value)
  elseif kind == "userdata" and getmetatable(value) then
    return visit_with_metatable(w, value, getmetatable(value))
  end
  refuse(value, kind == "thread" and "coroutine" or kind)
end

-- The node of a value that is no scalar. May push a frame, which then has to be finished first.
function visit(w, value, is_metatable)
  local node = w.seen[value]
  if not node then
    return visit_new(w, value, is_metatable)
  elseif w.open[value] then
    refuse(value, "object that contains itself through __aimp_send")
  end
  return node
end

--- Writes a graph whose node 1 is `root`.
---@param out string.buffer
---@param root table       a list of values, or a table whose contents are defined
---@param refs table
---@param metatable? table of root
function M.write(out, root, refs, metatable)
  local w = frames.writer(out, refs)
  begin_table(w, root, metatable)
  w.seen[root] = nil -- a table that is defined refers to itself by its key
  while w.depth > 0 do
    local depth = w.depth
    local entry = w.objects[depth]
    if entry then
      step_object(w, depth, entry)
    else
      step_table(w, depth)
    end
  end
  out:encode(op.END)
  frames.release(w)
end

return M
