--- Getting from a queue in a process that is not its owner's: methods of the stub (stub.lua).
-- SPDX-License-Identifier: MIT
local buffer = require("string.buffer")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local protocol = require("aimp.shared.queue.protocol")

---@class aimp.shared.QueueStub
local Stub = {}

-- May wait, as modules may be needed. The owner keeps what the item holds, such as other queues, until it is
-- told that all is here.
local function decode_item(self, lot)
  local receiver = self.link.receiver
  local ok, value = pcall(receiver.unpack, receiver, buffer.new():set(lot.bytes), lot.format, 1)
  self.items:done(lot)
  if not ok then
    error(value, 0)
  end
  return value
end

-- An item that was claimed.
local function item_of(self, lot, index)
  if type(lot) ~= "table" then -- there is none
    return false
  elseif lot.values then
    return true, lot.values[index]
  elseif lot.fault then
    error(errors.new(errors.codes[lot.fault.code] or "REMOTE", lot.fault.message), 0)
  end
  return true, decode_item(self, lot)
end

-- Asks the owner for an item of this moment.
local function ask_once(self)
  local items, lot, index = self.items, nil, nil
  while not lot and not self.is_finished do
    self.tried = self.tried + 1
    self.link:post(protocol.TRY_GET, self.number, 0, 0, 0, nil, 0)
    local word = items:wait_in(self.tries, nil, self.tried)
    if not word then
      return nil -- there is none
    elseif word == "called" then
      lot, index = items:claim()
      items:serve()
    end
  end
  return lot, index
end

local function try_get(self)
  if self.info.is_relay then
    return self:call("try_get", nil)
  end
  local lot, index = self.items:claim_if_free()
  if not lot then
    lot, index = ask_once(self)
  end
  return item_of(self, lot, index)
end

--- See the core's.
function Stub:try_get()
  fiber.raise_pending(fiber.waiter(2, "queue:try_get"))
  self:await_info()
  return try_get(self)
end

local function get_now(self)
  local got, value = try_get(self)
  if not got and not self.is_finished then
    self.items.line:wait(0) -- raises TIMEOUT
  end
  return got, value
end

--- See the core's.
function Stub:get(_, timeout)
  fiber.raise_pending(fiber.current())
  if self:await_info().is_relay then
    return self:call("get", timeout)
  elseif timeout == 0 then
    return get_now(self)
  elseif self.is_finished then
    return false
  end
  return item_of(self, self.items:take(timeout))
end

return Stub
