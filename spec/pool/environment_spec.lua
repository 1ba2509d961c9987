-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local bit = require("bit")
local cli = require("spec.cli.support")
local support = require("spec.pool.support")
local uv = require("luv")

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

local function with_pool(name, body)
  it(name, support.pooled({ processes = 2 }, body))
end

describe("a worker process", function()
  with_pool("has the parent's directory, search paths and arguments", function(pool)
    local function surroundings()
      return { require("luv").cwd(), package.path, package.cpath, _G.arg }
    end
    assert.same(surroundings(), pool:apply(surroundings):await())
  end)

  with_pool("has its number, its pid and the pool's name", function(pool)
    local seen = pool:broadcast(function() return require("aimp").worker() end)
    assert.same({ 1, 2 }, { seen[1].id, seen[2].id })
    assert.same({ "pool", "pool" }, { seen[1].pool, seen[2].pool })
    local pids = support.pids(pool)
    assert.same(pids, { seen[1].pid, seen[2].pid })
  end)

  with_pool("has a title that ps shows", function(pool)
    local titles = pool:broadcast(function() return (read("/proc/self/cmdline"):gsub("%z.*", "")) end)
    assert.same({ "aimp: worker 1", "aimp: worker 2" }, titles)
  end)

  with_pool("has random numbers of its own", function(pool)
    local numbers = pool:broadcast(function() return math.random(2 ^ 30) end)
    assert.not_equal(numbers[1], numbers[2])
  end)

  with_pool("ignores SIGINT, which is the parent's to handle", function(pool)
    for _, pid in ipairs(support.pids(pool)) do
      local digit = read(("/proc/%d/status"):format(pid)):match("SigIgn:%s*%x*(%x)")
      assert.equal(2, bit.band(tonumber(digit, 16), 2)) -- signal 2 is the second bit
    end
  end)

  it("has no file of the parent open but the standard ones", function()
    local function opened(name)
      local luv, found = require("luv"), false
      for fd in luv.fs_scandir_next, assert(luv.fs_scandir("/proc/self/fd")) do
        found = found or luv.fs_readlink("/proc/self/fd/" .. fd) == name
      end
      return found
    end
    local path = cli.folder({ ["mine.txt"] = "" }) .. "/mine.txt"
    local file = assert(io.open(path)) -- before the template starts; stdio does not close it on exec
    assert.is_true(opened(path))
    support.pooled({ processes = 2 }, function(pool)
      assert.same({ false, false }, pool:broadcast(opened, path))
    end)()
    file:close()
    cli.remove_folders()
  end)

  it("has the directory and environment that the parent has when the pool is made", function()
    local before = uv.cwd()
    local folder = assert(uv.fs_mkdtemp("/tmp/aimp-life-XXXXXX"))
    uv.os_setenv("AIMP_SPEC_NEW", "set after the template started")
    uv.os_setenv("AIMP_SPEC_EMPTY", "")
    -- a first pool has the template started before the changes
    support.pooled({ processes = 1 }, function(first)
      first:apply(aimp.pid):await()
      uv.chdir(folder)
      uv.os_setenv("AIMP_SPEC_NEW", "newer")
      local second = aimp.Pool({ processes = 1 })
      aimp.with(second, function()
        assert.same({ uv.fs_realpath(folder), "newer", "" }, second:apply(function()
          return { require("luv").cwd(), os.getenv("AIMP_SPEC_NEW"), os.getenv("AIMP_SPEC_EMPTY") }
        end):await())
      end)
      uv.chdir(before)
    end)()
    uv.chdir(before)
    uv.os_unsetenv("AIMP_SPEC_NEW")
    uv.os_unsetenv("AIMP_SPEC_EMPTY")
    uv.fs_rmdir(folder)
  end)

  it("finds the modules that lie beside the script, and its arguments", function()
    local folder = cli.folder({
      ["neighbour.lua"] = "return { who = 'the neighbour' }",
      ["script.lua"] = [[
        local aimp = require("aimp")
        package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
        local pool = aimp.Pool({ processes = 1 })
        print(pool:apply(function() return require("neighbour").who, arg[0], arg[1], arg.n end):await())
        pool:close()
        pool:join()
      ]],
    })
    local child = cli.run({ folder .. "/script.lua", "first argument" })
    assert.same({ "", 0 }, { child.err, child.status })
    assert.equal(("the neighbour\t%s/script.lua\tfirst argument\tnil\n"):format(folder), child.out)
    cli.remove_folders()
  end)
end)
