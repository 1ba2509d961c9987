--- Entries of aimp.Dict that live for some time, by a clock of the spec's own.
-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
local aimp = require("aimp")
local support = require("spec.task.support")
local timers = require("aimp.timers")

describe("an entry of aimp.Dict", function()
  local clock, made

  --- One that is emptied while its clock goes: what real timers were set for by this one may be far.
  local function new_dict(options)
    made = aimp.Dict(options)
    return made
  end

  before_each(function() clock = support.fake_clock() end)
  after_each(function()
    made:clear()
    clock.restore()
  end)

  --- Lets time pass without the timers seeing it, as a task does that computes for long.
  local function compute(seconds)
    local expire = timers.expire
    timers.expire = function() end
    clock.advance(seconds)
    timers.expire = expire
  end

  it("is there until its time is over, and not a moment longer", function()
    local dict = new_dict()
    dict:set("k", "v", { ttl = 2 })
    compute(1.5)
    assert.equal("v", dict:get("k"))
    assert.equal(0.5, dict:ttl("k"))
    compute(0.5)
    assert.is_nil(dict:get("k"))
    assert.is_nil(dict:ttl("k"))
  end)

  for name, look in pairs({
    get = function(dict) return dict:get("k", "none") == "none" end,
    has = function(dict) return not dict:has("k") end,
    len = function(dict) return dict:len() == 0 end,
    keys = function(dict) return #dict:keys() == 0 end,
    items = function(dict)
      local _, snapshot = dict:items()
      return next(snapshot) == nil
    end,
    ttl = function(dict) return dict:ttl("k") == nil end,
    delete = function(dict) return not dict:delete("k") end,
    expire = function(dict) return not dict:expire("k", 5) end,
    add = function(dict) return dict:add("k", 2) end,
    incr = function(dict) return dict:incr("k") == 1 end,
    compare_and_set = function(dict) return dict:compare_and_set("k", nil, 2) end,
  }) do
    it("is not there for " .. name .. " once it is overdue, although no timer ran", function()
      local dict = new_dict({ initial = { k = "v" }, ttl = 1 })
      compute(1)
      assert.is_true(look(dict))
    end)
  end

  it("is forgotten although nobody asks for it", function()
    local dict = new_dict()
    local value = {}
    for i = 1, 100 do
      dict:set(i, value, { ttl = i })
    end
    clock.advance(60)
    support.turns()
    local count = 0
    for _ in pairs(dict._core.values) do
      count = count + 1
    end
    assert.equal(40, count)
    assert.equal(40, dict._core.deadlines.size)
    clock.advance(40)
    support.turns()
    assert.is_nil(next(dict._core.values))
    assert.equal(0, timers.count())
  end)

  it("lives as long as the last word about it says", function()
    local dict = new_dict()
    dict:set("longer", 1, { ttl = 1 })
    dict:set("longer", 2, { ttl = 5 })
    dict:set("shorter", 1, { ttl = 5 })
    dict:set("shorter", 2, { ttl = 1 })
    dict:set("for good", 1, { ttl = 1 })
    dict:set("for good", 2)
    dict:set("expire", 1)
    assert.is_true(dict:expire("expire", 1))
    dict:set("kept", 1, { ttl = 1 })
    assert.is_true(dict:expire("kept", math.huge))
    assert.is_false(dict:expire("none", 1))
    clock.advance(2)
    support.turns()
    local keys = dict:keys()
    table.sort(keys)
    assert.same({ "for good", "kept", "longer" }, keys)
    assert.is_nil(dict:ttl("kept"))
    assert.equal(3, dict:ttl("longer"))
  end)

  it("lives as long as the dictionary says where nothing else is said", function()
    local dict = new_dict({ initial = { a = 1 }, ttl = 2 })
    dict:set("b", 1)
    dict:add("c", 1)
    dict:incr("d")
    dict:update({ e = 1 })
    dict:compare_and_set("f", nil, 1)
    dict:set("longer", 1, { ttl = 3 })
    dict:set("for good", 1, { ttl = math.huge })
    for _, key in ipairs({ "a", "b", "c", "d", "e", "f" }) do
      assert.equal(2, dict:ttl(key), key)
    end
    assert.equal(3, dict:ttl("longer"))
    assert.is_nil(dict:ttl("for good"))
  end)

  it("keeps its time when it is counted or exchanged, and gets a new one when it is set", function()
    local dict = new_dict({ ttl = 10 })
    dict:set("n", 1)
    clock.advance(4)
    dict:incr("n", 1, 0, { ttl = 100 })
    assert.equal(6, dict:ttl("n"))
    dict:compare_and_set("n", 2, 3)
    assert.equal(6, dict:ttl("n"))
    dict:compare_and_set("n", 3, 4, { ttl = 7 })
    assert.equal(7, dict:ttl("n"))
    dict:incr("new", 1, 0, { ttl = 1 })
    assert.equal(1, dict:ttl("new"))
    dict:set("n", 5)
    assert.equal(10, dict:ttl("n"))
    dict:delete("n")
    dict:set("n", 6, { ttl = math.huge })
    clock.advance(1000)
    support.turns()
    assert.equal(6, dict:get("n"))
  end)

  it("that ends is told like one that is deleted, in the order of the ends", function()
    local dict, log = new_dict(), {}
    dict:set("b", { 2 }, { ttl = 2 })
    dict:set("a", 1, { ttl = 1 })
    dict:on_change(function(key, new, old) log[#log + 1] = { key, new == nil, old } end)
    clock.advance(1)
    support.turns(2)
    assert.same({ { "a", true, 1 } }, log)
    compute(1)
    dict:add("b", 3) -- which is the first to notice
    support.turns()
    assert.same({ { "a", true, 1 }, { "b", true, { 2 } }, { "b", false } }, log)
  end)

  it("that had ended before is told to nobody who asks later", function()
    local dict, log = new_dict({ initial = { k = 1 }, ttl = 1 }), {}
    compute(1)
    dict:on_change(function(key) log[#log + 1] = key end)
    assert.is_false(dict:has("k"))
    support.turns()
    assert.same({}, log)
  end)

  it("keeps the right order among thousands, whatever is said of them meanwhile", function()
    local dict, due, random = new_dict(), {}, 12345
    local function next_random(n)
      random = (random * 1103515245 + 12345) % 2 ^ 31
      return random % n
    end
    for _ = 1, 5000 do
      local key, seconds = next_random(1000), next_random(50) + 1
      if next_random(4) == 0 then
        dict:delete(key)
        due[key] = nil
      else
        dict:set(key, true, { ttl = seconds })
        due[key] = seconds
      end
    end
    for now = 1, 51 do
      clock.advance(1)
      support.turns()
      for key, seconds in pairs(due) do
        assert(dict._core.values[key] == (seconds > now or nil), key)
      end
    end
    assert.equal(0, dict:len())
  end)

  it("may live longer than any timer", function()
    local dict = new_dict()
    dict:set("k", 1, { ttl = 1e300 })
    clock.advance(2 ^ 40)
    support.turns()
    assert.equal(1, dict:get("k"))
    dict:clear()
    assert.equal(0, timers.count())
  end)
end)

describe("the timer of aimp.Dict", function()
  local prologue = [[
    local aimp = require("aimp")
    local function wait() require("aimp.fiber").wait(nil, "what never comes") end
    local function deadlocks(body)
      local ok, err = pcall(aimp.run, body)
      return not ok and err.code == "DEADLOCK"
    end
  ]]

  it("does not keep a deadlock from being seen", function()
    local output, status = support.luajit(prologue .. [[
      assert(deadlocks(function()
        local dict = aimp.Dict({ ttl = 3600 })
        dict:set("k", 1)
        wait()
      end))
      assert(deadlocks(function()
        local dict = aimp.Dict({ ttl = 3600 })
        dict:on_change(print):cancel()
        dict:set("k", 1)
        aimp.sleep(0.001)
        wait()
      end))
      print("done")
    ]])
    assert.equal("done\n", output)
    assert.equal(0, status)
  end)

  it("runs while others wait, and where somebody waits to be told of the end", function()
    local output, status = support.luajit(prologue .. [[
      aimp.run(function()
        local dict, task = aimp.Dict(), nil
        dict:set("k", 1, { ttl = 0.01 })
        dict:on_change(function() task:cancel() end)
        task = aimp.spawn(wait)
        local ok, err = task:pawait()
        assert(not ok and err.code == "CANCELLED")
      end)
      aimp.run(function()
        local dict = aimp.Dict()
        dict:set("k", 1, { ttl = 0.01 })
        local value = dict._core.values
        repeat
          aimp.sleep(0.02)
        until not value.k
      end)
      print("done")
    ]])
    assert.equal("done\n", output)
    assert.equal(0, status)
  end)

  it("keeps no host's loop alive", function()
    local output, status = support.luajit(prologue .. [[
      local dict = aimp.Dict({ ttl = 3600 })
      dict:set("k", 1)
      aimp.run(function() aimp.sleep(0.001) end)
      require("luv").run()
      print("done")
    ]])
    assert.equal("done\n", output)
    assert.equal(0, status)
  end)
end)
