--- aimp.Queue: items handed from task to task, within a process and between processes.
---
--- Here: what the user holds. The truth is queue/core.lua; in other processes queue/stub.lua stands for it.
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local buffer = require("string.buffer")
local check = require("aimp.check")
local core_module = require("aimp.shared.queue.core")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local items = require("aimp.shared.queue.items")
local permits = require("aimp.shared.queue.permits")
local protocol = require("aimp.shared.queue.protocol")
local shared = require("aimp.shared")
local stub_module = require("aimp.shared.queue.stub")

local LOCAL = shared.LOCAL
local band = bit.band
local waiter = fiber.waiter

local M = {}

--- A first-in, first-out queue for any number of putters and getters, in any number of processes. It lives in
--- the process that made it; sent to a worker, as an argument, in a table or as a captured variable, it is
--- the same queue there. Items of one putter stay in order; getters are served in the order in which they
--- came. In the process that made it, and as long as it was sent nowhere, items are passed by reference;
--- otherwise they are copied when they are put. An item that was on its way to a worker that died goes to
--- the next getter.
---@class aimp.Queue
local Queue = {}
Queue.__index = Queue
Queue.__name = "aimp.Queue"

---@class aimp.QueueOptions
---@field maxsize? integer  items that it holds before `put` waits; 0, the default: no bound

local options_schema = {
  maxsize = { type = "integer", min = 0, max = 2 ^ 31, default = 0 },
}

local function check_self(self, method)
  if type(self) ~= "table" or getmetatable(self) ~= Queue then
    errors.raise_misuse(3, "%s: not a queue; call it as queue:%s()", method, method)
  end
end

-- nil could not be told from the end.
local function check_item(method, value)
  if value == nil then
    errors.raise_misuse(3, "queue:%s: an item must not be nil; use false, or close the queue", method)
  end
end

--- Puts an item at the end; waits while the queue is full.
---
--- Raises TIMEOUT when there was no room in time, CLOSED when the queue is closed, ENCODE for what cannot be
--- sent when other processes have the queue.
---
--- Example: `queue:put({ url = "https://example.org/" }, 5)`
---@async
---@param value any         not nil
---@param timeout? number   seconds; default: as long as it takes
function Queue:put(value, timeout)
  check_self(self, "put")
  check_item("put", value)
  check.arg(1, "queue:put", 2, timeout, "seconds?")
  waiter(1, "queue:put")
  self._core:put(LOCAL, timeout, value)
end

--- Takes the first item; waits while there is none.
---
--- Raises TIMEOUT when none came in time, CLOSED when the queue is closed and nothing is left, DECODE for an
--- item that cannot be read here.
---
--- Example: `local job = queue:get(0.5)`
---@async
---@param timeout? number  seconds; default: as long as it takes
---@return any item
function Queue:get(timeout)
  check_self(self, "get")
  check.arg(1, "queue:get", 1, timeout, "seconds?")
  waiter(1, "queue:get")
  local got, value = self._core:get(LOCAL, timeout)
  if not got then
    error(errors.new("CLOSED", "the queue is closed, and nothing is left in it"), 0)
  end
  return value
end

--- Puts an item if there is room. In the queue's own process it does not wait; in another, for the answer.
---
--- Raises CLOSED when the queue is closed, ENCODE as put does.
---
--- Example: `if not queue:try_put(job) then print("busy") end`
---@async
---@param value any  not nil
---@return boolean done
function Queue:try_put(value)
  check_self(self, "try_put")
  check_item("try_put", value)
  local done = self._core:try_put(LOCAL, value)
  return done
end

--- Takes the first item if there is one. In the queue's own process it does not wait; in another, for the
--- answer.
---
--- Raises DECODE for an item that cannot be read here.
---
--- Example: `local job = queue:try_get()`
---@async
---@return any? item  nil: there is none
function Queue:try_get()
  check_self(self, "try_get")
  local got, value = self._core:try_get(LOCAL)
  if got then
    return value
  end
  return nil
end

--- How many items nobody has got yet. Others may change that at any time. In the queue's own process it does
--- not wait; in another, for the answer.
---
--- Raises nothing but misuse.
---
--- Example: `print(queue:size())`
---@async
---@return integer items
function Queue:size()
  check_self(self, "size")
  local size = self._core:size(LOCAL)
  return size
end

--- Nothing can be put any more; what is there can still be got, after which getters are told: `get` raises
--- CLOSED, `iter` ends. Closing again does nothing. In the queue's own process it does not wait; in another,
--- for the answer.
---
--- Raises nothing but misuse.
---
--- Example: `queue:close()`
---@async
function Queue:close()
  check_self(self, "close")
  self._core:close(LOCAL)
end

--- Whether it was closed. In the queue's own process it does not wait; in another, for the answer.
---
--- Raises nothing but misuse.
---
--- Example: `while not queue:closed() do queue:put(read()) end`
---@async
---@return boolean
function Queue:closed()
  check_self(self, "closed")
  local is_closed = self._core:closed(LOCAL)
  return is_closed
end

local function next_item(self)
  waiter(1, "iterating over a queue")
  local got, value = self._core:get(LOCAL)
  if got then
    return value
  end
  return nil
end

--- Iterates over items as they come, until the queue is closed and empty. Any number of tasks may do that.
---
--- Raises DECODE for an item that cannot be read here.
---
--- Example:
---     for job in queue:iter() do
---       print(job)
---     end
---@async
---@return fun(queue: aimp.Queue): any? next
---@return aimp.Queue queue
function Queue:iter()
  check_self(self, "iter")
  return next_item, self
end

function Queue:__tostring()
  return "aimp.Queue"
end

-- ---- other processes ----

local scratch = buffer.new()

local function item_from(client, event)
  scratch:set(event.data, event.len)
  local receiver = client.connection.receiver
  local ok, value = pcall(receiver.unpack, receiver, scratch, band(event.tag, 0xff), 1)
  if not ok then
    return value, items.FAULT
  elseif value == nil then
    return errors.new("DECODE", "a queue's item is nil"), items.FAULT
  end
  return value, items.VALUE
end

-- Nothing in it is trusted: who has no place, or no permit, puts nothing.
local function put_from(core, client, event)
  local value, form = item_from(client, event)
  if core.maxsize > 0 then
    local is_place, is_over = core.room:arrived(client, event.cell, event.generation)
    if is_place then
      core:add(value, form)
    end
    if is_over then
      core:match()
    end
  elseif permits.arrived(client, event.cell, event.generation) then
    core:add(value, form)
    permits.taken(client)
  end
end

local asks = {
  [protocol.PUT] = put_from,
  [protocol.WANT] = function(core, client, event)
    core.offers:want(client, tonumber(event.index), tonumber(event.wall_ns))
  end,
  [protocol.UNWANT] = function(core, client, event)
    core.offers:unwant(client, tonumber(event.index))
  end,
  [protocol.TRY_GET] = function(core, client)
    core.offers:try(client)
  end,
  [protocol.DONE] = function(core, client, event)
    core.offers:done(client, event.cell, event.generation)
  end,
  [protocol.GIVE_BACK] = function(core, client)
    core.offers:give_back(client)
  end,
  [protocol.WANT_PLACE] = function(core, client, event)
    core.room:want(client, tonumber(event.index), tonumber(event.wall_ns))
  end,
  [protocol.UNWANT_PLACE] = function(core, client, event)
    core.room:unwant(client, tonumber(event.index))
  end,
  [protocol.DONE_PLACES] = function(core, client, event)
    core.room:done(client, event.cell, event.generation)
  end,
}

local function on_ask(core, client, op, event)
  local handle = asks[op]
  if handle and not core.link then -- one that only passes the queue on serves calls
    handle(core, client, event)
  end
end

local declaration = {
  name = "aimp.Queue",
  what = "an item of a queue",
  class = Queue,
  on_ask = on_ask,
  methods = {
    put = { waits = true, settles = true },
    get = { waits = true, restore = "unget" },
    try_put = {}, try_get = { restore = "unget" }, unget = {},
    size = {}, close = {}, closed = {},
  },
  stub = stub_module.Stub,
}
stub_module.declaration = declaration
shared.define(declaration)

--- Makes a queue.
---
--- Raises nothing but misuse.
---
--- Example: `local jobs = aimp.Queue({ maxsize = 100 })`
---@param options? aimp.QueueOptions
---@return aimp.Queue
function M.Queue(options)
  local checked = check.options(1, "aimp.Queue", options, options_schema)
  return setmetatable({ _core = core_module.new(checked.maxsize) }, Queue)
end

M.Class = Queue
return M
