-- SPDX-License-Identifier: MIT
--- The `refs` of the graph writer in a worker: functions and classes that came from the parent go back by
--- key; no code is ever sent.
local names = require("aimp.codec.names")
local path = require("aimp.codec.path")
local refusal = require("aimp.codec.refusal")
local wire = require("aimp.codec.wire")

local op = wire.op

---@class aimp.codec.WorkerRefs
local WorkerRefs = {}
WorkerRefs.__index = WorkerRefs

local M = {}

---@param peer? aimp.codec.Receiver  what received the parent's definitions
function M.new(peer)
  names.refresh()
  return setmetatable({ peer = peer, sent = {} }, WorkerRefs)
end

function WorkerRefs:func(fn)
  local key = self.peer and self.peer:key_of_function(fn)
  if not key then
    refusal.refuse(fn, path.describe_function(fn) .. " that was made in a worker")
  end
  return op.NEW_FUNC, key
end

function WorkerRefs:meta(metatable)
  local key = self:keyed(metatable)
  if key then
    return op.NEW_KEYED, key
  end
end

function WorkerRefs:keyed(t)
  return self.peer and self.peer:key_of_class(t)
end

--- A worker defines nothing, so nothing is needed.
function WorkerRefs.finish()
  return 0
end

return M
