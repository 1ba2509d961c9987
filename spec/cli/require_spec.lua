-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local support = require("spec.cli.support")

describe("aimprun's require", function()
  local made

  --- Makes a module that is found in package.preload.
  local function module(name, body)
    made[#made + 1] = name
    package.preload[name] = body
  end

  before_each(function()
    made = {}
  end)

  after_each(function()
    for _, name in ipairs(made) do
      package.preload[name], package.loaded[name] = nil, nil
    end
    support.remove_folders()
  end)

  it("loads once and gives the module's value", function()
    local count = 0
    module("spec.once", function(...)
      count = count + 1
      assert.same({ "spec.once" }, { ... })
      return { count = count }
    end)
    local first = require("spec.once")
    assert.equal(1, first.count)
    assert.equal(first, require("spec.once"))
    assert.equal(first, package.loaded["spec.once"])
  end)

  it("gives true for a module without a value, or what it put into package.loaded", function()
    module("spec.none", function() end)
    assert.is_true(require("spec.none"))
    module("spec.own", function(name) package.loaded[name] = "own" end)
    assert.equal("own", require("spec.own"))
    module("spec.false", function() return false end)
    assert.is_false(require("spec.false"))
    assert.is_false(require("spec.false"))
  end)

  it("says what luajit says", function()
    local folder = support.folder({
      ["bad.lua"] = "x =",
      ["fails.lua"] = "local x\nx.y = 1",
      ["loop.lua"] = "return require('loop')",
      ["tries.lua"] = [[
        local function try(...) print(pcall(require, ...)) end
        try("nowhere") try("nowhere.below") try("bad") try("fails") try("fails") try("loop") try(12)
        print(pcall(function() require("nowhere") end))
        print(pcall(function() require() end))
        print(pcall(function() require({}) end))
        package.loaders = 1 try("x")]],
    })
    local env = { LUA_PATH = "./?.lua", LUA_CPATH = "./?.so" }
    local luajit = support.run({ "tries.lua" }, { cwd = folder, program = "luajit", env = env })
    local ours = support.run({ "tries.lua" }, { cwd = folder, env = env })
    local own = support.exe:match("^(.*)/bin/[^/]*$"):gsub("%p", "%%%0")
    assert.equal(0, luajit.status)
    assert.equal(luajit.out, (ours.out:gsub("\n\tno file '" .. own .. "/[^\n]*", "")))
  end)

  it("lets a module wait while it loads", function()
    module("spec.waits", function()
      aimp.sleep(0)
      return aimp.spawn(function() aimp.sleep(0) return "waited" end):await()
    end)
    assert.equal("waited", require("spec.waits"))
  end)

  it("makes a second task wait for the first that loads", function()
    local gate, count = aimp.spawn(function() aimp.sleep(0.001) end), 0
    module("spec.shared", function()
      count = count + 1
      gate:await()
      return { count = count }
    end)
    local tasks = {}
    for i = 1, 5 do
      tasks[i] = aimp.spawn(require, "spec.shared")
    end
    local values = aimp.gather(tasks)
    for i = 1, 5 do
      assert.equal(values[1], values[i])
    end
    assert.equal(1, values[1].count)
  end)

  it("tells the waiting when the first fails", function()
    module("spec.fails", function()
      aimp.sleep(0)
      error("not today")
    end)
    local first, second = aimp.spawn(require, "spec.fails"), aimp.spawn(require, "spec.fails")
    local ok, err = first:pawait()
    assert.is_false(ok)
    assert.matches("not today", err.message)
    ok, err = second:pawait()
    assert.is_false(ok)
    assert.matches("error loading module 'spec.fails' in another task", err.message)
    ok, err = pcall(require, "spec.fails")
    assert.is_false(ok)
    assert.equal("loop or previous error loading module 'spec.fails'", err)
  end)

  it("refuses a cycle within a task, also through its own coroutine", function()
    module("spec.cycle", function() return require("spec.cycle2") end)
    module("spec.cycle2", function()
      return coroutine.wrap(function() return require("spec.cycle") end)()
    end)
    local ok, err = pcall(require, "spec.cycle")
    assert.is_false(ok)
    assert.matches("loop or previous error loading module 'spec.cycle'", err)
  end)

  it("refuses a circle of tasks that would wait for each other", function()
    module("spec.left", function() aimp.sleep(0) return { require("spec.right") } end)
    module("spec.right", function() aimp.sleep(0) return { require("spec.left") } end)
    local left, right = aimp.spawn(require, "spec.left"), aimp.spawn(require, "spec.right")
    local ok_left, err_left = left:pawait()
    local ok_right, err_right = right:pawait()
    assert.is_false(ok_left)
    assert.is_false(ok_right)
    assert.matches("loop or previous error", err_left.message .. err_right.message)
  end)

  it("stops waiting when the task is cancelled", function()
    local gate = aimp.spawn(aimp.sleep, 1000)
    module("spec.slow", function() gate:pawait() return "slow" end)
    local first = aimp.spawn(require, "spec.slow")
    aimp.sleep(0)
    local second = aimp.spawn(require, "spec.slow")
    aimp.sleep(0)
    second:cancel()
    local ok, err = second:pawait()
    assert.is_false(ok)
    assert.equal("CANCELLED", err.code)
    gate:cancel()
    assert.equal("slow", first:await())
    assert.equal("slow", require("spec.slow"))
  end)

  it("says where waiting is impossible", function()
    local gate = aimp.spawn(aimp.sleep, 1000)
    module("spec.pending", function() gate:pawait() return 1 end)
    local first = aimp.spawn(require, "spec.pending")
    aimp.sleep(0)
    local ok, err = coroutine.wrap(function() return pcall(require, "spec.pending") end)()
    assert.is_false(ok)
    assert.matches("another task is loading", err)
    gate:cancel()
    assert.equal(1, first:await())
  end)

  it("keeps the traceback of an error in a module", function()
    local folder = support.folder({
      ["outer.lua"] = "local x = require('inner')\nreturn x",
      ["inner.lua"] = "local function deep()\n  error('inside')\nend\ndeep()",
    })
    local child = support.run({ "-e", "require('outer')" }, { cwd = folder })
    assert.equal(table.concat({
      "aimprun: ./inner.lua:2: inside",
      "stack traceback:",
      "\t[C]: in function 'error'",
      "\t./inner.lua:2: in function 'deep'",
      "\t./inner.lua:4: in main chunk",
    }, "\n"), child.err:match("^(.-)\n[^\n]*aimp/cli/require"))
    assert.matches("\n\t./outer.lua:1: in main chunk\n", child.err)
    assert.matches("\n\t%(command line%):1: in main chunk\n$", child.err)
  end)
end)
