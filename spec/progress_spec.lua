-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local display = require("aimp.progress.display")
local errors = require("aimp.errors")
local pools = require("spec.pool.support")
local shutdown = require("aimp.shutdown")
local support = require("spec.progress.support")
local turns = require("spec.task.support").turns
local uv = require("luv")

local failure, misuse = pools.failure, pools.misuse
local recorded, ends = support.recorded, support.ends

local function shown(name, body)
  it(name, recorded(body))
end

--- What a loop over it gets: the values of each turn.
local function collect(iterator, state, control)
  local list = {}
  for a, b in iterator, state, control do
    list[#list + 1] = { a, b }
  end
  return list
end

describe("aimp.progress of a list", function()
  shown("gives its items, and ends its bar with the last", function(record)
    assert.same({ { "a" }, { false }, { 3 } }, collect(aimp.progress({ "a", false, 3 })))
    assert.same({ "3/3" }, ends(record))
    assert.same({}, collect(aimp.progress({})))
    assert.same({}, collect(aimp.progress({ n = 0 })))
    assert.same({ "3/3", "0/0", "0/0" }, ends(record))
  end)

  shown("counts an item when its turn of the loop is over", function(record)
    local counts = {}
    for item in aimp.progress({ 1, 2, 3 }, { description = "label" }) do
      local inner = aimp.progress({ description = "probe" }) -- makes itself drawn, and the other bar with it
      inner:close()
      counts[item] = record.rest[#record.rest]
      aimp.sleep(0)
    end
    assert.same({ 1, 1, 1 }, counts)
    assert.equal("label 3/3", ends(record)[4])
    for item in aimp.progress({ 1, 2, 3 }) do
      if item == 2 then break end
    end
    record.before()
    assert.equal("1/3", ends(record)[5])
  end)

  shown("takes a total of the user's", function(record)
    collect(aimp.progress({ 1, 2 }, { total = 5 }))
    assert.same({ "2/5" }, ends(record))
  end)
end)

describe("aimp.progress of an iterator", function()
  shown("gives what that gives, all values", function(record)
    assert.same({ { "k", "v" }, { "l", "w" } }, collect(aimp.progress(("k=v l=w"):gmatch("(%w)=(%w)"))))
    local list = { 5, 6 }
    assert.same({ { 1, 5 }, { 2, 6 } }, collect(aimp.progress(ipairs(list), { total = 2 }), list, 0))
    assert.same({ "2/?", "2/2" }, ends(record))
  end)

  shown("takes a callable object, and lets it wait", function(record)
    local count = 0
    local object = setmetatable({}, {
      __call = function()
        aimp.sleep(0)
        count = count + 1
        return count <= 3 and count or nil
      end,
    })
    assert.same({ { 1 }, { 2 }, { 3 } }, collect(aimp.progress(object)))
    assert.same({ "3/?" }, ends(record))
  end)

  shown("raises its errors, which end the bar", function(record)
    local function failing() error("broken", 0) end
    assert.same({ false, "broken" }, { pcall(collect, aimp.progress(failing)) })
    record.before()
    assert.same({ "0/?" }, ends(record))
  end)
end)

describe("aimp.progress of tasks", function()
  local function tasks_of(...)
    local list = {}
    for i, turn in ipairs({ ... }) do
      list[i] = aimp.spawn(function()
        turns(turn)
        return turn
      end)
    end
    return list
  end

  shown("gives them as they end", function(record)
    local order = {}
    for task in aimp.progress(tasks_of(5, 1, 3), { description = "t" }) do
      order[#order + 1] = task:await()
    end
    assert.same({ 1, 3, 5 }, order)
    assert.same({ "t 3/3" }, ends(record))
  end)

  shown("counts those that have ended, taken or not", function(record)
    local list = tasks_of(1, 1, 1, 99)
    turns(2)
    local also = tasks_of(1) -- ends while the bar is shown
    list[5] = also[1]
    for task in aimp.progress(list) do
      turns(5)
      if task:done() then break end
    end
    record.before()
    assert.same({ "4/5" }, ends(record))
    list[4]:cancel()
    turns(2)
  end)

  shown("needs a task, and nothing but tasks", function()
    local task = aimp.spawn(function() end)
    misuse("bad argument #1 to 'aimp.progress' %(item 2 is a number, expected a task%)", function()
      local bar = aimp.progress({ task, 1 })
      return bar
    end)
    local list = { task }
    local thread = coroutine.create(function()
      local bar = aimp.progress(list)
      return bar
    end)
    assert.matches("progress_spec.lua:%d+: aimp.progress of a list of tasks cannot wait",
      select(2, coroutine.resume(thread)))
    task:await()
  end)
end)

describe("aimp.progress.gather", function()
  shown("gives the first results in the order of the list", function(record)
    local list = {}
    for i = 1, 3 do
      list[i] = aimp.spawn(function()
        turns(4 - i)
        return i * 10, "more"
      end)
    end
    assert.same({ 10, 20, 30 }, aimp.progress.gather(list, { description = "all" }))
    assert.same({ "all 3/3" }, ends(record))
    assert.same({}, aimp.progress.gather({}))
  end)

  shown("raises the first failure and cancels the others, and its bar ends", function(record)
    local hanging = aimp.spawn(aimp.sleep, 1000)
    local failing = aimp.spawn(error, "bad", 0)
    local err = failure("REMOTE", function() aimp.progress.gather({ hanging, failing }) end)
    assert.equal("bad", err.cause)
    turns(2)
    assert.is_true(hanging:cancelled())
    assert.equal(1, #record.ended)
  end)

  shown("puts errors among the results where that is wanted", function(record)
    local results = aimp.progress.gather({ aimp.spawn(error, "bad", 0), aimp.spawn(tostring, 1) },
      { return_exceptions = true })
    assert.same({ "bad", "1" }, { results[1].cause, results[2] })
    assert.same({ "2/2" }, ends(record))
  end)

  shown("ends its bar when it is cancelled", function(record)
    local inner = aimp.spawn(aimp.sleep, 1000)
    local outer = aimp.spawn(aimp.progress.gather, { inner })
    turns(2)
    assert.equal(0, #record.ended)
    outer:cancel()
    turns(4)
    assert.same({ true, true, 1 }, { outer:cancelled(), inner:cancelled(), #record.ended })
  end)
end)

describe("a bar that is moved by hand", function()
  shown("counts what it is told", function(record)
    local bar = aimp.progress({ total = 10, description = "load" })
    bar:update()
    bar:update(2.5)
    bar:update(0)
    bar:describe("store")
    bar:close()
    bar:close()
    assert.same({ "store 3.5/10" }, ends(record))
  end)

  shown("is closed by aimp.with, also after an error", function(record)
    assert.equal("result", aimp.with(aimp.progress({ total = 1 }), function(bar)
      bar:update()
      return "result"
    end))
    pcall(aimp.with, aimp.progress({ total = 2 }), function() error("no") end)
    assert.same({ "1/1", "0/2" }, ends(record))
  end)

  shown("ends when nobody has it any more", function(record)
    aimp.progress({ total = 3 }):update()
    collectgarbage()
    collectgarbage() -- the first one may find a compiled loop's copy of it
    record.before()
    assert.same({ "1/3" }, ends(record))
  end)

  shown("refuses what makes no sense, at the caller's line", function()
    local bar = aimp.progress({ total = 10 })
    misuse("bad argument #1 to 'bar:update' %(expected a number, got the string 'x'%)", function()
      bar:update("x")
    end)
    misuse("bad argument #1 to 'bar:update' %(expected 0 or more, got %-1%)", function() bar:update(-1) end)
    misuse("bad argument #1 to 'bar:update'", function() bar:update(0 / 0) end)
    misuse("bad argument #1 to 'bar:describe' %(expected a string, got 5%)", function() bar:describe(5) end)
    misuse("update: not a progress bar; call it as bar:update%(%)", function() bar.update(3) end)
    misuse("nothing to iterate over; move it with bar:update", function()
      for _ in bar do end -- luacheck: ignore 542
    end)
    bar:close()
    misuse("bar:update: the bar is closed", function() bar:update() end)
    misuse("bar:describe: the bar is closed", function() bar:describe("x") end)
  end)
end)

describe("a loop that is left", function()
  shown("by break ends its bar before anything else is shown", function(record)
    for item in aimp.progress({ 1, 2, 3 }, { description = "first" }) do
      if item == 3 then break end
    end
    assert.same({}, ends(record))
    local bar = aimp.progress({ description = "second" })
    assert.same({ "first 2/3" }, ends(record))
    bar:close()
  end)

  shown("by break ends its bar when the task goes on to wait", function(record)
    for item in aimp.progress({ 1, 2 }) do
      if item == 1 then break end
    end
    repeat
      aimp.sleep(0.01)
    until #record.ended == 1 -- or the time limit of the spec
    assert.same({ "0/2" }, ends(record))
  end)

  shown("by an error, a return or cancellation ends its bar", function(record)
    local function body(leave)
      for item in aimp.progress({ 1, 2, 3 }) do
        if item == 2 then return leave() end
      end
    end
    pcall(body, error)
    record.before()
    body(function() end)
    record.before()
    local task = aimp.spawn(body, function() aimp.sleep(1000) end)
    turns(2)
    task:cancel()
    turns(2)
    record.before()
    assert.same({ "1/3", "1/3", "1/3" }, ends(record))
  end)

  shown("in a task that failed ends its bar", function(record)
    local task = aimp.spawn(function()
      for _ in aimp.progress({ 1, 2 }) do
        error("no")
      end
    end)
    task:pawait()
    record.before()
    assert.same({ "0/2" }, ends(record))
  end)

  shown("may be gone on with later: no item is lost", function()
    local bar, seen = aimp.progress({ 1, 2, 3, 4 }), {}
    for item in bar do
      seen[#seen + 1] = item
      if item == 2 then break end
    end
    display.changed()
    for item in bar do
      seen[#seen + 1] = item
    end
    assert.same({ 1, 2, 3, 4 }, seen)
  end)

  shown("by nobody keeps its bar, also while something else in it is shown", function(record)
    for _ in aimp.progress({ "a", "b" }, { description = "outer" }) do
      for _ in aimp.progress({ 1, 2, 3 }, { description = "inner", leave = false }) do
        record.before()
        aimp.sleep(0)
      end
    end
    assert.same({ false, false, "outer 2/2" }, ends(record))
    assert.same({ 1, 1, 0 }, record.rest)
  end)

  shown("that is no for loop ends its bar with the last item", function(record)
    local bar = aimp.progress({ 1, 2 })
    assert.equal(1, bar())
    record.before()
    assert.same({ 2, nil, nil }, { bar(), bar(), bar() })
    assert.same({ "2/2" }, ends(record))
  end)

  shown("within a coroutine that was dropped ends its bar", function(record)
    coroutine.wrap(function()
      for _ in aimp.progress({ 1, 2 }) do
        coroutine.yield()
      end
    end)()
    collectgarbage()
    collectgarbage()
    record.before()
    assert.same({ "0/2" }, ends(record))
  end)
end)

describe("aimp.progress", function()
  it("shows nothing with AIMP_PROGRESS=0, and works all the same", recorded(function(record)
    uv.os_setenv("AIMP_PROGRESS", "0")
    assert.same({ { 1 }, { 2 } }, collect(aimp.progress({ 1, 2 })))
    local bar = aimp.progress({ total = 3 })
    bar:update(2)
    bar:close()
    assert.same({ 7 }, aimp.progress.gather({ aimp.spawn(tonumber, 7) }))
    uv.os_unsetenv("AIMP_PROGRESS")
    assert.same({ 0, 0, 0 }, { record.opened, #record.draws, #record.ended })
    misuse("the bar is closed", function() bar:update() end)
  end))

  shown("leaves nothing to be done at the end of the program", function()
    local before = shutdown.count()
    local bar = aimp.progress({ total = 1 })
    assert.equal(before + 1, shutdown.count())
    bar:close()
    assert.equal(before, shutdown.count())
  end)

  shown("refuses what it cannot show, at the caller's line", function()
    local task = aimp.spawn(function() end)
    for _, case in ipairs({
      { "bad argument #1 to 'aimp.progress' %(expected a list, an iterator function, .* got nothing%)", nil },
      { "got a number%)", 5 }, { "got a string%)", "x" }, { "got a table%)", { a = 1 }, {} },
      { "got a task; put it into a list%)", task },
      { "bad argument #1 to 'aimp.progress' %(item 2 of 3 is nil%)", { 1, nil, 3, n = 3 } },
      { "item 1 of 2 is nil", { n = 2 } }, { "a list whose n is 1.5", { 1, n = 1.5 } },
      { "a list whose n is %-1", { n = -1 } }, { "a list whose n is x", { 1, n = "x" } },
      { "aimp.progress: unknown option 'totl', did you mean 'total'?", { totl = 5 } },
      { "aimp.progress: unknown option 'label'", {}, { label = "x" } },
      { "option 'total' must be at least 0, got %-1", {}, { total = -1 } },
      { "option 'total' must be a number", {}, { total = "5" } },
      { "option 'description' must be a string, got 5", {}, { description = 5 } },
      { "option 'ascii' must be a boolean", {}, { ascii = 1 } },
      { "option 'leave' must be a boolean", {}, { leave = 0 } },
      { "aimp.progress: options must be a table, got the string 'x'", {}, "x" },
    }) do
      misuse(case[1], function()
        local bar = aimp.progress(case[2], case[3])
        return bar
      end)
    end
    task:await()
  end)

  shown("refuses the same for gather", function(record)
    misuse("bad argument #1 to 'aimp.progress.gather' %(expected a list of tasks, got a number%)", function()
      local list = aimp.progress.gather(5)
      return list
    end)
    misuse("'aimp.progress.gather' %(item 1 is a number, expected a task%)", function()
      local list = aimp.progress.gather({ 1 })
      return list
    end)
    misuse("aimp.progress.gather: option 'return_exceptions' must be a boolean", function()
      local list = aimp.progress.gather({}, { return_exceptions = 1 })
      return list
    end)
    assert.equal(0, record.opened)
    assert.is_true(errors.is(select(2, pcall(aimp.progress.gather, { aimp.spawn(error, "x") }))))
  end)
end)
