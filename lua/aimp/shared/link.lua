--- A worker's link to the process that made it, for shared objects: requests of stubs, their answers, news.
---
--- Made by worker/main.lua, once. A request is an ASK frame with a number; its answer is a TELL frame with
--- the same number and comes exactly once, also to a request that was cancelled. Answers are decoded by the
--- fiber that asked, as decoding may wait.
---
---   asked ──answer──► returned or raised
---     └──cancelled, too late──► abandoned ──answer──► undone
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local buffer = require("string.buffer")
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local clients = require("aimp.shared.clients")
local errors = require("aimp.errors")
local exports = require("aimp.shared.exports")
local fiber = require("aimp.fiber")
local loop = require("aimp.loop")
local spawn = require("aimp.task.spawn")
local stubs = require("aimp.shared.stubs")
local timers = require("aimp.timers")
local waiting = require("aimp.shared.waiting")

local C, FRAME, FLAG_ERROR = aimp_ffi.C, aimp_ffi.FRAME, aimp_ffi.FLAG_ERROR
local ATTACH, DETACH, CANCEL = stubs.ATTACH, stubs.DETACH, stubs.CANCEL
local ANSWER, ATTACHED, GONE, NEWS = stubs.ANSWER, stubs.ATTACHED, stubs.GONE, stubs.NEWS
local PERMIT, READ, CONFIRM = stubs.PERMIT, stubs.READ, stubs.CONFIRM
local band, rshift, lshift = bit.band, bit.rshift, bit.lshift

local M = {}

---@class aimp.shared.Link
local Link = {}
Link.__index = Link

---@class aimp.shared.LinkOptions
---@field port ffi.cdata*
---@field reply aimp.worker.Reply      for its flush
---@field executor aimp.worker.Executor  is told how many answers are awaited
---@field sender table                 codec sender of arguments
---@field receiver table

---@param options aimp.shared.LinkOptions
---@return aimp.shared.Link
function M.open(options)
  local self = setmetatable({
    port = options.port, reply = options.reply, executor = options.executor,
    sender = options.sender, receiver = options.receiver,
    frame = ffi.new("struct frame"),
    buf = buffer.new(),
    fronts = setmetatable({}, { __mode = "v" }), -- by number
    calls = {},          -- by request number, until answered
    last_call = 0,
    detached = {},       -- numbers of objects that were collected
    room = waiting.new("room in the ring"), -- those who put into queues
    permit = nil, permits = waiting.new("leave to put"), -- queue/permits.lua
    supplies = {},       -- of queues, that may hold what is not claimed
  }, Link)
  exports.link = self
  return self
end

-- ---- asking ----

local function send(self, op, number, tag, data, len)
  local frame = self.frame
  frame.kind, frame.flags, frame.fn, frame.count = FRAME.ASK, 0, number, op
  frame.tag, frame.len = tag, len
  if C.aimp_port_send(self.port, frame, data) ~= 0 then
    error("aimp: the worker's shared memory is corrupt", 0)
  end
  self.reply.dirty = true
end

--- Sends a frame whose payload is ready.
function Link:post(op, number, request, tag, aux, data, len)
  self.frame.first, self.frame.aux = request, aux
  send(self, op, number, tag, data, len)
end

--- The same, about a claim cell.
function Link:post_cell(op, number, cell, generation, tag, data, len)
  self.frame.cell, self.frame.generation = cell, generation
  send(self, op, number, tag, data, len)
end

-- Raises ENCODE before anything is sent.
local function ask(self, op, number, request, aux, n, ...)
  if n == 0 then
    return self:post(op, number, request, 0, aux, nil, 0)
  end
  local buf = self.buf or buffer.new()
  self.buf = nil -- __aimp_send of a value may ask for something itself
  local ok, format = pcall(self.sender.pack, self.sender, buf:reset(), n, ...)
  self.buf = buf
  if not ok then
    error(format, 0)
  end
  local data, len = buf:ref()
  self:post(op, number, request, format + lshift(n, 8), aux, data, len)
end

--- Asks for something; 0 as the request's number: without wanting an answer.
function Link:ask(op, number, request, n, ...)
  ask(self, op, number, request, 0, n, ...)
end

-- ---- calls ----

---@class aimp.shared.Call  a request under way; among the timers while it has a time limit
local Call = {}
Call.__index = Call

local function withdraw(f)
  local call = f.link_call
  f.link_call, call.fiber = false, false
  timers.remove(call)
  call.link:post(CANCEL, call.stub.number, call.number, 0, 0, nil, 0)
end

local function too_late(call)
  return errors.new("TIMEOUT", ("waited %g s for %s"):format(call.timeout, call.declaration.what))
end

--- Inside the timers' callback.
function Call:_on_time()
  if self.method.settles then
    self.is_late = true
    self.link:post(CANCEL, self.stub.number, self.number, 0, 0, nil, 0)
    loop.interrupt()
  else
    fiber.throw(self.fiber, too_late(self))
  end
end

local function gone(declaration)
  return errors.new("CLOSED", ("the %s does not exist any more"):format(declaration.name))
end

local function new_call(self, f, stub, declaration, method, timeout, ...)
  self.last_call = self.last_call % 0x7fffffff + 1
  local call = setmetatable({ fiber = f, link = self, stub = stub, declaration = declaration,
    method = method, timeout = timeout, number = self.last_call, _slot = false, is_late = false }, Call)
  if method.undo then
    call.n, call.arguments = select("#", ...), { ... }
  end
  return call
end

local function raise(call, value)
  value = type(value) == "table" and value or {}
  if call.is_late and value.code == "CANCELLED" then
    error(too_late(call), 0)
  end
  local code = errors.codes[value.code] and value.code or "REMOTE"
  error(errors.new(code, errors.describe(value.message), { traceback = value.traceback,
    cause = value.cause, pid = value.pid }), 0)
end

local function confirm(self, request, is_refused)
  self:post(READ, 0, request, 0, is_refused and 1 or 0, nil, 0)
end

local function confirmed(self, call, ok, ...)
  confirm(self, call.number, false)
  if not ok then
    error((...), 0)
  end
  return ...
end

-- In the fiber that asked.
local function outcome(self, call, flags, tag, bytes)
  local n = rshift(tag, 8)
  if n == 0 then
    return
  end
  local receiver, buf = self.receiver, buffer.new():set(bytes)
  if band(flags, FLAG_ERROR) ~= 0 then
    raise(call, receiver:unpack(buf, band(tag, 0xff), n))
  elseif band(flags, CONFIRM) ~= 0 then
    return confirmed(self, call, pcall(receiver.unpack, receiver, buf, band(tag, 0xff), n))
  end
  return receiver:unpack(buf, band(tag, 0xff), n)
end

--- A method of the core, and its results. With timeout 0 the core decides at once.
---@async
function Link:call(stub, declaration, method, timeout, ...)
  local f = fiber.waiter(2, declaration.name .. ":" .. method.name)
  if stub.is_gone then
    error(gone(declaration), 0)
  end
  if method.waits then -- what takes back or releases is sent also by one who is being cancelled
    fiber.raise_pending(f)
  end
  local call = new_call(self, f, stub, declaration, method, timeout, ...)
  ask(self, method.op, stub.number, call.number, timeout == 0 and 1 or 0, select("#", ...), ...)
  self.calls[call.number] = call
  self.executor.awaited = self.executor.awaited + 1
  if timeout and timeout > 0 then
    timers.add(call, timeout)
  end
  f.link_call = call
  return outcome(self, call, fiber.wait(withdraw, declaration.what))
end

-- Takes back, or refuses, what came to one who gave up.
local function refuse_answer(self, call, flags)
  local method = call.method
  if band(flags, CONFIRM) ~= 0 then
    confirm(self, call.number, true)
  end
  if method.undo and band(flags, FLAG_ERROR) == 0 then
    local undo = call.declaration.methods[method.undo]
    self:ask(undo.op, call.stub.number, 0, call.n, unpack(call.arguments, 1, call.n))
  end
end

local function take_answer(self, frame, data, len)
  local call = self.calls[frame.first]
  if not call then
    return
  end
  self.calls[frame.first] = nil
  self.executor.awaited = self.executor.awaited - 1
  if call.fiber then
    local f = call.fiber
    call.fiber, f.link_call = false, false
    timers.remove(call)
    fiber.wake(f, frame.flags, frame.tag, ffi.string(data, len))
  else
    refuse_answer(self, call, frame.flags)
  end
end

-- ---- objects ----

-- Collected together with the stub that holds it. A finalizer may run anywhere, so it only takes a note.
local function guard(self, stub)
  local proxy, held = newproxy(true), { number = stub.number }
  getmetatable(proxy).__gc = function()
    self.detached[#self.detached + 1] = held.number -- nil: let go of before
  end
  stub.held, stub.guard = held, proxy
end

--- This process does not use the object any more. A handle that comes makes another stub.
function Link:let_go(stub)
  if stub.held.number then
    stub.held.number = nil
    if self.fronts[stub.number] == stub.front then
      self.fronts[stub.number] = nil
    end
    self:post(DETACH, stub.number, 0, 0, 0, nil, 0)
  end
end

--- The front of an object of the parent's: the same one as long as it lives.
---@param declaration aimp.shared.Declaration
---@param number integer
function Link:front(declaration, number)
  local front = self.fronts[number]
  if front then
    return getmetatable(front) == declaration.class and front or error("an object of another class", 0)
  end
  local stub = setmetatable({ link = self, number = number, is_gone = false, info = nil,
    info_line = waiting.new(declaration.what) }, declaration.Stub)
  guard(self, stub)
  front = setmetatable({ _core = stub }, declaration.class)
  stub.front = front -- both live as long as either is in use
  if stub.init then
    stub:init()
  end
  self.fronts[number] = front
  self:post(ATTACH, number, 0, 0, 0, nil, 0)
  return front
end

local function await_info(self, stub)
  self.executor.awaited = self.executor.awaited + 1
  local ok, err = pcall(stub.info_line.wait, stub.info_line, nil, true)
  self.executor.awaited = self.executor.awaited - 1
  if not ok then
    error(err, 0)
  end
end

--- What the owner said of the object when this process got it.
---@async
function Link:info(stub, declaration)
  while stub.info == nil and not stub.is_gone do
    await_info(self, stub)
  end
  if stub.is_gone then
    error(gone(declaration), 0)
  end
  return stub.info
end

local function attached(stub, info)
  stub.info, stub.is_gone = info, info == nil
  if info and stub.on_info then
    stub:on_info()
  end
  stub.info_line:wake_all()
end

local function tell_detached(self)
  while #self.detached > 0 do
    self:post(DETACH, table.remove(self.detached), 0, 0, 0, nil, 0)
  end
end

--- A supply of a queue has got something that is not claimed.
function Link:holds_lots(supply)
  if not supply.is_listed then
    supply.is_listed, self.supplies[#self.supplies + 1] = true, supply
  end
end

--- Called before the loop sleeps: nothing is kept from others meanwhile.
function Link:before_sleep()
  tell_detached(self)
  while #self.supplies > 0 do
    local supply = table.remove(self.supplies)
    supply.is_listed = false
    supply:give_back()
  end
end

--- Called now and then: tells the parent of what was collected; those who wait to send may find room.
function Link:now_and_then()
  tell_detached(self)
  if self.room.size > 0 and C.aimp_port_is_congested(self.port) == 0 then
    self.room:wake_all()
  end
end

-- ---- what comes ----

local function take_news(self, front, tag, bytes)
  local buf = buffer.new():set(bytes)
  local values = { self.receiver:unpack(buf, band(tag, 0xff), rshift(tag, 8)) }
  clients.forward(front, rshift(tag, 8), values)
  if front._told then
    front:_told(unpack(values, 1, rshift(tag, 8)))
  end
end

-- Plain data by its nature, so that this cannot wait.
local function info_of(self, frame, data, len)
  return (self.receiver:unpack(buffer.new():set(ffi.string(data, len)), band(frame.tag, 0xff), 1))
end

--- A TELL frame.
function Link:take(frame, data, len)
  local op = frame.count
  if op == ANSWER then
    return take_answer(self, frame, data, len)
  elseif op == PERMIT then
    self.permit = { cell = frame.cell, generation = frame.generation }
    return self.permits:wake_all()
  end
  local front = self.fronts[frame.fn]
  if not front then
    return -- collected meanwhile
  end
  local stub = front._core
  if op >= stubs.FIRST_OWN then
    stub:on_tell(op, frame, data, len)
  elseif op == ATTACHED then
    attached(stub, info_of(self, frame, data, len))
  elseif op == GONE then
    attached(stub, nil)
  elseif op == NEWS then
    spawn.spawn(take_news, self, front, frame.tag, ffi.string(data, len))
  end
end

return M
