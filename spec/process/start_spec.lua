-- SPDX-License-Identifier: MIT
--- How processes come up, and what is told of those that do not.
local describe, it, assert, after_each = describe, it, require("luassert"), after_each
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local cli = require("spec.cli.support")
local fiber = require("aimp.fiber")
local launcher = require("aimp.pool.launcher")
local support = require("spec.process.support")
local uv = require("luv")

local failure = support.failure

after_each(launcher.close)
after_each(cli.remove_folders)

describe("an initializer", function()
  it("is called before the target, with initargs, and after the loop's", function()
    local order = {}
    local worker = aimp.Worker({
      target = function() return order end,
      loop_initializer = function(luv) order[1] = type(luv.new_timer) end,
      initializer = function(...)
        require("aimp").sleep(0.001)
        order[2] = { n = select("#", ...), ... }
      end,
      initargs = { "a", nil, n = 2 },
    })
    assert.same({ "function", { n = 2, "a" } }, worker:await())
    assert.same({}, order)
  end)

  it("that raises is who awaits told, and sets the exit code", function()
    for _, class in ipairs({ "Process", "Worker" }) do
      local process = aimp[class]({ target = print, name = "p", args = { "must not be printed" },
        initializer = function(x) error({ reason = x }) end, initargs = { 5 } })
      for _ = 1, 2 do
        local err = failure("REMOTE", function() process:await() end)
        assert.matches("^" .. class:lower() .. " 'p' cannot start: initializer: ", err.message)
        assert.matches("start_spec", err.traceback)
        assert.equal(5, err.cause.reason)
      end
      assert.same({ 1, false }, { process.exitcode, process:is_alive() })
      assert.equal(false, (process:pawait()))
    end
  end)

  it("that raises is told on stderr when nobody awaits, and in the exit status", function()
    local child = cli.run({ cli.script([[
      local aimp = require("aimp")
      aimp.Process({ target = print, initializer = error, initargs = { "the reason" } }):start()
    ]]) })
    assert.same({ 1, "" }, { child.status, child.out })
    assert.equal(1, select(2, child.err:gsub("the reason", "")), child.err)
  end)

  it("that exits is who awaits told, with any status", function()
    for _, status in ipairs({ 0, 5 }) do
      local process = aimp.Process({ target = print, initializer = os.exit, initargs = { status } })
      process.name = "p"
      local err = failure("START", function() process:await() end)
      assert.equal(("process 'p' (pid %d) exited with status %d before it was ready"):format(process.pid,
        status), err.message)
      assert.equal(status, process.exitcode)
    end
  end)
end)

describe("what cannot be sent", function()
  it("is refused at the start, which may be tried again", function()
    local args = { coroutine.create(print) }
    local process = aimp.Process({ target = os.exit, args = args })
    local err = failure("ENCODE", function() process:start() end)
    assert.equal("cannot send coroutine at argument 1", err.message)
    failure("ENCODE", function() process:await() end)
    assert.is_false(process:pawait())
    assert.same({ false, nil }, { process:is_alive(), process.exitcode })
    args[1] = 8
    assert.equal(8, process:await())
  end)

  it("is so for hooks and captured variables, too", function()
    local co = coroutine.create(print)
    local worker = aimp.Worker({ target = function() return co end })
    local err = failure("ENCODE", function() worker:await() end)
    assert.matches("upvalue 'co'", err.message)
    local process = aimp.Process({ target = print, initializer = function() return co end })
    err = failure("ENCODE", function() process:start() end)
    assert.matches("initializer → upvalue 'co'", err.message)
    co = nil
    assert.equal(0, process:await())
  end)

end)

describe("arguments that cannot be read", function()
  it("are the error of who awaits", function()
    local object = setmetatable({}, {
      __aimp_send = function() return 1 end,
      __aimp_recv = function() error("unreadable") end,
    })
    for _, class in ipairs({ "Process", "Worker" }) do
      local process = aimp[class]({ target = print, args = { object } })
      local err = failure("DECODE", function() process:await() end)
      assert.matches("unreadable", err.message)
      assert.equal(1, process.exitcode)
    end
  end)
end)

describe("a start for which the system has nothing left", function()
  it("raises, leaves nothing behind and can be tried again", function()
    local path = cli.script([[
      local aimp = require("aimp")
      local uv = require("luv")
      local function files()
        local count = 0
        for fd = 0, 60 do count = count + (uv.fs_fstat(fd) and 1 or 0) end
        return count
      end
      local up, refused = {}, nil
      repeat
        local process = aimp.Process({ target = aimp.sleep, args = { 1000 } })
        local before = files()
        local ok, err = pcall(process.start, process)
        if ok then
          up[#up + 1] = process
        else
          refused = process
          print(#up > 0, err.code, err.message:match("^cannot %a+ .*: Too many open files$") and "cannot")
          print(before == files(), refused:is_alive(), refused.exitcode)
        end
      until refused
      for _, process in ipairs(up) do process:kill() end
      for _, process in ipairs(up) do assert(process:await() == -9) end
      refused:start()
      refused:kill()
      print(refused:await())
    ]])
    for limit = 40, 46 do -- another step of the start fails with each
      local child = cli.shell('ulimit -n "$2"; "$AIMPRUN" "$1"', path, limit)
      assert.equal("true\tSTART\tcannot\ntrue\tfalse\tnil\n-9\n", child.out, child.err)
      assert.same({ 0, "" }, { child.status, child.err })
    end
  end)

  it("for its fork is told where it is awaited", function()
    local before = launcher.fork
    launcher.fork = function(_, listener)
      launcher.fork = before
      fiber.soon(listener.on_launch_failed, listener, 11)
    end
    local process = aimp.Process({ target = print, name = "p" }):start()
    local err = failure("START", function() process:await() end)
    assert.equal("cannot fork process 'p': errno 11", err.message)
    assert.equal(1, process.exitcode)
    assert.is_nil(process.pid)
  end)
end)

describe("a target", function()
  it("begins, after its initializer, while the parent is busy", function()
    local path = os.tmpname()
    local process = aimp.Process({
      initializer = function() require("aimp").sleep(0.001) end,
      target = function()
        local file = assert(io.open(path, "w"))
        file:write("up")
        file:close()
      end,
    }):start()
    local deadline = aimp.now() + 20
    repeat until uv.fs_stat(path).size == 2 or aimp.now() > deadline
    assert.equal(2, uv.fs_stat(path).size)
    assert.equal(0, process:await())
    os.remove(path)
  end)
end)

describe("the pid", function()
  it("of each is known right after its start, also of many", function()
    local list, seen = {}, {}
    for i = 1, 20 do
      list[i] = aimp.Process({ target = function() end }):start()
    end
    for i = 20, 1, -1 do
      local pid = list[i].pid
      assert.equal("number", type(pid))
      assert.is_nil(seen[pid])
      seen[pid] = true
    end
    aimp.gather(list)
  end)
end)
