--- The numbers under which other processes know this one's shared objects, and how objects are sent.
---
--- A front is sent as a number: to a worker the number that it has here; back to the process that it came
--- from the negative of the number that it has there. The receiver finds or makes its own front for it.
---
--- An object lives while its process holds it, a worker has it, or it is on its way to one (`route.pins`).
-- SPDX-License-Identifier: MIT
local M = {}

local fronts = setmetatable({}, { __mode = "v" })  -- by number
local numbers = setmetatable({}, { __mode = "k" }) -- by front
local declarations = setmetatable({}, { __mode = "k" }) -- by class of the fronts
local by_core = setmetatable({}, { __mode = "kv" })     -- fronts
local last_number = 0

--- What fronts that come from the parent process are made of; set by link.lua in a worker.
M.link = nil

---@param declaration aimp.shared.Declaration
function M.declare(declaration)
  declarations[declaration.class] = declaration
end

---@return aimp.shared.Declaration
function M.declaration_of(front)
  return declarations[getmetatable(front)]
end

---@return table? front  known once it was sent
function M.front_of(core)
  return by_core[core]
end

--- The front of a number that this process gave.
---@param number any  not trusted
---@return table?
function M.find(number)
  return fronts[number]
end

---@return integer? number  nil: it was never sent
function M.number_of(front)
  return numbers[front]
end

local function number_of(front)
  local number = numbers[front]
  if not number then
    local core = front._core
    if core.share then
      core:share()
    end
    last_number = last_number + 1
    number = last_number
    numbers[front], fronts[number], by_core[core] = number, front, front
  end
  return number
end

local function send_up(declaration, core)
  if not core.link then
    error(("an %s that was made in a worker cannot be sent to the process that made the worker; "
      .. "make it there"):format(declaration.name), 0)
  end
  return -core.number
end

---@class aimp.shared.Route  which way values go
---@field direction "down"|"up"|"self"  to a worker, to the parent process, or back to where they are
---@field fresh? table[]  down: fronts that were sent; their holder takes the list

--- The value that a front travels as.
---@param route? aimp.shared.Route
---@return integer
function M.send(declaration, front, route)
  local direction = route and route.direction or "up"
  if direction == "up" then
    return send_up(declaration, front._core)
  elseif direction == "self" then
    return -number_of(front)
  end
  local number = number_of(front)
  route.fresh = route.fresh or {}
  route.fresh[#route.fresh + 1] = front
  return number
end

--- The front of a value that came.
---@param value any  not trusted
---@return table front
function M.receive(declaration, value)
  if type(value) ~= "number" or value % 1 ~= 0 or value == 0 then
    error("no number of a shared object", 0)
  elseif value > 0 then
    if not M.link then
      error("a shared object of a process that is not this one's parent", 0)
    end
    return M.link:front(declaration, value)
  end
  local front = fronts[-value]
  if not front or getmetatable(front) ~= declaration.class then
    error(("an %s that this process does not know any more"):format(declaration.name), 0)
  end
  return front
end

return M
