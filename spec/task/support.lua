-- SPDX-License-Identifier: MIT
--- What the specs of the task layer share.
local aimp = require("aimp")
local fiber = require("aimp.fiber")
local timers = require("aimp.timers")

local M = {}

--- A spec body that runs in a task: the present one under aimprun, else the main task of a run of its own.
function M.task(body)
  return function()
    if fiber.current() then
      body()
      return
    end
    local ok, err
    aimp.run(function()
      ok, err = pcall(body)
    end)
    if not ok then
      error(err, 0)
    end
  end
end

--- Lets every task that is ready run, n times over.
function M.turns(n)
  for _ = 1, n or 1 do
    aimp.sleep(0)
  end
end

--- Puts a clock in the place of the monotonic one until `restore`; it stands unless it is advanced.
function M.fake_clock()
  local real, now = timers.clock, 1000
  timers.clock = function() return now end
  return {
    advance = function(seconds)
      now = now + seconds
      timers.expire()
    end,
    restore = function() timers.clock = real end,
  }
end

--- A wait that only `wake` ends.
function M.gate()
  local gate = { waiting = {}, withdrawn = 0 }
  function gate.wait()
    local f = fiber.current()
    gate.waiting[#gate.waiting + 1] = f
    return fiber.wait(function(g)
      gate.withdrawn = gate.withdrawn + 1
      for i, waiting in ipairs(gate.waiting) do
        if waiting == g then
          table.remove(gate.waiting, i)
        end
      end
    end, "a gate")
  end
  function gate.open(...)
    local waiting = gate.waiting
    gate.waiting = {}
    for _, f in ipairs(waiting) do
      fiber.wake(f, ...)
    end
  end
  return gate
end

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Runs a script in a plain luajit of its own; for what needs a loop that nobody drives yet.
---@return string output  of both streams
---@return integer status
function M.luajit(source)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(source)
  file:close()
  local command = string.format("LUA_PATH=%s timeout 60 luajit %s 2>&1; echo \"status $?\"",
    quoted(package.path), quoted(path))
  local pipe = assert(io.popen(command))
  local output = pipe:read("*a")
  pipe:close()
  os.remove(path)
  local text, status = output:match("^(.-)status (%d+)\n$")
  return text, tonumber(status)
end

return M
