--- Shared objects used through a process in the middle, which serves a pool of its own with its stub.
-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local cell = require("spec.shared.modules.cell")
local support = require("spec.pool.support")
local uv = require("luv")

local eventually = support.eventually

local function with_pool(name, body)
  it(name, support.pooled({ processes = 1 }, body))
end

local function get(shared)
  return shared:get()
end

describe("a process in the middle", function()
  -- body(inner) runs in the worker, with a pool of its own.
  local function nested(pool, body, ...)
    return pool:apply(function(fn, ...)
      local a = require("aimp")
      local n, arguments = select("#", ...), { ... }
      return a.with(a.Pool({ processes = 1 }), function(inner)
        return fn(inner, unpack(arguments, 1, n))
      end)
    end, body, ...)
  end

  with_pool("serves its workers: requests, errors, handles, waits", function(pool)
    local shared = cell.new("top")
    local task = nested(pool, function(inner, object)
      local ok, err = inner:apply(function(o)
        local ok, err = pcall(o.fail, o, "no", { 1 })
        return ok, { err.code, err.message, err.cause[1] }
      end, object):await()
      local same = inner:apply(function(o) return o end, object):await() == object
      local n, a, b, c = inner:apply(function(o)
        return select("#", o:wait_echo(nil, 2, nil)), o:wait_echo(nil, 2, nil)
      end, object):await()
      local function late(o)
        local _, timeout = pcall(o.next, o, 0.01)
        return timeout.code
      end
      local code = inner:apply(late, object):await()
      return ok, err, same, { n, a, b, c }, code, inner:apply(get, object):await()
    end, shared)
    local ok, err, same, echoed, late, value = task:await()
    assert.is_false(ok)
    assert.same({ "STATE", "no", 1 }, err)
    assert.is_true(same)
    assert.same({ 3, nil, 2 }, echoed)
    assert.same({ "TIMEOUT", "top" }, { late, value })
    eventually(function() return shared:waiters() == 0 end, "none waits")
  end)

  with_pool("gives back what its worker held when that dies, and not before", function(pool)
    local shared, held, pid = cell.new(), aimp.Event(), aimp.Counter()
    local middle = nested(pool, function(inner)
      local task = inner:apply(function()
        for _ = 1, 3 do -- some that are given back by themselves
          shared:take()
          shared:give()
        end
        shared:take()
        pid:set(require("aimp").pid())
        held:set()
        require("aimp").sleep(1000)
      end)
      local _, err = task:pawait()
      return err.code, shared:holder_of(), shared:take(), shared:give()
    end)
    held:wait()
    assert.equal(3, shared._core.given)
    assert.is_truthy(shared:holder_of())
    uv.kill(pid:get(), "sigkill")
    assert.same({ "WORKER_DIED", nil, true }, { middle:await() })
    assert.equal(5, shared._core.given)
  end)

  with_pool("does not give back what was refused to be taken back", function(pool)
    local semaphore = aimp.Semaphore({ value = 3 })
    local free = nested(pool, function(inner)
      semaphore:acquire() -- the middle's own
      local refused = inner:apply(function()
        semaphore:acquire()
        return (pcall(semaphore.release, semaphore, 2 ^ 31))
      end):await()
      inner:terminate()
      inner:join()
      return refused, semaphore:value()
    end)
    assert.same({ false, 2 }, { free:await() })
  end)

  with_pool("does not give back what belongs to nobody", function(pool)
    local signals = aimp.Semaphore({ value = 5, bounded = false })
    local task = nested(pool, function(inner)
      inner:apply(function()
        signals:acquire()
        signals:acquire()
      end):await()
      inner:terminate()
      inner:join()
      return signals:value()
    end)
    assert.equal(3, task:await())
    assert.equal(3, signals:value())
  end)
end)
