-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local errors = require("aimp.errors")
local support = require("spec.task.support")
local uv = require("luv")

local function in_task(name, body)
  it(name, support.task(body))
end

local function pack(...)
  return { n = select("#", ...), ... }
end

describe("aimp.await", function()
  in_task("waits for a luv function and leaves out its nil error", function()
    local stat = aimp.await(uv.fs_stat, ".")
    assert.equal("directory", stat.type)
    local fd = aimp.await(uv.fs_open, "spec/task/async_spec.lua", "r", 0)
    assert.matches("SPDX", aimp.await(uv.fs_read, fd, 100, 0))
    assert.is_true(aimp.await(uv.fs_close, fd))
  end)

  in_task("raises an error of the callback, named and at the waiting side", function()
    local ok, err = pcall(function()
      local stat = aimp.await(uv.fs_stat, "/does/not/exist")
      return stat
    end)
    assert.is_false(ok)
    assert.is_true(errors.is(err, "IO"))
    assert.equal("ENOENT", err.name)
    assert.matches("no such file", err.message)
    assert.matches("^stack traceback:\n[^\n]*async_spec.lua", err.traceback)
  end)

  in_task("raises an error that the call itself returns", function()
    local ok, err = pcall(aimp.await, function() return nil, "EINVAL: invalid argument", "EINVAL" end)
    assert.is_false(ok)
    assert.equal("EINVAL", err.name)
  end)

  in_task("raises a luv function's complaint about its arguments at the caller's line", function()
    local ok, message = pcall(function()
      local stat = aimp.await(uv.fs_stat, {})
      return stat
    end)
    assert.is_false(ok)
    assert.matches("async_spec.lua:%d+: aimp.await: bad argument #1 %(", message)
  end)

  in_task("lets an error of a Lua function through", function()
    local value = {}
    local ok, err = pcall(aimp.await, function() error(value) end)
    assert.is_false(ok)
    assert.equal(value, err)
  end)

  in_task("raises an error object as it is", function()
    local mine = errors.new("HTTP", "refused")
    local ok, err = pcall(aimp.await, function(callback) callback(mine) end)
    assert.is_false(ok)
    assert.equal(mine, err)
  end)

  in_task("gives values whose first is no error as they are", function()
    assert.same({ n = 2, 3, 15 }, pack(aimp.await(function(callback) callback(3, 15) end)))
    assert.same({ n = 3, 1, nil, nil }, pack(aimp.await(function(callback) callback(nil, 1, nil, nil) end)))
    assert.same({ n = 0 }, pack(aimp.await(function(callback) callback() end)))
    assert.same({ n = 0 }, pack(aimp.await(function(callback) callback(nil) end)))
    assert.same({ n = 1, false }, pack(aimp.await(function(callback) callback(false) end)))
  end)

  in_task("passes arguments, nils included, before the callback", function()
    local got = pack(aimp.await(function(...)
      local args = pack(...)
      args[args.n](nil, args.n, args[1], args[2], args[3])
    end, 1, nil, 3))
    assert.same({ n = 4, 4, 1, nil, 3 }, got)
  end)

  in_task("takes a callback that comes before the call returns, later, or twice", function()
    assert.equal(1, aimp.await(function(callback)
      callback(nil, 1)
      callback(nil, 2)
    end))
    local late
    local task = aimp.spawn(aimp.await, function(callback) late = callback end)
    support.turns()
    late(nil, "first")
    late(nil, "second")
    assert.equal("first", task:await())
    late(nil, "third")
  end)

  in_task("works with timers", function()
    local timer = uv.new_timer()
    aimp.await(uv.timer_start, timer, 1, 0)
    aimp.await(uv.close, timer)
    assert.is_true(timer:is_closing())
  end)

  in_task("cancelled stops waiting and drops the result", function()
    local callback
    local task = aimp.spawn(aimp.await, function(c) callback = c end)
    support.turns()
    task:cancel()
    support.turns()
    assert.is_true(task:cancelled())
    callback(nil, "late")
    support.turns()
  end)

  in_task("cancelled cancels the uv request where libuv can", function()
    local real, cancelled = uv.cancel, 0
    uv.cancel = function(request)
      cancelled = cancelled + 1
      return real(request)
    end
    local task = aimp.spawn(aimp.await, uv.fs_stat, ".")
    support.turns()
    task:cancel()
    uv.cancel = real
    task:pawait()
    assert.equal(1, cancelled)
    assert.is_true(task:cancelled())
    aimp.await(uv.fs_stat, ".")
  end)

  in_task("cancelled closes a file that is opened all the same", function()
    for _ = 1, 50 do
      local task = aimp.spawn(aimp.await, uv.fs_open, "spec/task/async_spec.lua", "r", 0)
      support.turns()
      task:cancel()
      task:pawait()
      assert.is_true(task:cancelled())
    end
    aimp.await(uv.fs_stat, ".") -- the helper counts open files after each spec
  end)

  in_task("of one function by many tasks at once", function()
    local list = {}
    for i = 1, 100 do
      list[i] = aimp.spawn(aimp.await, uv.fs_stat, ".")
    end
    for _, stat in ipairs(aimp.gather(list)) do
      assert.equal("directory", stat.type)
    end
  end)

  in_task("refuses what cannot be called, at the caller's line", function()
    local ok, message = pcall(function() aimp.await(5) end)
    assert.is_false(ok)
    assert.matches("async_spec.lua:%d+: bad argument #1 to 'aimp.await' %(expected a function", message)
  end)
end)

describe("aimp.to_await", function()
  in_task("makes functions that wait of luv's", function()
    local stat, read = aimp.to_await(uv.fs_stat), aimp.to_await(uv.fs_read)
    assert.equal("directory", stat(".").type)
    local fd = aimp.to_await(uv.fs_open)("spec/task/async_spec.lua", "r", 0)
    assert.matches("^%-%- SPDX", read(fd, 10, 0))
    assert.is_true(aimp.to_await(uv.fs_close)(fd))
    local ok, err = pcall(stat, "/does/not/exist")
    assert.is_false(ok)
    assert.equal("ENOENT", err.name)
  end)

  in_task("makes functions that wait of the user's, with all arguments and results", function()
    local later
    local function ask(...)
      local args = pack(...)
      later = function()
        args[args.n](nil, args.n - 1, args[1], args[3], nil)
      end
    end
    local task = aimp.spawn(aimp.to_await(ask), "a", nil, "c", nil)
    support.turns()
    later()
    assert.same({ n = 4, 4, "a", "c", nil }, pack(task:await()))
  end)

  in_task("composes: one may be the body of another's callback API", function()
    local timeout = aimp.to_await(function(ms, callback)
      local timer = uv.new_timer()
      uv.timer_start(timer, ms, 0, function()
        uv.close(timer, callback)
      end)
    end)
    local list = aimp.gather({ aimp.spawn(timeout, 1), aimp.spawn(timeout, 2) })
    assert.equal(0, #list)
    local object = setmetatable({}, { __call = function(_, value, callback) callback(nil, value + 1) end })
    assert.equal(3, aimp.to_await(object)(2))
  end)

  in_task("refuses misuse at the caller's line", function()
    local ok, message = pcall(function() aimp.to_await(5) end)
    assert.is_false(ok)
    assert.matches("async_spec.lua:%d+: bad argument #1 to 'aimp.to_await' %(expected a function", message)
    local stat = aimp.to_await(uv.fs_stat)
    ok, message = pcall(function()
      local result = stat({})
      return result
    end)
    assert.is_false(ok)
    assert.matches("async_spec.lua:%d+: aimp.await: bad argument #1", message)
    local outside
    aimp.spawn(function() end):on_done(function()
      outside = select(2, pcall(function()
        local result = stat(".")
        return result
      end))
    end)
    support.turns(3)
    assert.matches("async_spec.lua:%d+: aimp.await needs a running task", outside)
  end)
end)
