--- What the specs of shared arrays share.
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local pool_support = require("spec.pool.support")
local uv = require("luv")

local M = {}

local NAME = "/memfd:aimp-shm (deleted)"

--- How many blocks a process has mapped, and how many it has open.
---@param pid? integer  default: this process
---@return integer mapped
---@return integer open
function M.blocks(pid)
  pid = pid or aimp.pid()
  local mapped, open = 0, 0
  for line in io.lines(("/proc/%d/maps"):format(pid)) do
    mapped = mapped + (line:find(NAME, 1, true) and 1 or 0)
  end
  local folder = ("/proc/%d/fd"):format(pid)
  local scan = assert(uv.fs_scandir(folder))
  for name in function() return uv.fs_scandir_next(scan) end do
    open = open + (uv.fs_readlink(folder .. "/" .. name) == NAME and 1 or 0)
  end
  return mapped, open
end

--- Collects in this process and in all workers until no process has any block.
---@async
---@param pool aimp.Pool
function M.collect_all(pool)
  local pids = pool_support.pids(pool)
  pids[#pids + 1] = aimp.pid()
  pool_support.eventually(function()
    pool:broadcast(function()
      collectgarbage()
      collectgarbage()
    end)
    collectgarbage()
    collectgarbage()
    local sum = 0
    for _, pid in ipairs(pids) do
      local mapped, open = M.blocks(pid)
      sum = sum + mapped + open
    end
    return sum == 0
  end, "all blocks are freed")
end

return M
