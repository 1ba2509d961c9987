--- Who asks a shared object for something: the process, and the task in it.
-- SPDX-License-Identifier: MIT
local fiber = require("aimp.fiber")
local uv = require("aimp.uv")

local M = {}

--- The client that stands for this process.
M.LOCAL = { name = "this process" }

local pid = nil -- not asked for before a fork: the template calls nothing here

local numbers = setmetatable({}, { __mode = "k" }) -- of Tasks and other fibers
local last_number = 0

local function number_of(thing)
  local number = numbers[thing]
  if not number then
    last_number = last_number + 1
    number, numbers[thing] = last_number, last_number
  end
  return number
end

-- A runner of the executor runs one item after the other; the cell's use and the item tell them apart.
local function item_of(runner)
  return ("%d.%d.%d"):format(runner.cell, runner.generation, runner.index)
end

--- A name of the running task that no other task has, in any process. Outside of tasks: the process's.
---@return string
function M.who()
  local f = fiber.current()
  local name
  if not f then
    name = "0"
  elseif f.executor then
    name = item_of(f)
  else
    name = "t" .. number_of(f.task or f)
  end
  pid = pid or uv.os_getpid()
  return pid .. ":" .. name
end

return M
