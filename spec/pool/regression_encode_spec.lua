-- What classes do while their objects are encoded, and what a worker may send that is no plain data.
-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local errors = require("aimp.errors")
local support = require("spec.pool.support")
local wire = require("aimp.pool.wire")

local failure, pooled = support.failure, support.pooled

local hooks = {} -- what a class does when its object is sent; by place, so that nothing of it is captured

-- A class whose objects arrive as their field `value`.
local function class(name)
  local Class = {}
  Class.__index = Class
  function Class.__aimp_send(object)
    local hook = debug.getregistry()[name]
    if hook then
      hook()
    end
    return object.value
  end
  function Class.__aimp_recv(value) return value end
  debug.getregistry()[name] = hooks[name]
  return Class
end

local function all(...)
  return ...
end

describe("__aimp_send", function()
  it("may submit to the pool: both calls arrive as they were made", pooled({ processes = 1 }, function(pool)
    local inner
    hooks.submits = function()
      inner = pool:submit(all, { "inner", {} }, { priority = 3, retries = 2 })
    end
    local object = setmetatable({ value = "middle" }, class("submits"))
    local outer = pool:apply(all, "first", object, "last")
    assert.same({ "first", "middle", "last" }, { outer:await() })
    assert.same({ "inner", {} }, { inner:await() })
    assert.same({ "middle", "x" }, { pool:map(all, { object, "x" }):await()[1], "x" })
  end))

  it("may start a map while a map is packed", pooled({ processes = 1 }, function(pool)
    local inner
    hooks.maps = function()
      inner = inner or pool:map(all, { "a", "b" })
    end
    local object = setmetatable({ value = "middle" }, class("maps"))
    local list = pool:map(all, { "first", object, "last" }, { chunksize = 3 }):await()
    assert.same({ "first", "middle", "last", n = 3 }, list)
    assert.same({ "a", "b", n = 2 }, inner:await())
  end))

  it("cannot wait", pooled({ processes = 1 }, function(pool)
    hooks.waits = function() require("aimp").sleep(0) end
    local object = setmetatable({ value = 1 }, class("waits"))
    local err = failure("ENCODE", pool.apply, pool, all, object)
    assert.matches("needs a running task", err.message)
  end))
end)

describe("a result with a metatable where plain data belongs", function()
  local trap = setmetatable({}, { __index = function() error("called") end })

  local function decodes_to(value)
    return { unpack = function() return value end, unpack_list = function() return value end }
  end

  it("is a DECODE error", function()
    local out = { store_list = error, store_multi = error }
    assert.is_true(errors.is(wire.unpack_error(decodes_to(trap), 256, "", 0), "DECODE"))
    assert.is_true(errors.is(wire.unpack_batch(decodes_to(trap), 32, "", 0, 0, 1, out), "DECODE"))
    assert.is_true(errors.is(wire.unpack_batch(decodes_to({ trap }), 48, "", 0, 0, 1, out), "DECODE"))
  end)
end)
