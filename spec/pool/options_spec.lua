-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local errors = require("aimp.errors")
local launcher = require("aimp.pool.launcher")
local options = require("aimp.pool.options")
local support = require("spec.pool.support")

--- The misuse that fn, whose body is one line, raises at that very line.
local function misuse(pattern, fn)
  local message = support.misuse(pattern, fn)
  local info = debug.getinfo(fn, "S")
  local line = info.lastlinedefined == info.linedefined and info.linedefined or info.linedefined + 1
  assert.equal(("spec/pool/options_spec.lua:%d: "):format(line), message:match("^.-:%d+: "))
end

local one = { processes = 1 }

local function refused(option, value, pattern)
  local ok, message = pcall(function() return (aimp.Pool({ [option] = value })) end)
  assert.is_false(ok, option .. " was taken")
  assert.matches("options_spec%.lua:%d+: aimp%.Pool: option '" .. option .. "' " .. pattern, message)
end

local function new_pool(opts)
  return aimp.Pool(opts)
end

describe("options of aimp.Pool", function()
  it("that are unknown are refused at the caller's line, with the nearest known name", function()
    local pool
    misuse("unknown option 'proceses', did you mean 'processes'", function()
      pool = aimp.Pool({ proceses = 2 })
    end)
    misuse("'initialiser', did you mean 'initializer'", function()
      pool = aimp.Pool({ initialiser = print })
    end)
    misuse("'retires', did you mean 'retries'", function() pool = aimp.Pool({ retires = 1 }) end)
    misuse("unknown option 'qqqqqqqqqqqq' %(known: childconc", function()
      pool = aimp.Pool({ qqqqqqqqqqqq = 1 })
    end)
    misuse("options must be a table, got 4", function() pool = aimp.Pool(4) end)
    assert.is_nil(pool)
  end)

  it("are refused when of the wrong type", function()
    refused("processes", "four", "must be an integer, got the string 'four'")
    refused("processes", 1.5, "must be an integer, got 1.5")
    refused("initializer", "init", "must be a function, got the string 'init'")
    refused("initargs", 5, "must be a list")
    refused("finalizer", {}, "must be a function, got a table")
    refused("loop_initializer", true, "must be a function, got true")
    refused("exception_handler", 1, "must be a function, got 1")
    refused("name", 5, "must be a string, got 5")
    refused("timeout", "1s", "must be a number of seconds")
  end)

  it("are refused when out of bounds", function()
    refused("processes", 0, "must be at least 1, got 0")
    refused("processes", 1e6, "must be at most 1024")
    refused("maxtasksperchild", -1, "must be at least 0")
    refused("childconcurrency", 0, "must be at least 1")
    refused("queuecount", 0, "must be at least 1")
    refused("timeout", -1, "must be a number of seconds, 0 or more, got %-1")
    refused("timeout", 0 / 0, "must be a number of seconds")
    refused("timeout", math.huge, "must be a number of seconds")
    refused("retries", -1, "must be at least 0")
  end)

  it("that are one of some names are refused with the nearest", function()
    refused("start_method", "spwan", "must be one of forkserver, fork, spawn, .*did you mean 'spawn'")
    refused("scheduler", "roundrobin", ".*did you mean 'round_robin'")
    refused("scheduler", 5, "must be 'round_robin', 'least_loaded' or a scheduler object")
    refused("scheduler", { register_queue = print }, "has no method 'register_process'")
  end)

  it("have no more queues than processes", function()
    misuse("'queuecount' %(3%) must be at most 'processes' %(2%)",
      function() new_pool({ processes = 2, queuecount = 3 }) end)
  end)

  it("default to one worker for each usable core", function()
    local checked = options.pool(nil, 1)
    assert.equal(aimp.cpu_count(), checked.processes)
    assert.same({ 0, 16, 1, "round_robin", "pool", 0 }, { checked.maxtasksperchild, checked.childconcurrency,
      checked.queuecount, checked.scheduler, checked.name, checked.retries })
    assert.is_nil(checked.timeout)
  end)

  it("are left as the caller made them", function()
    local mine = { processes = 1, name = "mine" }
    support.pooled(mine, function() end)()
    assert.same({ processes = 1, name = "mine" }, mine)
  end)

  it("refuse hooks that cannot be sent, and leave no process", function()
    local file = io.tmpfile()
    local err = support.failure("ENCODE", function()
      new_pool({ processes = 2, initializer = function() file:write("x") end })
    end)
    assert.matches("cannot send userdata", err.message)
    assert.matches("initializer.*file", err.message)
    err = support.failure("ENCODE", function() new_pool({ processes = 2, initargs = { 1, file } }) end)
    assert.matches("initargs", err.message)
    file:close()
    launcher.close()
  end)
end)

describe("aimp.set_start_method", function()
  it("refuses what it does not know", function()
    misuse("unknown method 'thread' %(known: forkserver, fork, spawn%)", function()
      aimp.set_start_method("thread")
    end)
    misuse("unknown method 'nil'", function() aimp.set_start_method() end)
  end)

  it("takes fork for forkserver", function()
    aimp.set_start_method("fork")
    support.pooled(one, function(pool)
      assert.equal(7, pool:apply(function() return 7 end):await())
    end)()
    aimp.set_start_method("forkserver")
  end)
end)

-- What the kernel gave this process's executable at exec (getauxval(AT_RANDOM)); forked ones share it.
local function exec_mark()
  local ffi = require("ffi")
  ffi.cdef("unsigned long getauxval(unsigned long type);")
  return ffi.string(ffi.cast("const char *", ffi.C.getauxval(25)), 16)
end

describe("a start method of one pool", function()
  local function marks_of(method)
    local marks
    support.pooled({ processes = 2, start_method = method }, function(pool)
      local scale = 3
      assert.same({ 3, 6, 9, n = 3 }, pool:map(function(x) return x * scale end, { 1, 2, 3 }):await())
      marks = pool:broadcast(exec_mark)
    end)()
    return marks
  end

  it("spawn starts each worker anew", function()
    local marks = marks_of("spawn")
    assert.not_equal(marks[1], marks[2])
  end)

  it("is the one that aimp.set_start_method named, where the pool has none", function()
    aimp.set_start_method("spawn")
    local marks = marks_of(nil)
    aimp.set_start_method("forkserver")
    assert.not_equal(marks[1], marks[2])
  end)

  it("fork and forkserver fork them all from one process", function()
    for _, method in ipairs({ "fork", "forkserver" }) do
      local marks = marks_of(method)
      assert.equal(marks[1], marks[2])
      assert.not_equal(exec_mark(), marks[1])
    end
  end)
end)

describe("methods of a pool", function()
  it("are refused at the caller's line when their arguments are wrong", support.pooled(one, function(pool)
    misuse("bad argument #1 to 'pool:resize' %(expected an integer", function() pool:resize("2") end)
    misuse("pool:resize: 0 workers; this pool can have 1 to", function() pool:resize(0) end)
    misuse("bad argument #1 to 'pool:broadcast'", function() pool:broadcast(1) end)
    misuse("bad argument #2 to 'pool:map'", function() pool:map(print, 5) end)
    misuse("unknown option 'chunk_size', did you mean 'chunksize'", function()
      pool:map(print, {}, { chunk_size = 2 })
    end)
    misuse("item 2 is a number; each must be a list", function() pool:starmap(print, { {}, 2 }) end)
    misuse("still open", function() pool:join() end)
    misuse("colon", function() pool.map(print, {}) end)
  end))

  it("say so when they need a task", support.pooled(one, function(pool)
    pool:close()
    local co = coroutine.create(function() pool:join() end)
    local ok, message = coroutine.resume(co)
    assert.is_false(ok)
    assert.matches("options_spec%.lua:%d+: pool:join.*cannot wait inside a coroutine of your own", message)
    assert.is_false(errors.is(message))
  end))
end)
