-- SPDX-License-Identifier: MIT
--- What a sender remembers ends with the functions and tables that it is about.
local support = require("spec.codec.support")

local plain = support.plain

local function size(t)
  local count = 0
  for _ in pairs(t) do
    count = count + 1
  end
  return count
end

describe("a sender forgets", function()
  local pair

  before_each(function()
    pair = support.pair()
  end)

  local function collect()
    for _ = 1, 3 do
      collectgarbage()
    end
    pair.sender:sweep()
    collectgarbage()
  end

  it("functions that were collected, and keeps their prototype", function()
    local function run(i)
      assert.equal(i, pair:call(plain(function() return i end)))
    end
    for i = 1, 10 do
      run(i)
    end
    collect()
    assert.equal(10, #pair.forgotten)
    assert.equal(1, size(pair.sender.captures.records))
    for _, key in ipairs(pair.forgotten) do
      pair.receiver:forget(key)
      assert.is_false(pcall(pair.receiver.fn, pair.receiver, key))
    end
  end)

  it("on its own in a long loop", function()
    for i = 1, 20000 do
      local mutable, t = i, { i }
      local fn = plain(function()
        mutable = mutable + t[1]
        return mutable
      end)
      pair.sender:prepare(fn)
      if i % 1000 == 0 then
        collectgarbage()
      end
    end
    collect()
    local captures = pair.sender.captures
    assert.is_true(size(captures.records) < 600, size(captures.records))
    assert.is_true(size(captures.cells) < 600)
    assert.is_true(size(captures.live) < 600)
    assert.is_true(#pair.forgotten > 50000)
  end)

  it("functions that refer to themselves", function()
    local weak = setmetatable({}, { __mode = "k" })
    for _ = 1, 10 do
      local count, list, f, g = 0, {}, nil, nil
      f = plain(function() count = count + 1 return f, g, list end)
      g = plain(function() return f, list end)
      list[1], list.fn = list, g
      pair:call(f)
      weak[f], weak[list] = true, true
    end
    collect()
    assert.equal(0, size(weak))
    assert.equal(0, size(pair.sender.captures.live))
  end)

  it("values that a variable held", function()
    local weak = setmetatable({}, { __mode = "k" })
    local variable
    local fn = plain(function() return variable end)
    for _ = 1, 10 do
      variable = { {} }
      weak[variable], weak[variable[1]] = true, true
      pair:call(fn)
    end
    variable = nil
    collect()
    assert.equal(0, size(weak))
  end)

  it("functions that a variable came to hold after it was sent as a number", function()
    local weak = setmetatable({}, { __mode = "k" })
    local function run()
      local value = 1
      local fn = plain(function()
        value = value or 2
        return value
      end)
      pair:call(fn)
      value = fn
      weak[fn] = true
    end
    run()
    collect()
    collect()
    assert.equal(0, size(weak))
  end)

  it("no variable that a function still has", function()
    local n = 0
    local keep = plain(function()
      n = n + 1
      return n
    end)
    assert.equal(1, pair:call(keep))
    for _ = 1, 300 do
      pair:call(plain(function() n = n + 1 end))
    end
    collect()
    assert.equal(302, pair:call(keep))
    assert.equal(302, pair:call(plain(function() return n end)))
  end)

  it("classes with their last object", function()
    local function run()
      local Class = {}
      Class.__index = Class
      Class.get = plain(function() return Class end)
      local object = pair:send(setmetatable({}, Class))
      assert.equal(getmetatable(object), object.get())
    end
    run()
    collect()
    assert.equal(0, size(pair.sender.captures.live))
  end)

  it("and does not take a new variable for an old one at its address", function()
    for i = 1, 600 do
      local n = i
      local fn = plain(function()
        n = n + 0
        return n
      end)
      assert.equal(i, pair:call(fn))
      n = i + 0.5
      assert.equal(i + 0.5, pair:call(fn))
      if i % 20 == 0 then
        collectgarbage()
      end
    end
  end)

  it("and does so when both hold the same table", function()
    local shared = {}
    for i = 1, 200 do
      local variable = shared
      local take = plain(function()
        local value = variable
        variable = nil
        return value
      end)
      assert.is_table(pair:call(take))
      if i % 10 == 0 then
        collectgarbage()
      end
    end
  end)
end)
