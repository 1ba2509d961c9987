--- What the specs of queues across processes share.
-- SPDX-License-Identifier: MIT
local support = require("spec.pool.support")
local uv = require("luv")

local M = {}

--- A sign that a worker sees although its loop does not run: `raise` gives it, `lower` removes it.
function M.sign()
  local path = os.tmpname()
  os.remove(path)
  return {
    path = path,
    raise = function()
      assert(io.open(path, "w")):close()
    end,
    lower = function()
      os.remove(path)
    end,
  }
end

--- In a worker: computes, so that nothing else happens in the process, until the sign is given.
---@param path string
function M.compute_until(path)
  local inside = require("aimp")
  local deadline = inside.now() + 20
  local file
  repeat
    assert(inside.now() < deadline, "no sign was given")
    file = io.open(path)
  until file
  file:close()
end

--- Waits until so many fibers, of any process, wait to get.
---@async
function M.getting(queue, n)
  support.eventually(function()
    return queue._core.getters:count() == n
  end, n .. " wait")
end

--- Stops the process, and waits until it is.
---@async
function M.stop(pid)
  assert(uv.kill(pid, "sigstop"))
  support.eventually(function()
    local file = assert(io.open(("/proc/%d/stat"):format(pid)))
    local state = file:read("*a"):match("%) (%a)")
    file:close()
    return state == "T"
  end, "the process stops")
end

return M
