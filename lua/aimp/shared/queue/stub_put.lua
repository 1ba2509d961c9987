--- Putting into a queue in a process that is not its owner's: methods of the stub (stub.lua).
-- SPDX-License-Identifier: MIT
local bit = require("bit")
local buffer = require("string.buffer")
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local fiber = require("aimp.fiber")
local loop = require("aimp.loop")
local protocol = require("aimp.shared.queue.protocol")
local stubs = require("aimp.shared.stubs")

local C = aimp_ffi.C
local lshift = bit.lshift

--- One who puts without waiting rings the owner after so many items.
local PUTS_A_FLUSH = 32

---@class aimp.shared.QueueStub
local Stub = {}

-- Seconds of a deadline that are left; nil: there is none.
local function left_until(deadline)
  return deadline and math.max(deadline - loop.now(), 0)
end

local function await_room(link, deadline)
  while C.aimp_port_is_congested(link.port) ~= 0 do
    link.room:wait(left_until(deadline), true)
  end
end

local one = ffi.new("uint32_t[1]")

-- Claims a put. Raises CLOSED, TIMEOUT.
local function claim_permit(self, deadline)
  local link = self.link
  while true do
    self:refuse_closed()
    local permit = link.permit
    if permit and C.aimp_port_claim(link.port, permit.cell, permit.generation, 1, one) == 1 then
      return permit
    elseif permit then
      link.permit = nil
      link:post_cell(stubs.DONE_PERMIT, 0, permit.cell, permit.generation, 0, nil, 0)
    end
    self.items:wait_in(link.permits, left_until(deadline))
  end
end

-- The same, with a bound.
local function claim_place(self, deadline)
  local place = self.places:take(left_until(deadline))
  if place == "closed" then
    self:refuse_closed()
  end
  return place
end

-- Sends what was packed as the item of a place or of a permit.
local function send_item(self, place, format, data, len)
  local tag = format + lshift(1, 8)
  self.link:post_cell(protocol.PUT, self.number, place.cell, place.generation, tag, data, len)
  if place.unsent then
    self.places:sent(place)
  end
  self.puts = self.puts + 1
  if self.puts % PUTS_A_FLUSH == 0 then
    self.link.reply:flush()
  end
end

-- The item as it is now, in a buffer of the caller's. Raises ENCODE.
local function pack(self, value)
  local buf = self.buf or buffer.new()
  self.buf = nil -- __aimp_send of a value may put something itself
  local ok, format = pcall(self.link.sender.pack, self.link.sender, buf:reset(), 1, value)
  if not ok then
    self.buf = buf
    error(format, 0)
  end
  return buf, format
end

local function put_now(self, value)
  if not self:call("try_put", nil, value) then
    self.places.line:wait(0) -- raises TIMEOUT
  end
end

--- See the core's. Waits for no answer.
function Stub:put(_, timeout, value)
  fiber.raise_pending(fiber.current())
  self:await_info()
  self:refuse_closed()
  if self.info.is_relay then
    return self:call("put", timeout, value)
  elseif timeout == 0 then
    return put_now(self, value)
  end
  local deadline = timeout and loop.now() + timeout
  await_room(self.link, deadline)
  local buf, format = pack(self, value)
  local ok, place = pcall(self.info.is_bounded and claim_place or claim_permit, self, deadline)
  if ok then
    send_item(self, place, format, buf:ref())
  end
  self.buf = buf
  if not ok then
    error(place, 0)
  end
end

return Stub
