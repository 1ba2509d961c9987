--- The memory of a shared array: a shared object (aimp.shared) whose only business is its descriptor.
---
---   worker ── ATTACH ──► owner        A worker that gets a handle asks for the object, as for any other; the
---   worker ◄─ DESCRIPTOR, fd ─┤       owner sends the descriptor before it answers. It has mostly come when
---   worker ◄─ ATTACHED ───────┘       the array is used for the first time; that waits for it otherwise.
---
--- A process in the middle has a descriptor of its own, and passes that on to workers of its own pools. What
--- did not come, as at the limit of open files, is asked for again with the next use.
---
--- Not here: blocks and mappings (block.lua), elements (element.lua), what the user holds (state.lua).
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local aimp_ffi = require("aimp.ffi")
local block = require("aimp.shm.block")
local errors = require("aimp.errors")
local exports = require("aimp.shared.exports")
local shared = require("aimp.shared")
local spawn = require("aimp.task.spawn")
local stubs = require("aimp.shared.stubs")
local waiting = require("aimp.shared.waiting")

local C, FLAG_ERROR = aimp_ffi.C, aimp_ffi.FLAG_ERROR

local M = {}

--- The frames of this class, both ways.
local DESCRIPTOR = stubs.FIRST_OWN

---@class aimp.shm.Memory  the front; `_core` is Core or, in other processes, Stub
local Memory = {}
Memory.__index = Memory
Memory.__name = "aimp.shm.Memory"
M.Class = Memory

-- ---- passing the descriptor ----

local function pass(core, client)
  local front = exports.front_of(core)
  local number = front and exports.number_of(front)
  if not number then
    return -- the client has let go of it meanwhile
  elseif not (core.shm and client:post_fd(DESCRIPTOR, number, core.shm.fd)) then
    client:post(DESCRIPTOR, number, 0, FLAG_ERROR, 0, nil, 0)
  end
end

-- ---- in the process that made it ----

---@class aimp.shm.Core
---@field shm ffi.cdata*          struct aimp_shm
---@field element aimp.shm.Element
---@field length integer
---@field is_shared boolean       other processes may have it
---@field is_closed boolean       by this process
---@field clients table<any, boolean>  processes that have it
local Core = {}
Core.__index = Core

function Core:share()
  self.is_shared = true
end

function Core:attached(client)
  self.clients[client] = true
  pass(self, client)
end

--- One process less has it.
function Core:client_gone(client)
  self.clients[client] = nil
  if self.is_closed and next(self.clients) == nil then
    block.collect_soon(self.shm)
  end
end

---@return ffi.cdata* shm
function Core:open()
  return self.shm
end

--- This process needs it no more. What others have, or is on its way to them, stays as long as this object.
function Core:close()
  self.is_closed = true
  if not self.is_shared then
    block.close(self.shm)
  elseif next(self.clients) == nil then
    block.collect_soon(self.shm)
  end
end

-- ---- in other processes ----

---@class aimp.shm.Stub
---@field shm? ffi.cdata*   once the descriptor came
---@field fault? string     why the last one did not
---@field is_asked boolean  it is on its way
---@field arrival aimp.shared.Line
---@field spelling string   of the elements
---@field length integer
local Stub = {}

function Stub:init()
  self.arrival, self.is_asked = waiting.new("a shared array"), true
end

--- A DESCRIPTOR frame.
function Stub:on_tell(_, frame)
  local fd = C.aimp_port_take_fd(self.link.port)
  self.is_asked, self.fault = false, nil
  if bit.band(frame.flags, FLAG_ERROR) ~= 0 then
    self.fault = "the process that has it cannot pass it on"
  elseif fd < 0 then
    self.fault = "it needs a file descriptor, and this process may open no more files"
  elseif self.shm then
    C.close(fd)
  else
    self.shm, self.fault = block.attach(fd)
  end
  self.arrival:wake_all()
end

-- What the owner sent by itself came before its answer, or found no place behind many others: those are here
-- by now.
local function await(self)
  self.link:info(self, M.declaration) -- raises when the object is gone
  if not self.shm and not self.is_asked then
    self.is_asked = true
    self.link:post(DESCRIPTOR, self.number, 0, 0, 0, nil, 0)
  end
  while self.is_asked do
    self.arrival:wait()
  end
  if not self.shm then
    error(errors.new("STATE", "a shared array: " .. self.fault), 0)
  end
end

--- Raises CLOSED, STATE.
---@async
---@return ffi.cdata* shm
function Stub:open()
  if not self.shm then
    await(self)
  end
  return self.shm
end

--- This process needs it no more; for workers of its own it is asked for again.
function Stub:close()
  if self.shm then
    block.close(self.shm)
    self.shm = nil
  end
  local is_passed_on = exports.number_of(self.front) ~= nil
  if self.info and not self.is_asked and not is_passed_on then -- else the collector tells when
    self.link:let_go(self)
  end
end

local function pass_later(self, client)
  pcall(Stub.open, self)
  pass(self, client)
end

--- For a worker of a pool of this process's own.
function Stub:attached(client)
  if self.shm then
    pass(self, client)
  else
    spawn.spawn(pass_later, self, client)
  end
end

M.declaration = {
  name = "aimp.shm.array",
  what = "a shared array",
  class = Memory,
  methods = {},
  stub = Stub,
  on_ask = function(core, client)
    core:attached(client)
  end,
}
shared.define(M.declaration)

--- Zeroed memory for `length` elements, or why there is none.
---@param element aimp.shm.Element
---@param length integer
---@return aimp.shm.Memory?
---@return string? fault
function M.new(element, length)
  local shm, fault = block.create(length * element.size)
  if not shm then
    return nil, fault
  end
  local core = setmetatable({ shm = shm, element = element, length = length, is_shared = false,
    is_closed = false, clients = {} }, Core)
  return setmetatable({ _core = core }, Memory)
end

return M
