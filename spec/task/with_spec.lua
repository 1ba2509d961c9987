-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local errors = require("aimp.errors")
local support = require("spec.task.support")

local function in_task(name, body)
  it(name, support.task(body))
end

--- A pool of which only the ending is there.
local function thing()
  local log = {}
  local object = { log = log }
  for _, name in ipairs { "close", "terminate", "join" } do
    object[name] = function() log[#log + 1] = name end
  end
  return object
end

describe("aimp.with", function()
  in_task("gives the function's results and closes and joins", function()
    local object = thing()
    local a, b, c = aimp.with(object, function(o)
      assert.equal(object, o)
      assert.same({}, o.log)
      aimp.sleep(0)
      return 1, nil, 3
    end)
    assert.same({ 1, nil, 3 }, { a, b, c })
    assert.same({ "close", "join" }, object.log)
  end)

  in_task("terminates and joins on an error, and raises the same value", function()
    local object, value = thing(), {}
    local ok, err = pcall(aimp.with, object, function() error(value) end)
    assert.is_false(ok)
    assert.equal(value, err)
    assert.same({ "terminate", "join" }, object.log)
  end)

  in_task("keeps the traceback of a plain error", function()
    local function deep_inside() error("boom") end
    local task = aimp.spawn(function()
      aimp.with(thing(), function()
        deep_inside()
        return nil
      end)
    end)
    local _, err = task:pawait()
    assert.matches("in function 'deep_inside'", err.traceback)
  end)

  in_task("terminates when it is cancelled, also while it joins", function()
    local object = thing()
    local task = aimp.spawn(aimp.with, object, function() aimp.sleep(100) end)
    support.turns()
    task:cancel()
    task:pawait()
    assert.is_true(task:cancelled())
    assert.same({ "terminate", "join" }, object.log)

    object = thing()
    local joins = 0
    object.join = function()
      joins = joins + 1
      if joins == 1 then
        aimp.sleep(100)
      end
    end
    task = aimp.spawn(aimp.with, object, function() end)
    support.turns(2)
    task:cancel()
    task:pawait()
    assert.is_true(task:cancelled())
    assert.same({ "close", "terminate" }, object.log)
    assert.equal(2, joins)
  end)

  in_task("raises an error of close or join; the first error wins", function()
    local object = thing()
    object.close = function() error("in close", 0) end
    local ok, err = pcall(aimp.with, object, function() end)
    assert.is_false(ok)
    assert.equal("in close", err)
    assert.same({ "terminate", "join" }, object.log)
    object = thing()
    object.terminate = function() error("in terminate", 0) end
    ok, err = pcall(aimp.with, object, function() error("first", 0) end)
    assert.is_false(ok)
    assert.equal("first", err)
  end)

  in_task("takes objects that only close", function()
    local closed = 0
    local object = { close = function() closed = closed + 1 end }
    assert.equal(5, aimp.with(object, function() return 5 end))
    local ok, err = pcall(aimp.with, object, function() error(errors.new("HTTP", "x")) end)
    assert.is_false(ok)
    assert.is_true(errors.is(err, "HTTP"))
    assert.equal(2, closed)
  end)

  in_task("acquires and releases what has no close but these", function()
    local log = {}
    local object = {
      acquire = function() log[#log + 1] = "acquire" end,
      release = function() log[#log + 1] = "release" end,
    }
    assert.equal(5, aimp.with(object, function(o)
      assert.equal(object, o)
      log[#log + 1] = "inside"
      return 5
    end))
    assert.same({ "acquire", "inside", "release" }, log)
    local ok, err = pcall(aimp.with, object, function() error("boom", 0) end)
    assert.is_false(ok)
    assert.equal("boom", err)
    assert.same({ "acquire", "release" }, { log[4], log[5] })
    object.close = function() log[#log + 1] = "close" end
    aimp.with(object, function() end)
    assert.same({ "close" }, { log[6], log[7] })
  end)

  in_task("does not release what it did not acquire", function()
    local released = false
    local object = {
      acquire = function() error("not now", 0) end,
      release = function() released = true end,
    }
    local ok, err = pcall(aimp.with, object, function() error("must not be called") end)
    assert.is_false(ok)
    assert.equal("not now", err)
    assert.is_false(released)
  end)

  in_task("raises an error of release as it is; the first error wins", function()
    local value = {}
    local object = { acquire = function() end, release = function() error(value) end }
    local ok, err = pcall(aimp.with, object, function() return 1 end)
    assert.is_false(ok)
    assert.equal(value, err)
    ok, err = pcall(aimp.with, object, function() error("first", 0) end)
    assert.is_false(ok)
    assert.equal("first", err)
  end)

  in_task("leaves it to a class that wants to do it itself", function()
    local class = {}
    class.__index = class
    class.close = error
    function class.__aimp_with(object, fn)
      return "before", fn(object), "after"
    end
    local object = setmetatable({}, class)
    assert.same({ "before", object, "after" }, { aimp.with(object, function(o) return o end) })
  end)

  in_task("refuses what has no close, or is no function", function()
    for _, bad in ipairs { 5, "x", {}, true } do
      local ok, message = pcall(function() aimp.with(bad, print) end)
      assert.is_false(ok)
      assert.matches("with_spec.lua:%d+: bad argument #1 to 'aimp.with'", message)
    end
    local ok, message = pcall(function() aimp.with(thing(), 5) end)
    assert.is_false(ok)
    assert.matches("with_spec.lua:%d+: bad argument #2 to 'aimp.with'", message)
  end)
end)
