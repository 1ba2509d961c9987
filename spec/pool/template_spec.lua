-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local cli = require("spec.cli.support")
local launcher = require("aimp.pool.launcher")
local support = require("spec.pool.support")
local uv = require("luv")

local failure = support.failure
local running = support.running

local function with_pool(name, options, body)
  it(name, support.pooled(options, body))
end

local function hang()
  require("aimp").sleep(1000)
end

describe("the death of the template", function()
  with_pool("takes the workers along, and all come back", { processes = 2 }, function(pool)
    local pids = support.pids(pool)
    local stuck = pool:apply(hang)
    running(pool, 1)
    local queued = pool:submit(function() return "ran" end, {}, { retries = 1 })
    local template = launcher.pid()
    uv.kill(template, "sigkill")
    local err = failure("WORKER_DIED", function() stuck:await() end)
    assert.matches("was lost with the template process", err.message)
    assert.is_true(err.pid == pids[1] or err.pid == pids[2])
    assert.equal("ran", queued:await())
    assert.same({ 2, 2 }, pool:broadcast(math.abs, -2))
    assert.not_equal(template, launcher.pid())
  end)

  -- Tasks may run in a worker that is about to go along, hence the retries.
  with_pool("while the workers start does no harm", { processes = 4, retries = 9 }, function(pool)
    uv.kill(launcher.pid(), "sigkill")
    assert.same({ 1, 1, 1, 1 }, pool:broadcast(math.abs, -1))
  end)

  it("while the workers start is not told by stray lines", function()
    local child = cli.run({ "-" }, { stdin = [[
      local aimp = require("aimp")
      local pool = aimp.Pool({ processes = 4, retries = 9 })
      require("luv").kill(require("aimp.pool.launcher").pid(), "sigkill")
      print(unpack(pool:broadcast(math.abs, -1)))
      pool:close()
      pool:join()
    ]] })
    assert.same({ "1\t1\t1\t1\n", "", 0 }, { child.out, child.err, child.status })
  end)

  with_pool("twice in a row does no harm", { processes = 4, retries = 9 }, function(pool)
    local first = launcher.pid()
    uv.kill(first, "sigkill")
    support.eventually(function() return launcher.pid() and launcher.pid() ~= first end, "another template")
    uv.kill(launcher.pid(), "sigkill")
    assert.same({ 1, 1, 1, 1 }, pool:broadcast(math.abs, -1))
  end)

  with_pool("shared by two pools is healed in both", { processes = 1, retries = 9 }, function(pool)
    aimp.with(aimp.Pool({ processes = 1, retries = 9 }), function(other)
      support.pids(pool)
      support.pids(other)
      uv.kill(launcher.pid(), "sigkill")
      assert.equal(1, pool:apply(math.abs, -1):await())
      assert.equal(2, other:apply(math.abs, -2):await())
    end)
  end)
end)
