-- SPDX-License-Identifier: MIT
local handle = require("spec.codec.modules.handle")
local support = require("spec.codec.support")

local plain = support.plain

describe("objects with __aimp_send", function()
  local pair

  before_each(function()
    pair = support.pair()
  end)

  local function failure(code, ...)
    local ok, err = pcall(...)
    assert.is_false(ok)
    assert.equal(code, err.code)
    return err.message
  end

  it("arrive as __aimp_recv makes them, in both directions", function()
    local there = pair:send(handle.new(5))
    assert.same({ 5, true }, { there.id, there.is_copy })
    assert.equal(handle.Handle, getmetatable(there))
    assert.equal(5, pair:back(there).id)
  end)

  it("may inherit it", function()
    assert.equal(3, (pair:send(handle.named(3))).id)
  end)

  it("may belong to a class of the script", function()
    local Class = {}
    Class.__index = Class
    Class.__aimp_send = plain(function(self) return self.n + 1 end)
    Class.__aimp_recv = plain(function(n) return setmetatable({ n = n }, Class) end)
    local there = pair:send(setmetatable({ n = 1 }, Class))
    assert.equal(2, there.n)
    assert.equal(3, pair:back(there).n)
    assert.equal(Class, getmetatable(pair:back(there)))
  end)

  it("are one object where they are shared", function()
    local h = handle.new(1)
    local made = handle.made
    local a, b = pair:send({ h, { h } }, h)
    assert.equal(a[1], b)
    assert.equal(a[2][1], b)
    assert.equal(made + 1, handle.made)
  end)

  it("contain others, which are complete when __aimp_recv is called", function()
    local inner = handle.new(7)
    local t = { h = inner }
    local box = pair:send(handle.box({ t, handle.box(t) }))
    assert.equal(7, box.content[1].h.id)
    assert.equal(box.content[1], box.content[2].content)
    assert.is_true(box.content[1].h.is_copy)
  end)

  it("contain others to any depth", function()
    local box = handle.box("core")
    for _ = 1, 10000 do
      box = handle.box(box)
    end
    local received, depth = pair:send(box), 0
    while received.content ~= "core" do
      received, depth = received.content, depth + 1
    end
    assert.equal(10000, depth)
  end)

  it("may be contained in tables that they refer to", function()
    local t = {}
    t.box = handle.box(t)
    local received = pair:send(t)
    assert.equal(received, received.box.content)
  end)

  it("are refused when they contain themselves", function()
    local box = handle.box()
    box.content = { box }
    assert.equal("cannot send object that contains itself through __aimp_send at argument 1",
      failure("ENCODE", pair.send, pair, box))
  end)

  it("are refused when what they return is", function()
    local file = io.tmpfile()
    local message = failure("ENCODE", pair.send, pair, { handle.box(file) })
    file:close()
    assert.equal("cannot send userdata at argument 1 → [1] → __aimp_send → content", message)
  end)

  it("are refused when __aimp_send fails or nothing could receive them", function()
    assert.matches("cannot send object whose __aimp_send failed %(.*will not go%) at argument 2",
      failure("ENCODE", pair.send, pair, 1, handle.faulty()))
    assert.equal("cannot send object whose class has __aimp_send and no __aimp_recv at argument 1",
      failure("ENCODE", pair.send, pair, setmetatable({}, handle.OneWay)))
  end)

  it("whose __aimp_recv fails are a DECODE error of that value", function()
    for _, way in ipairs({ "send", "back" }) do
      local message = failure("DECODE", pair[way], pair, handle.box("poison"))
      assert.matches("__aimp_recv failed: .*poisoned", message)
    end
    assert.equal("fine", (pair:send(handle.box("fine"))).content)
  end)

  it("may be captured, and are not made again while they stay the same", function()
    local h = handle.new(1)
    local fn = plain(function() return h end)
    local first = pair:call(fn)
    assert.equal(1, first.id)
    assert.equal(first, pair:call(fn))
    h = handle.new(2)
    assert.equal(2, pair:call(fn).id)
  end)

  it("may be captured before their class is defined anew, for a worker that starts later", function()
    local Class = { count = 0 }
    Class.__index = Class
    Class.__aimp_send = plain(function(self) return self.n end)
    Class.__aimp_recv = plain(function(n) return setmetatable({ n = n }, Class) end)
    local object = setmetatable({ n = 5 }, Class)
    local fn = plain(function() return object.n, object.count end)
    assert.same({ 5, 0 }, { pair:call(fn) })
    Class.count = 1
    assert.same({ 5, 1 }, { pair:call(fn) })
    pair:restart()
    assert.same({ 5, 1 }, { pair:call(fn) })
  end)

  it("whose __aimp_recv fails are a DECODE error of the functions that capture them", function()
    local box = handle.box("poison")
    local fn = plain(function() return box.content end)
    assert.matches("poisoned", failure("DECODE", pair.call, pair, fn))
    assert.matches("poisoned", failure("DECODE", pair.call, pair, plain(function() return fn() end)))
    box.content = "fine"
    assert.equal("fine", pair:call(fn))
  end)
end)
