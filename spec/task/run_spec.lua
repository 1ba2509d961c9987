-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local support = require("spec.task.support")

--- Output of a script in a plain luajit.
local function run(source)
  local output, status = support.luajit('local aimp = require("aimp")\n' .. source)
  return output, status
end

describe("aimp.run", function()
  it("gives the results of its function, nils included", function()
    local output, status = run([[
      print(select("#", aimp.run(function(...) return ... end, 1, nil, 3, nil)))
      print(aimp.run(function(...) aimp.sleep(0.001) return ... end, 1, nil, 3))
    ]])
    assert.equal("4\n1\tnil\t3\n", output)
    assert.equal(0, status)
  end)

  it("raises the main task's error with its traceback", function()
    local output, status = run([[
      local function raises_here() error("boom") end
      aimp.run(function()
        raises_here()
        return nil
      end)
    ]])
    assert.equal(1, status)
    assert.matches("^luajit: .*boom\nstack traceback:.*raises_here.*awaited by", output)
  end)

  it("can be called again, also after an error", function()
    local output = run([[
      print(pcall(aimp.run, error, "x", 0))
      print(aimp.run(function() return (aimp.spawn(function() return 5 end):await()) end))
    ]])
    assert.matches("^false\tx\n.*\n5\n$", output)
  end)

  it("refuses to run inside itself, in a uv callback, and without a function", function()
    local output = run([[
      local uv = require("luv")
      aimp.run(function()
        print(pcall(function() aimp.run(print) end))
        print(pcall(function() aimp.step() end))
      end)
      local timer = uv.new_timer()
      timer:start(1, 0, function()
        print(pcall(function() aimp.run(print) end))
        timer:close()
      end)
      uv.run()
      print(pcall(function() aimp.run(5) end))
    ]])
    local first, second, third, fourth = output:match("^(.-)\n(.-)\n(.-)\n(.-)\n$")
    assert.matches(":4: aimp.run: the loop runs already, and you are inside it; use aimp.spawn", first)
    assert.matches(":5: aimp.step: the loop runs already", second)
    assert.matches(":9: aimp.run cannot be called in a callback of the uv loop", third)
    assert.matches(":13: bad argument #1 to 'aimp.run' %(expected a function, got 5%)", fourth)
  end)

  it("refuses under a driver of somebody else's", support.task(function()
    local ok, message = pcall(function() aimp.run(print) end)
    assert.is_false(ok)
    assert.matches("run_spec.lua:%d+: aimp.run: the loop runs already", message)
  end))

  it("runs what was spawned before it", function()
    local output = run([[
      local task = aimp.spawn(function() return "early" end)
      print(aimp.run(function() return (task:await()) end))
    ]])
    assert.equal("early\n", output)
  end)

  describe("finds a deadlock", function()
    it("and says what the main task waits for, at its wait", function()
      local output = run([[
        local fiber, errors = require("aimp.fiber"), require("aimp.errors")
        local ok, err = pcall(aimp.run, function()
          local task = aimp.spawn(function() fiber.wait(nil, "a lock") end)
          local function stuck_here() return (task:await()) end
          return (stuck_here())
        end)
        print(ok, err.code, err.message, err.traceback:match("stuck_here") )
      ]])
      assert.matches("^false\tDEADLOCK\tdeadlock: the main task waits for task [^,]*:4, "
        .. "which waits for a lock, and nothing is left that could wake it\tstuck_here\n$", output)
    end)

    it("of tasks that wait for each other", function()
      local output = run([[
        local a, b
        a = aimp.spawn(function() b:await() end)
        b = aimp.spawn(function() a:await() end)
        print(pcall(aimp.run, function() aimp.gather { a, b } end))
      ]])
      assert.matches("waits for 2 of 2 tasks, which waits for task [^,]*:4, which waits for task [^,]*:3, "
        .. "which waits for one of these again", output)
    end)

    it("once: the main task may clean up, and a second one ends it", function()
      local output, status = run([[
        local fiber = require("aimp.fiber")
        print(pcall(aimp.run, function()
          print((pcall(fiber.wait, nil, "one")))
          aimp.sleep(0.001)
          print("cleaned up")
          while true do
            pcall(fiber.wait, nil, "two")
          end
        end))
      ]])
      assert.matches("^false\ncleaned up\nfalse\tdeadlock: the main task waits for one", output)
      assert.equal(0, status)
    end)

    it("also when a sleeper was cancelled, whose timer must not go on", function()
      local output = run([[
        local fiber = require("aimp.fiber")
        print(pcall(aimp.run, function()
          local sleeper = aimp.spawn(aimp.sleep, 1000)
          aimp.sleep(0)
          sleeper:cancel()
          fiber.wait(nil, "a lock")
        end))
      ]])
      assert.matches("^false\tdeadlock: the main task waits for a lock", output)
    end)

    it("not while a timer, a request or a handle is there", function()
      local output = run([[
        local uv = require("luv")
        aimp.run(function()
          aimp.sleep(0.01)
          aimp.await(uv.fs_stat, ".")
          local timer = uv.new_timer()
          aimp.await(uv.timer_start, timer, 5, 0)
          timer:close()
        end)
        print("fine")
      ]])
      assert.equal("fine\n", output)
    end)
  end)

  describe("at its end", function()
    it("cancels the other tasks and waits for their cleanup", function()
      local output = run([[
        aimp.run(function()
          for i = 1, 2 do
            aimp.spawn(function()
              local _, err = pcall(aimp.sleep, 100)
              aimp.sleep(0.001)
              print(i, err.message)
            end):on_done(function(task) print("done", i, task:state()) end)
          end
          aimp.spawn(function() print("never starts") end):cancel()
          aimp.sleep(0)
          print("main ends")
        end)
      ]])
      local lines = {}
      for line in output:gmatch("[^\n]+") do
        lines[#lines + 1] = line
      end
      assert.equal("main ends", table.remove(lines, 1))
      table.sort(lines) -- in which order they are cancelled is not said
      assert.same({
        "1\tcancelled: the main task has ended", "2\tcancelled: the main task has ended",
        "done\t1\tdone", "done\t2\tdone",
      }, lines)
    end)

    it("cancels also what the cleanup starts", function()
      local output = run([[
        aimp.run(function()
          aimp.spawn(function()
            pcall(aimp.sleep, 100)
            aimp.spawn(function()
              print("started", (pcall(aimp.sleep, 100)))
            end)
            aimp.sleep(0)
          end)
          aimp.sleep(0)
        end)
      ]])
      assert.equal("started\tfalse\n", output)
    end)

    it("gives up tasks that do not end, and names them", function()
      local output, status = run([[
        require("aimp.run").grace_s = 0.05
        local function stubborn()
          while true do
            pcall(aimp.sleep, 100)
          end
        end
        aimp.run(function()
          aimp.spawn(stubborn)
          aimp.sleep(0)
        end)
        aimp.run(function() print("and can run again") end)
      ]])
      assert.matches("^aimp: 1 tasks did not end within 0.05 s ", output)
      assert.matches(":3 waits for a timer\nstack traceback:.*:5: in function", output)
      assert.matches("and can run again\n$", output)
      assert.equal(0, status)
    end)

    it("leaves no uv handle open", function()
      local output = run([[
        local uv = require("luv")
        aimp.run(function() aimp.sleep(0.001) end)
        uv.walk(function(handle) print(handle) end)
        print("alive", uv.loop_alive())
      ]])
      assert.equal("alive\tfalse\n", output)
    end)
  end)
end)
