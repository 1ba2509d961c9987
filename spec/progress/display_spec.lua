-- SPDX-License-Identifier: MIT
--- When bars are drawn: with a clock that stands unless it is moved.
local aimp = require("aimp")
local displays = require("aimp.progress.display")
local meters = require("aimp.progress.meter")
local support = require("spec.progress.support")
local task_support = require("spec.task.support")

local clock, display, record, output

before_each(function()
  clock = task_support.fake_clock()
  output, record = support.output()
  display = displays.new(output)
end)

after_each(function()
  clock.restore()
end)

local function add(description)
  local meter = meters.new({ description = description, total = 1000 })
  display:add(meter)
  return meter
end

--- Some time in steps of 10 ms, in each of which something is done.
local function pass(seconds, each)
  for _ = 1, math.floor(seconds * 100 + 0.5) do
    clock.advance(0.01)
    each()
  end
end

describe("a bar", function()
  it("is drawn at once, then ten times a second while items come, and at its end", function()
    local meter = add()
    assert.equal(1, #record.draws)
    pass(2, function()
      meter.count = meter.count + 1
      display:changed()
    end)
    assert.is_true(#record.draws >= 19 and #record.draws <= 21, #record.draws)
    local before = #record.draws
    meter.count = 1000
    display:remove(meter)
    assert.same({ before, "1000/1000" }, { #record.draws, support.state(record.ended[1]) })
  end)

  it("is drawn by the timer when something else changed it", function()
    local done = 0
    local meter = meters.new({})
    meter.read = function() return done, 10 end
    display:add(meter)
    pass(0.3, function() display:tick() end)
    assert.equal(1, #record.draws)
    done = 1
    pass(0.02, function() display:tick() end)
    assert.same({ 2, "1/10" }, { #record.draws, support.state(record.draws[2][1]) })
    done = 2
    pass(0.08, function() display:tick() end)
    assert.equal(2, #record.draws)
    pass(0.03, function() display:tick() end)
    assert.equal(3, #record.draws)
  end)

  it("is drawn once a second when nothing happens, as time goes on", function()
    add()
    pass(3.05, function() display:tick() end)
    assert.equal(4, #record.draws)
    assert.is_true(math.abs(record.draws[4][1].elapsed - 3) < 0.05, record.draws[4][1].elapsed)
  end)

  it("is drawn soon with its new description", function()
    local meter = add("one")
    pass(0.2, function() display:tick() end)
    meter:describe("two")
    display:tick()
    assert.same({ 2, "two 0/1000" }, { #record.draws, support.state(record.draws[2][1]) })
  end)

  it("is not drawn at once where the output does not want that", function()
    output.draws_first, output.interval, output.idle = false, 5, 5
    local meter = add()
    pass(4.9, function()
      meter.count = meter.count + 1
      display:changed()
      display:tick()
    end)
    assert.equal(0, #record.draws)
    pass(0.2, function() display:tick() end)
    assert.equal(1, #record.draws)
  end)
end)

describe("several bars", function()
  it("are drawn together, in the order in which they began, not more often than one", function()
    local first = add("first")
    pass(0.05, function() end)
    local second = add("second")
    assert.equal(1, #record.draws)
    pass(1, function()
      first.count, second.count = first.count + 1, second.count + 2
      display:changed()
      display:changed()
    end)
    assert.is_true(#record.draws <= 11, #record.draws)
    local last = record.draws[#record.draws]
    assert.same({ 2, "first", "second" }, { #last, last[1].description, last[2].description })
    assert.equal(2 * last[1].count, last[2].count)
  end)

  it("end one by one, and the output with the last", function()
    local emptied = 0
    display.on_empty = function() emptied = emptied + 1 end
    local first, second = add("first"), add("second")
    display:remove(second)
    display:remove(second) -- again does nothing
    assert.same({ { 1 }, 0, 0 }, { record.rest, record.closed, emptied })
    display:remove(first)
    assert.same({ { 1, 0 }, 1, 1 }, { record.rest, record.closed, emptied })
    assert.same({ "second 0/1000", "first 0/1000" }, support.ends(record))
  end)
end)

describe("a bar that nobody wants to see any more", function()
  it("ends with the next tick, and before something is printed", function()
    local first, second = add("first"), add("second")
    first.is_alive = function() return true end
    display:tick()
    assert.equal(0, #record.ended)
    first.is_alive = function() return false end
    display:tick()
    assert.same({ "first 0/1000" }, support.ends(record))
    second.is_abandoned = true
    record.before()
    assert.same({ "first 0/1000", "second 0/1000" }, support.ends(record))
    assert.equal(1, record.closed)
  end)

  it("leaves no line where it was told so", function()
    local meter = meters.new({ leave = false })
    display:add(meter)
    display:remove(meter)
    assert.same({ false }, record.ended)
  end)
end)

describe("the timer of bars", function()
  it("draws while the script waits, and is gone with the last bar", support.recorded(function(recorded)
    clock.restore()
    local bar = aimp.progress({ description = "idle" })
    repeat
      aimp.sleep(0.01)
    until #recorded.draws >= 2 -- the second comes after a second
    bar:close()
    assert.is_true(recorded.draws[2][1].elapsed >= 1)
    assert.equal(0, recorded.draws[2][1].count)
  end))
end)
