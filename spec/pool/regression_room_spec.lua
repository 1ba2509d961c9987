-- Who waits for room in a worker's memory gets it, and who cannot be reached is replaced.
-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local support = require("spec.pool.support")

-- A function that captures more than a worker's memory takes at once, in many definitions.
local function demanding()
  local parts, text = {}, ("x"):rep(100 * 1024)
  for i = 1, 100 do
    local part = text .. i
    parts[i] = function() return #part end
  end
  return function()
    local sum = 0
    for i = 1, #parts do
      sum = sum + parts[i]()
    end
    _G.sum = sum
  end
end

local function sum()
  return _G.sum
end

describe("a worker", function()
  it("starts when what it must know first does not fit at once", support.pooled(
    { processes = 1, initializer = demanding() }, function(pool)
      assert.equal(100 * 100 * 1024 + 192, aimp.wait_for(pool:apply(sum), 10))
    end))

  it("that closed its socket is replaced when something large is sent to it", support.pooled(
    { processes = 1 }, function(pool)
      local first = pool:apply(function()
        local ffi, uv = require("ffi"), require("luv")
        ffi.cdef("int close(int fd);")
        for fd = 3, 64 do
          if (uv.fs_readlink("/proc/self/fd/" .. fd) or ""):match("^socket:") then
            ffi.C.close(fd)
          end
        end
        return require("aimp").worker().pid
      end):await()
      local task = pool:apply(function(text)
        return #text, require("aimp").worker().pid
      end, ("x"):rep(3 * 2 ^ 20))
      local length, pid = aimp.wait_for(task, 10)
      assert.equal(3 * 2 ^ 20, length)
      assert.is_true(pid ~= first)
    end))
end)
