--- A class for the specs of queues, whose objects travel by themselves or cannot be read.
-- SPDX-License-Identifier: MIT
local Point = {}
Point.__index = Point

function Point.new(x, y)
  return setmetatable({ x = x, y = y }, Point)
end

function Point:length()
  return math.sqrt(self.x * self.x + self.y * self.y)
end

local Unreadable = {}
Unreadable.__index = Unreadable
Point.Unreadable = Unreadable

function Unreadable:__aimp_send()
  return self.only_in_workers
end

function Unreadable.__aimp_recv(only_in_workers)
  if only_in_workers and not require("aimp").worker() then
    return Point.unreadable_in_workers()
  end
  error("this point cannot be read", 0)
end

--- A point that can be sent but not received.
function Point.unreadable()
  return setmetatable({ only_in_workers = false }, Unreadable)
end

function Point.unreadable_in_workers()
  return setmetatable({ only_in_workers = true }, Unreadable)
end

return Point
