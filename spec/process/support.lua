-- SPDX-License-Identifier: MIT
--- What the specs of processes share.
local aimp = require("aimp")
local assert = require("luassert")
local pool_support = require("spec.pool.support")

local M = { failure = pool_support.failure, eventually = pool_support.eventually }

--- The misuse that fn raises, whose position is the line on which fn, a function of one line, is written.
function M.misuse(pattern, fn)
  local message = pool_support.misuse(pattern, fn)
  local line = tonumber(message:match("_spec%.lua:(%d+): "))
  assert.equal(debug.getinfo(fn, "S").linedefined, line, message)
end

--- A process that has started and whose target runs and waits for ever.
---@async
---@param options? table  of aimp.Process
function M.sleeper(options)
  options = options or {}
  local path = os.tmpname()
  options.target = function(mark)
    local file = assert(io.open(mark, "w"))
    file:write("up")
    file:close()
    require("aimp").sleep(1000)
  end
  options.args = { path }
  local process = aimp.Process(options):start()
  M.eventually(function()
    local file = assert(io.open(path))
    local text = file:read("*a")
    file:close()
    return text == "up"
  end, "the target runs")
  os.remove(path)
  return process
end

return M
