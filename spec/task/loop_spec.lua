-- SPDX-License-Identifier: MIT
local support = require("spec.task.support")

--- Output of a script in a plain luajit, where nobody drives the loop yet.
local function run(source)
  local output = support.luajit([[
    local aimp, fiber, loop = require("aimp"), require("aimp.fiber"), require("aimp.loop")
    local uv = require("luv")
  ]] .. source)
  return output
end

-- A pool of which only the waiting is there: `timer` stands for its eventfd.
local poller = [[
  local log = {}
  local poller = { left = 0, timer = uv.new_timer() }
  function poller:poll()
    if self.came then
      self.came, self.left = false, self.left - 1
      log[#log + 1] = "poll"
      if self.on_result then self.on_result() end
      return true
    end
    return false
  end
  function poller:busy() return self.left > 0 end
  function poller:sleep_begin()
    log[#log + 1] = "begin"
    return not self.came
  end
  function poller:sleep_end() log[#log + 1] = "end" end
  function poller:later(ms)
    self.left = self.left + 1
    self.timer:start(ms, 0, function()
      self.came = true
      loop.interrupt() -- a timer that is due before the poll
    end)
  end
  loop.add_poller(poller)
]]

describe("the loop", function()
  describe("with pollers", function()
    it("sleeps between sleep_begin and sleep_end, and polls then", function()
      assert.equal("done\tbegin end poll\n", run(poller .. [[
        local done = false
        poller.on_result = function() done = true end
        poller:later(5)
        print(loop.run_until(function() return done end), table.concat(log, " "))
        poller.timer:close()
        uv.run("nowait")
      ]]))
    end)

    it("does not sleep when something came while it was about to", function()
      assert.equal("done\tbegin end poll\n", run(poller .. [[
        local done = false
        poller.on_result = function() done = true end
        poller.left = 1
        local begin = poller.sleep_begin
        function poller:sleep_begin()
          self.came = true
          return begin(self)
        end
        print(loop.run_until(function() return done end), table.concat(log, " "))
        poller.timer:close()
        uv.run("nowait")
      ]]))
    end)

    it("spins first where the poller can", function()
      assert.equal("done\tspin poll\n", run(poller .. [[
        local done = false
        poller.on_result = function() done = true end
        poller.left = 1
        function poller:spin()
          log[#log + 1] = "spin"
          self.came = true
          return true
        end
        print(loop.run_until(function() return done end), table.concat(log, " "))
        poller.timer:close()
        uv.run("nowait")
      ]]))
    end)

    it("is no deadlock while one is busy, even without an active handle", function()
      assert.equal("done\n", run(poller .. [[
        local done = false
        poller.on_result = function() done = true end
        poller:later(5)
        poller.timer:unref()
        print(loop.run_until(function() return done end))
        poller.timer:close()
        loop.release()
      ]]))
    end)

    it("is a deadlock when none is", function()
      assert.equal("deadlock\n", run(poller .. [[
        print(loop.run_until(function() return false end))
        poller.timer:close()
        uv.run("nowait")
      ]]))
    end)

    it("lets one remove itself while it is asked", function()
      assert.equal("second\nfine\n", run([[
        local first = { busy = function() return false end }
        function first:poll()
          loop.remove_poller(self)
          return true
        end
        local polls = 0
        local second = { busy = first.busy, poll = function() polls = polls + 1 return false end }
        loop.add_poller(first)
        loop.add_poller(second)
        loop.run_until(function() return polls > 0 end)
        print("second")
        loop.remove_poller(second)
        loop.step()
        print("fine")
      ]]))
    end)
  end)

  it("gives uv handles their turn while fibers never rest", function()
    assert.equal("fired\n", run([[
      local fired = false
      local timer = uv.new_timer()
      timer:start(1, 0, function() fired = true end)
      aimp.run(function()
        while not fired do
          aimp.sleep(0)
        end
        timer:close()
      end)
      print("fired")
    ]]))
  end)

  it("raises what a poller raises, and can be driven again", function()
    assert.equal("false\tin poll\nfalse\ndone\n", run([[
      local bad = { poll = function() error("in poll", 0) end }
      loop.add_poller(bad)
      local ok, err = pcall(loop.run_until, function() return false end)
      print(ok, err.message)
      print(loop.is_driven())
      loop.remove_poller(bad)
      print(loop.run_until(function() return true end))
    ]]))
  end)

  describe("aimp.step", function()
    it("runs what is ready and tells whether work is left", function()
      assert.equal("started\ntrue\nwoken\nfalse\nfalse\n", run([[
        aimp.spawn(function()
          print("started")
          aimp.sleep(0.02)
          print("woken")
        end)
        print(aimp.step())
        while aimp.step(1) do end
        print(aimp.step())
        print(aimp.step(1))
      ]]))
    end)

    it("waits at most so long, and ends when something came", function()
      assert.equal("true\ntrue\ntrue\ttrue\n", run([[
        local task = aimp.spawn(aimp.sleep, 0.05)
        aimp.step()
        local start = aimp.now()
        print(aimp.step(0.001))
        local waited = aimp.now() - start
        print(waited >= 0.001)
        aimp.step(50)
        print(task:done() or aimp.step(50) == false, aimp.now() - start < 40)
      ]]))
    end)

    it("does not hold the frame for a task that never waits", function()
      assert.equal("true\n", run([[
        aimp.spawn(function()
          while true do
            aimp.sleep(0)
          end
        end)
        print(aimp.step(0))
      ]]))
    end)

    it("refuses what is no duration", function()
      assert.matches("bad argument #1 to 'aimp.step' %(expected a number of seconds", run([[
        print(pcall(function() aimp.step(-1) end))
      ]]))
    end)
  end)

  describe("that the host runs", function()
    it("lets tasks go by themselves", function()
      assert.equal("sleeps\nwakes\nresult\tdone\nhost ends\n", run([[
        aimp.attach()
        aimp.spawn(function()
          print("sleeps")
          aimp.sleep(0.005)
          print("wakes")
          return "result"
        end):on_done(function(task) print(task:result(), task:state()) end)
        uv.run()
        print("host ends")
      ]]))
    end)

    it("takes tasks spawned before, and uses the host's scheduler", function()
      assert.equal("task\n2\n", run([[
        aimp.spawn(function()
          print("task")
          aimp.sleep(0.001)
        end)
        local turns = 0
        aimp.attach(function(fn)
          local async
          async = uv.new_async(function()
            async:close()
            turns = turns + 1
            fn()
          end)
          async:send()
        end)
        aimp.attach()
        uv.run()
        print(turns)
      ]]))
    end)

    it("tells pollers before it blocks and asks them after", function()
      assert.equal("result\nbegin end poll\n", run(poller .. [[
        aimp.attach()
        poller.on_result = function()
          print("result")
          loop.remove_poller(poller)
          poller.timer:close()
        end
        poller:later(5)
        uv.run()
        print(table.concat(log, " "):match("begin end poll"))
      ]]))
    end)

    it("keeps the host alive no longer than there is work", function()
      assert.equal("ends\n", run(poller .. [[
        aimp.attach()
        poller.timer:close()
        uv.run()
        print("ends")
      ]]))
    end)

    it("reports errors of callbacks instead of ending the process", function()
      assert.matches("aimp: error in a callback: .*boom.*still here\n$", run([[
        aimp.attach()
        aimp.spawn(function() end):on_done(function() error("boom") end)
        uv.run()
        print("still here")
      ]]))
    end)

    it("is not ours to run", function()
      assert.matches("aimp.run: the host runs the loop; use aimp.spawn", run([[
        aimp.attach()
        print(pcall(function() aimp.run(print) end))
      ]]))
    end)
  end)

  it("refuses to be loaded first in a coroutine, where luv would keep a dead one", function()
    local output = support.luajit([[
      print(coroutine.resume(coroutine.create(function() require("aimp") end)))
    ]])
    assert.matches('require "aimp" first outside of any coroutine', output)
  end)
end)
