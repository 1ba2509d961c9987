--- Processes that use shared objects of this one: serves the requests of one worker.
---
--- The backend of a pool (pool/local.lua) has a client for each worker process. A method that waits runs in
--- a task of its own, on behalf of the client; others are called at once. A request is answered exactly
--- once, unless the worker died, which cancels what it waited for and releases what it held.
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local buffer = require("string.buffer")
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local caller = require("aimp.shared.caller")
local errors = require("aimp.errors")
local exports = require("aimp.shared.exports")
local fiber = require("aimp.fiber")
local holds = require("aimp.shared.holds")
local permits = require("aimp.shared.queue.permits")
local spawn = require("aimp.task.spawn")
local stubs = require("aimp.shared.stubs")

local FRAME, FLAG_ERROR = aimp_ffi.FRAME, aimp_ffi.FLAG_ERROR
local band, rshift, lshift = bit.band, bit.rshift, bit.lshift
local FIRST_OWN, FIRST_METHOD, CONFIRM = stubs.FIRST_OWN, stubs.FIRST_METHOD, stubs.CONFIRM

local M = {}

--- Objects that were sent in news are kept until so many others were: the worker has them by then.
local RECENT = 64

---@class aimp.shared.Client
---@field attached table<integer, { front: table, count: integer }>  what the worker has
local Client = {}
Client.__index = Client

local all = setmetatable({}, { __mode = "k" })

---@class aimp.shared.Connection  the backend's way to the worker
---@field send fun(frame: ffi.cdata*, data, len: integer)
---@field send_fd fun(frame: ffi.cdata*, fd: integer): boolean
---@field pack fun(buf, n: integer, ...): integer  format; makes sure that the worker can read it
---@field route aimp.shared.Route
---@field receiver table
---@field backend table  for offers of queues
---@field slot integer

---@param connection aimp.shared.Connection
---@return aimp.shared.Client
function M.new(connection)
  local self = setmetatable({
    connection = connection,
    attached = {},
    attached_count = 0,
    requests = {},       -- tasks by request number
    unread = {},         -- by request number: what an answer holds that is to be read yet
    is_gone = false,
    permit = nil, has_permits = false, -- queue/permits.lua
    without_cell = nil,  -- queue/cells.lua
    recent = {}, last_recent = 0,
    frame = ffi.new("struct frame"),
    buf = buffer.new(),
  }, Client)
  all[self] = true
  return self
end

-- ---- telling ----

local function tell_frame(self, op, number, request, flags, tag, len)
  local frame = self.frame
  ffi.fill(frame, ffi.sizeof(frame))
  frame.kind, frame.flags, frame.fn, frame.first, frame.count = FRAME.TELL, flags, number, request, op
  frame.tag, frame.len = tag, len
  return frame
end

--- Sends a frame whose payload is ready.
function Client:post(op, number, request, flags, tag, data, len)
  if not self.is_gone then
    self.connection.send(tell_frame(self, op, number, request, flags, tag, len), data)
  end
end

--- Sends a frame that is nothing but a descriptor, which is borrowed. False: it could not be sent.
function Client:post_fd(op, number, fd)
  return self.is_gone or self.connection.send_fd(tell_frame(self, op, number, 0, 0, 0, 0), fd)
end

-- Objects that were packed just now; nil: none.
local function take_fresh(self)
  local route = self.connection.route
  local fresh = route.fresh
  route.fresh = nil
  return fresh
end

-- Calls before(fresh) → flags when the values are packed, with the objects among them.
local function tell(self, op, number, request, before, n, ...)
  if n == 0 then
    return self:post(op, number, request, before and before(self, request) or 0, 0, nil, 0)
  end
  local buf = self.buf or buffer.new()
  self.buf = nil
  local ok, format = pcall(self.connection.pack, buf:reset(), n, ...)
  self.buf = buf
  local fresh = take_fresh(self)
  if not ok then
    error(format, 0)
  end
  local data, len = buf:ref()
  local flags = before and before(self, request, fresh) or 0
  self:post(op, number, request, flags, format + lshift(n, 8), data, len)
end

local function keep_recent(self, _, fresh)
  if fresh then
    self.last_recent = self.last_recent % RECENT + 1
    self.recent[self.last_recent] = fresh
  end
  return 0
end

--- News for the front that the worker has of a core.
function Client:tell_front(core, ...)
  local front = exports.front_of(core)
  local number = front and exports.number_of(front)
  if number and self.attached[number] then
    tell(self, stubs.NEWS, number, 0, keep_recent, select("#", ...), ...)
  end
end

--- News that a process in the middle hands on.
function M.forward(front, n, values)
  local number = exports.number_of(front)
  for client in pairs(all) do
    if number and client.attached[number] then
      tell(client, stubs.NEWS, number, 0, keep_recent, n, unpack(values, 1, n))
    end
  end
end

-- ---- answering ----

local function is_error()
  return FLAG_ERROR
end

-- The worker says when it has read the answer, where something is kept until then.
local function keep_unread(self, request, fresh)
  local entry = self.unread[request]
  if fresh then
    entry = entry or {}
    entry.fresh, self.unread[request] = fresh, entry
  end
  return entry and CONFIRM or 0
end

local function answer_error(self, request, err)
  err = errors.wrap(err)
  local value = { code = err.code, message = errors.describe(err.message), cause = err.cause,
    traceback = err.traceback, pid = err.pid }
  if not pcall(tell, self, stubs.ANSWER, 0, request, is_error, 1, value) then
    value.cause = nil
    tell(self, stubs.ANSWER, 0, request, is_error, 1, value)
  end
end

-- Calls the method that takes the results back.
local function restore(core, name, results)
  core[name](core, caller.LOCAL, unpack(results, 1, results.n))
end

-- What nobody has read.
local function put_back(unread)
  if unread.restore then
    spawn.spawn(restore, unread.core, unread.restore, unread.results)
  end
end

-- The worker has read an answer, or nobody there wanted it.
local function confirm(self, request, is_refused)
  local unread = self.unread[request]
  self.unread[request] = nil
  if unread and is_refused then
    put_back(unread)
  end
end

local function answer(self, request, ok, ...)
  if self.is_gone then
    return confirm(self, request, true)
  elseif request == 0 then
    return
  elseif not ok then
    return answer_error(self, request, (...))
  end
  local sent, err = pcall(tell, self, stubs.ANSWER, 0, request, keep_unread, select("#", ...), ...)
  if not sent then
    self.unread[request] = nil -- gone with the error
    answer_error(self, request, err)
  end
end

-- ---- serving ----

local function run(self, core, method, timeout, ...)
  if method.waits then
    return core[method.name](core, self, timeout, ...)
  end
  return core[method.name](core, self, ...)
end

-- What the client is to read, or else is put back.
local function note_unread(self, core, method, request, ...)
  if method.restore and request ~= 0 then
    self.unread[request] = { core = core, restore = method.restore, results = { n = select("#", ...), ... } }
  end
  return ...
end

local function serve_in_task(self, entry, method, request, timeout, n, values)
  local core = entry.front._core
  answer(self, request, xpcall(function()
    return note_unread(self, core, method, request, holds.note(entry, core, method, values,
      run(self, core, method, timeout, unpack(values, 1, n))))
  end, errors.handler))
  self.requests[request] = nil
end

local function serve(self, entry, method, request, timeout, n, ...)
  local core = entry.front._core
  if method.waits and (request == 0 or self.requests[request]) then
    return -- nobody could cancel it
  elseif method.waits or core.link then
    local task = spawn.spawn(serve_in_task, self, entry, method, request, timeout, n, { ... })
    spawn.abandon({ task }) -- no task of the script's: processes are served until they end
    if request ~= 0 then
      self.requests[request] = task
    end
    return
  end
  answer(self, request, xpcall(run, errors.handler, self, core, method, nil, ...))
end

local scratch = buffer.new()

local function arguments(self, event)
  scratch:set(event.data, event.len)
  return self.connection.receiver:unpack(scratch, band(event.tag, 0xff), rshift(event.tag, 8))
end

local function checked(self, entry, method, event, ok, ...)
  local request = tonumber(event.index)
  if not ok then
    return answer(self, request, false, (...))
  end
  serve(self, entry, method, request, event.wall_ns == 1 and 0 or nil, rshift(event.tag, 8), ...)
end

-- ---- objects ----

local function attach(self, number)
  local front = exports.find(number)
  if not front then
    return tell(self, stubs.GONE, number, 0, nil, 0)
  end
  local entry = self.attached[number]
  if not entry then
    entry = { front = front, count = 0 }
    self.attached[number] = entry
    self.attached_count = self.attached_count + 1
  end
  entry.count = entry.count + 1
  local core = front._core
  local info = core.attached and core:attached(self) or true
  tell(self, stubs.ATTACHED, number, 0, nil, 1, info)
end

local function forget(self, number, entry)
  local core = entry.front._core
  self.attached[number] = nil
  self.attached_count = self.attached_count - 1
  holds.release(entry, core)
  if core.client_gone then
    core:client_gone(self)
  end
end

local function detach(self, number)
  local entry = self.attached[number]
  if entry then
    entry.count = entry.count - 1
    if entry.count == 0 then
      forget(self, number, entry)
    end
  end
end

local function cancel(self, request)
  local task = self.requests[request]
  if not task then
    return
  end
  task:cancel("the caller gave up")
  if task:cancelled() then -- it had not begun, and will not answer
    self.requests[request] = nil
    answer(self, request, false, errors.new("CANCELLED", "cancelled before it began"))
  end
end

local function take_operation(self, op, event)
  if op == stubs.ATTACH then
    attach(self, event.key)
  elseif op == stubs.DETACH then
    detach(self, event.key)
  elseif op == stubs.CANCEL then
    cancel(self, tonumber(event.index))
  elseif op == stubs.READ then
    confirm(self, tonumber(event.index), event.wall_ns == 1)
  elseif op == stubs.DONE_PERMIT then
    permits.done(self, event.cell, event.generation)
  end
end

--- An ASK frame of the worker. Nothing in it is trusted.
---@param event ffi.cdata*  struct aimp_event
function Client:take(event)
  local op = event.count
  if op < FIRST_METHOD then
    return take_operation(self, op, event)
  end
  local entry = self.attached[event.key]
  if not entry and op >= FIRST_OWN then
    return
  elseif not entry then
    local err = errors.new("CLOSED", "the shared object does not exist any more")
    return answer(self, tonumber(event.index), false, err)
  end
  local declaration = exports.declaration_of(entry.front)
  if op >= FIRST_OWN then
    if declaration.on_ask then
      declaration.on_ask(entry.front._core, self, op, event)
    end
    return
  end
  local method = declaration.by_op[op]
  if not method then
    return answer(self, tonumber(event.index), false, errors.new("DECODE", "no such method"))
  end
  checked(self, entry, method, event, pcall(arguments, self, event))
end

-- What came first is first again.
local function put_all_back(self)
  local numbers = {}
  for request in pairs(self.unread) do
    numbers[#numbers + 1] = request
  end
  table.sort(numbers, function(a, b) return a > b end)
  for _, request in ipairs(numbers) do
    confirm(self, request, true)
  end
end

--- The worker is dead: what it waited for is withdrawn, what it held or did not read goes to the next.
function Client:gone()
  self.is_gone = true
  for _, task in pairs(self.requests) do
    task:cancel("its process is gone")
  end
  put_all_back(self)
  permits.gone(self)
  for number, entry in pairs(self.attached) do
    local ok, err = xpcall(forget, errors.handler, self, number, entry)
    if not ok then
      fiber.on_error(err)
    end
  end
  self.requests, all[self] = {}, nil
end

return M
