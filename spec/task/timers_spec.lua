-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local loop = require("aimp.loop")
local support = require("spec.task.support")
local timers = require("aimp.timers")

describe("aimp.timers", function()
  local clock

  before_each(function() clock = support.fake_clock() end)
  after_each(function() clock.restore() end)

  local function sleeper(log, name)
    return { _slot = false, _on_time = function() log[#log + 1] = name end }
  end

  it("rouses by deadline, and by order of arrival where that is equal", function()
    local log = {}
    for i, seconds in ipairs { 3, 1, 2, 1, 3, 1 } do
      timers.add(sleeper(log, i), seconds)
    end
    clock.advance(1)
    assert.same({ 2, 4, 6 }, log)
    clock.advance(5)
    assert.same({ 2, 4, 6, 3, 1, 5 }, log)
    assert.equal(0, timers.count())
  end)

  it("rouses nobody early", function()
    local log = {}
    timers.add(sleeper(log, 1), 1)
    clock.advance(0.999)
    assert.same({}, log)
    clock.advance(0.002)
    assert.same({ 1 }, log)
  end)

  it("keeps order under random additions and removals", function()
    local random = 12345
    local function next_random(n)
      random = (random * 1103515245 + 12345) % 2 ^ 31
      return random % n
    end
    local log, expected, entries = {}, {}, {}
    for i = 1, 2000 do
      local seconds = next_random(50)
      entries[i] = sleeper(log, i)
      expected[i] = { seconds = seconds, i = i }
      timers.add(entries[i], seconds)
    end
    local kept = {}
    for i = 1, 2000 do
      if next_random(3) == 0 then
        timers.remove(entries[i])
        timers.remove(entries[i])
      else
        kept[#kept + 1] = expected[i]
      end
    end
    table.sort(kept, function(a, b)
      return a.seconds < b.seconds or (a.seconds == b.seconds and a.i < b.i)
    end)
    for _ = 1, 51 do
      clock.advance(1)
    end
    local order = {}
    for i, entry in ipairs(kept) do
      order[i] = entry.i
    end
    assert.same(order, log)
    assert.equal(0, timers.count())
  end)

  it("lets a sleeper lie down again while it is roused", function()
    local rings = 0
    local entry = { _slot = false }
    function entry:_on_time()
      rings = rings + 1
      if rings < 3 then
        timers.add(self, 1)
      end
    end
    timers.add(entry, 1)
    for _ = 1, 5 do
      clock.advance(1)
    end
    assert.equal(3, rings)
  end)

  it("keeps the loop alive unless all are idle, whoever comes and goes", function()
    local output = support.luajit([[
      local timers, uv = require("aimp.timers"), require("luv")
      local function sleeper(is_idle)
        return { _slot = false, is_idle = is_idle, _on_time = function() end }
      end
      local idle, other_idle, awake = sleeper(true), sleeper(true), sleeper(nil)
      local function is_alive_with(...)
        for _, entry in ipairs({ ... }) do
          timers.add(entry, 100)
        end
        local alive = uv.loop_alive()
        for _, entry in ipairs({ ... }) do
          timers.remove(entry)
        end
        return alive
      end
      print(is_alive_with(idle), is_alive_with(awake), is_alive_with(idle, other_idle, awake))
      timers.add(idle, 1)
      print(is_alive_with(other_idle), is_alive_with(awake), uv.loop_alive())
      timers.remove(idle)
      print(is_alive_with(awake), uv.loop_alive())
    ]])
    assert.equal("false\ttrue\ttrue\nfalse\ttrue\tfalse\ntrue\tfalse\n", output)
  end)

  it("takes abandoned ones out when another lies down", function()
    local log, entries = {}, {}
    for i = 1, 10 do
      entries[i] = sleeper(log, i)
      entries[i].is_idle = true
      timers.add(entries[i], i)
    end
    for i = 1, 9, 2 do
      timers.abandon(entries[i])
    end
    timers.remove(entries[3])
    timers.add(sleeper(log, "other"), 20)
    assert.equal(6, timers.count())
    clock.advance(20)
    assert.same({ 2, 4, 6, 8, 10, "other" }, log)
  end)

  describe("loop.timer", function()
    it("calls with its argument from the queue", support.task(function()
      local got
      loop.timer(5, function(a) got = a end, "argument")
      clock.advance(5)
      assert.is_nil(got)
      support.turns()
      assert.equal("argument", got)
    end))

    it("does nothing once stopped, and can be stopped late", support.task(function()
      local calls = 0
      local timer = loop.timer(5, function() calls = calls + 1 end)
      timer:stop()
      clock.advance(6)
      support.turns()
      assert.equal(0, calls)
      timer = loop.timer(5, function() calls = calls + 1 end)
      clock.advance(6)
      support.turns()
      timer:stop()
      assert.equal(1, calls)
    end))
  end)

  describe("aimp.sleep", function()
    it("wakes in the order of deadlines", support.task(function()
      local log = {}
      for i, seconds in ipairs { 3, 1, 2, 1 } do
        aimp.spawn(function()
          aimp.sleep(seconds)
          log[#log + 1] = i
        end)
      end
      support.turns()
      clock.advance(4)
      support.turns()
      assert.same({ 2, 4, 3, 1 }, log)
    end))

    it("with 0 yields once, behind those that are ready", support.task(function()
      local log = {}
      for i = 1, 3 do
        aimp.spawn(function()
          for _ = 1, 2 do
            log[#log + 1] = i
            aimp.sleep(0)
          end
        end)
      end
      aimp.sleep(0)
      assert.same({ 1, 2, 3 }, log)
      aimp.sleep(0)
      assert.same({ 1, 2, 3, 1, 2, 3 }, log)
      support.turns()
    end))

    it("takes a hundred thousand at once", support.task(function()
      local n, awake = 100000, 0
      for _ = 1, n do
        aimp.spawn(function()
          aimp.sleep(1)
          awake = awake + 1
        end)
      end
      support.turns()
      assert.equal(n, timers.count())
      clock.advance(2)
      support.turns()
      assert.equal(n, awake)
    end))

    it("is real time on the real clock", support.task(function()
      clock.restore()
      local start = aimp.now()
      aimp.sleep(0.02)
      assert.is_true(aimp.now() - start >= 0.02)
    end))

    it("refuses what is no duration, at the caller's line", support.task(function()
      for _, bad in ipairs { -1, 0 / 0, math.huge, "1", {} } do
        local ok, message = pcall(function() aimp.sleep(bad) end)
        assert.is_false(ok)
        assert.matches("timers_spec.lua:%d+: bad argument #1 to 'aimp.sleep'", message)
      end
      local ok, message = pcall(function() aimp.sleep() end)
      assert.is_false(ok)
      assert.matches("got nothing", message)
    end))
  end)
end)
