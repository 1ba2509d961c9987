-- SPDX-License-Identifier: MIT
local describe, it, assert, after_each = describe, it, require("luassert"), after_each
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local launcher = require("aimp.pool.launcher")
local support = require("spec.process.support")

local misuse = support.misuse

local function nothing() end

after_each(launcher.close)

describe("the constructors refuse", function()
  for _, class in ipairs({ "Process", "Worker" }) do
    local make = aimp[class]
    local prefix = "^[^ ]+ aimp%." .. class .. ": "

    it("what is no target: " .. class, function()
      misuse(prefix .. "option 'target' is missing; it must be a function$", function() make({}) end)
      misuse(prefix .. "option 'target' is missing", function() make() end)
      misuse(prefix .. "option 'target' must be a function, got the string 'run'",
        function() make({ target = "run" }) end)
      misuse(prefix .. "option 'target' must be a function, got a table",
        function() make({ target = {} }) end)
    end)

    it("arguments that are no list: " .. class, function()
      misuse(prefix .. "option 'args' must be a list, got a string",
        function() make({ target = nothing, args = "x" }) end)
      misuse(prefix .. "option 'args' must be a list, got a table with the key 'x'",
        function() make({ target = nothing, args = { x = 1 } }) end)
      misuse(prefix .. "option 'args' must be a list, got one whose n is %-1",
        function() make({ target = nothing, args = { n = -1 } }) end)
      misuse(prefix .. "option 'initargs' must be a list, got a number",
        function() make({ target = nothing, initargs = 1 }) end)
    end)

    it("hooks, names and flags of the wrong kind: " .. class, function()
      misuse(prefix .. "option 'initializer' must be a function, got the string 'x'",
        function() make({ target = nothing, initializer = "x" }) end)
      misuse(prefix .. "option 'loop_initializer' must be a function",
        function() make({ target = nothing, loop_initializer = 1 }) end)
      misuse(prefix .. "option 'name' must be a string, got 5",
        function() make({ target = nothing, name = 5 }) end)
      misuse(prefix .. "option 'daemon' must be a boolean, got 1",
        function() make({ target = nothing, daemon = 1 }) end)
    end)

    it("options and start methods that are unknown: " .. class, function()
      misuse(prefix .. "unknown option 'deamon', did you mean 'daemon'%?",
        function() make({ target = nothing, deamon = true }) end)
      misuse(prefix .. "options must be a table, got a function", function() make(nothing) end)
      misuse(prefix .. "option 'start_method' must be one of .*got the string 'spwan', did you mean 'spawn'",
        function() make({ target = nothing, start_method = "spwan" }) end)
    end)
  end
end)

describe("it is misuse", function()
  local process

  local function new(options)
    options = options or {}
    options.target, options.name = options.target or nothing, "p"
    process = aimp.Process(options)
    return process
  end

  it("to join, signal or end what was not started", function()
    new()
    misuse("process:join: process 'p' was not started", function() process:join() end)
    misuse("process:terminate: process 'p' was not started", function() process:terminate() end)
    misuse("process:kill: process 'p' was not started", function() process:kill() end)
    assert.is_nil(process.pid)
  end)

  it("to start twice, while it runs and after its end", function()
    new():start()
    local pattern = "process:start: process 'p' was started before; a process starts once, make another one"
    misuse(pattern, function() process:start() end)
    process:join()
    misuse(pattern, function() process:start() end)
  end)

  it("to close while it runs", function()
    new():start()
    misuse("process:close: process 'p' still runs; join it first, or terminate it",
      function() process:close() end)
    assert.is_true(process:join())
    process:close()
  end)

  it("to use it when it is closed, but for its name", function()
    new():start():join()
    process:close()
    process:close()
    for _, method in ipairs({ "start", "join", "await", "pawait", "is_alive", "terminate", "kill" }) do
      misuse(("process:%s: process 'p' is closed"):format(method), function() process[method](process) end)
    end
    misuse("process 'p' is closed; it has no 'pid' any more", function() return process.pid end)
    misuse("process 'p' is closed; it has no 'exitcode' any more", function() return process.exitcode end)
    misuse("process 'p' is closed; 'daemon' cannot be set", function() process.daemon = true end)
    assert.equal("p", process.name)
    assert.matches("^aimp%.Process: p %(closed, pid %d+%)$", tostring(process))
    local worker = aimp.Worker({ target = nothing, name = "w" })
    worker:close()
    misuse("worker:result: worker 'w' is closed", function() worker:result() end)
    misuse("worker:start: worker 'w' is closed", function() worker:start() end)
  end)

  it("to set what is fixed, or what there is not", function()
    new()
    misuse("process 'p': 'pid' cannot be set", function() process.pid = 1 end)
    misuse("process 'p': 'exitcode' cannot be set", function() process.exitcode = 1 end)
    misuse("process 'p' has no field 'deamon' to set, did you mean 'daemon'%?",
      function() process.deamon = true end)
    misuse("process 'p' has no field 'color' to set$", function() process.color = 1 end)
    misuse("process 'p': 'daemon' must be a boolean, got a string", function() process.daemon = "yes" end)
    misuse("process 'p': 'name' must be a string, got a number", function() process.name = 1 end)
  end)

  it("to set daemon or name after the start", function()
    assert.same({ false, true }, { new().daemon, new({ daemon = true }).daemon })
    new()
    process.daemon, process.name = true, "q"
    assert.same({ true, "q" }, { process.daemon, process.name })
    process.daemon = false
    process:start()
    misuse("process 'q': 'daemon' cannot be set after the start", function() process.daemon = true end)
    misuse("process 'q': 'name' cannot be set after the start", function() process.name = "r" end)
    process:join()
    assert.same({ false, "q" }, { process.daemon, process.name })
  end)

  it("to give join what is no number of seconds", function()
    new():start()
    misuse("bad argument #1 to 'process:join' %(expected a number of seconds, 0 or more, got %-1%)",
      function() process:join(-1) end)
    misuse("bad argument #1 to 'process:join'", function() process:join("1") end)
    process:join()
  end)

  it("to call a method on something else", function()
    new()
    misuse("process:start: not a process; call it as process:start%(%)", function() process.start() end)
    misuse("process:join: not a process", function() process.join({}) end)
    misuse("process:close: not a process", function() process.close() end)
    misuse("process:await: not a process", function() process.await(5) end)
  end)

  it("to wait outside of a task", function()
    new():start()
    local coroutine_of_ones_own = coroutine.wrap(function()
      return pcall(process.join, process)
    end)
    local ok, message = coroutine_of_ones_own()
    assert.is_false(ok)
    assert.matches("process:join cannot wait inside a coroutine of your own", message)
    process:join()
  end)
end)
