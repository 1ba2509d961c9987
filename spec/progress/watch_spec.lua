-- SPDX-License-Identifier: MIT
local watch = require("aimp.progress.watch")

--- Something to iterate over: gives 1, 2, 3 and so on.
local function counter()
  local count = 0
  return setmetatable({}, {
    __call = function()
      count = count + 1
      return count
    end,
  })
end

--- Runs fn in a coroutine up to its first yield.
local function started(fn)
  local thread = coroutine.create(fn)
  assert(coroutine.resume(thread))
  return thread
end

describe("watch.is_looping", function()
  it("is true within the loop, for the loop's own object", function()
    local object = counter()
    for n in object do
      assert.is_true(watch.is_looping(coroutine.running(), object))
      assert.is_false(watch.is_looping(coroutine.running(), counter()))
      if n == 2 then break end
    end
    assert.is_false(watch.is_looping(coroutine.running(), object))
  end)

  it("sees a loop of another coroutine, wherever that waits", function()
    local object = counter()
    local function deep() coroutine.yield() end
    local thread = started(function()
      for n in object do
        deep()
        if n == 2 then break end
      end
      deep()
      for _ in object do
        deep()
      end
    end)
    assert.is_true(watch.is_looping(thread, object))
    coroutine.resume(thread)
    assert.is_true(watch.is_looping(thread, object))
    coroutine.resume(thread)
    assert.is_false(watch.is_looping(thread, object))
    coroutine.resume(thread)
    assert.is_true(watch.is_looping(thread, object))
  end)

  it("sees a loop of the coroutine's first function while that runs", function()
    local object, seen = counter(), nil
    started(function()
      for n in object do
        if n == 2 then break end
        seen = watch.is_looping(coroutine.running(), object)
      end
    end)
    assert.is_true(seen)
  end)

  it("sees the outer of two loops", function()
    local outer, inner = counter(), counter()
    for n in outer do
      for m in inner do
        assert.is_true(watch.is_looping(coroutine.running(), outer))
        if m % 2 == 0 then break end
      end
      assert.is_false(watch.is_looping(coroutine.running(), inner))
      if n == 2 then break end
    end
  end)

  it("is false after an error, also where that ended the coroutine", function()
    local object = counter()
    local function fail()
      for _ in object do
        error("no")
      end
    end
    pcall(fail)
    assert.is_false(watch.is_looping(coroutine.running(), object))
    local thread = coroutine.create(fail)
    coroutine.resume(thread)
    assert.is_false(watch.is_looping(thread, object))
  end)

  it("is false for variables of other kinds", function()
    local object = counter()
    local self = object
    local thread = started(function() coroutine.yield(self) end)
    assert.is_false(watch.is_looping(thread, object))
    assert.is_false(watch.is_looping(coroutine.running(), object))
  end)

  it("is the same however often it is asked", function() -- until it is compiled
    local object = counter()
    local thread = coroutine.running()
    for n in object do
      assert(watch.is_looping(thread, object) and watch.is_used(thread, object), n)
      if n == 3000 then break end
    end
    for n = 1, 3000 do
      assert(not watch.is_looping(thread, object) and not watch.is_used(thread, object), n)
    end
  end)

  it("takes a loop to be there that lies too deep", function()
    local function deep(n)
      if n == 0 then
        coroutine.yield()
      else
        deep(n - 1)
      end
      return n
    end
    assert.is_true(watch.is_looping(started(function() deep(2000) end), counter()))
    assert.is_false(watch.is_looping(started(function() deep(500) end), counter()))
  end)
end)

describe("watch.is_used", function()
  it("is true also while a method of the object is called", function()
    local object = counter()
    function object:wait()
      coroutine.yield()
      return self
    end
    local thread = started(function()
      object:wait()
      coroutine.yield()
    end)
    assert.is_true(watch.is_used(thread, object))
    assert.is_false(watch.is_looping(thread, object))
    coroutine.resume(thread)
    assert.is_false(watch.is_used(thread, object))
    for n in object do
      assert.is_true(watch.is_used(coroutine.running(), object))
      if n == 2 then break end
    end
  end)
end)
