-- SPDX-License-Identifier: MIT
--- What aimprun gives its workers, and what becomes of them when it ends.
local helper = require("spec.helper")
local preload = require("aimp.cli.preload")
local support = require("spec.cli.support")
local uv = require("luv")

local run = support.run

local function is_gone(pid)
  return select(3, uv.kill(pid, 0)) == "ESRCH"
end

--- Starts a script whose workers compute for ever; gives it and their process ids.
local function start_busy(rest)
  local child = support.start({ "-e", [[
    local aimp = require("aimp")
    local pool = aimp.Pool({ processes = 2 })
    for _, pid in ipairs(pool:broadcast(aimp.pid)) do print(pid) end
    for _ = 1, 20 do
      pool:apply(function() while true do end end)
    end
    repeat
      aimp.sleep(0.001)
      local workers = pool:stats().workers
    until workers[1].running > 0 and workers[2].running > 0
    print("ready")
    ]] .. rest })
  local pids = { tonumber(child:line()), tonumber(child:line()) }
  assert.equal("ready", child:line())
  return child, pids
end

local function assert_gone(pids)
  for _, pid in ipairs(pids) do
    assert.is_true(helper.wait_until(function() return is_gone(pid) end), "a worker is left")
  end
end

describe("aimprun's workers", function()
  after_each(support.remove_folders)

  it("have their modules loaded or compiled before the fork", function()
    local child = run({ "-e", [[
      local aimp = require("aimp")
      aimp.with(aimp.Pool({ processes = 1 }), function(pool)
        pool:apply(function()
          for name in pairs(package.loaded) do print(name) end
        end):await()
      end)]] })
    local plan, count = preload.plan(), 0
    for name in child.out:gmatch("aimp[^\n]*") do
      count = count + 1
      if name ~= "aimp.core" and not name:find("^aimp%.cli%.") then
        assert.is_truthy(plan[name], name .. " was not compiled before the fork")
      end
    end
    assert.is_true(count > 20)
    assert.is_false(plan["aimp.codec"].needs_luv)
    assert.is_true(plan["aimp.loop"].needs_luv)
  end)

  it("have a require that may wait, and print whole lines", function()
    local folder = support.folder({
      ["waits.lua"] = "require('aimp').sleep(0.001) return 'waited'",
      ["script.lua"] = [[
        local aimp = require("aimp")
        aimp.with(aimp.Pool({ processes = 4 }), function(pool)
          print(pool:apply(require, "waits"):await())
          local lengths = { 1, 5000, 4096, 70002, 8000, 9001 }
          pool:map(function(n) print(("%d"):format(n % 10):rep(n)) end, lengths):await()
        end)]],
    })
    local child = run({ "script.lua" }, { cwd = folder })
    assert.equal("waited", child:line())
    local lengths = {}
    for line in child.out:gmatch("([^\n]*)\n") do
      assert.equal(line:sub(1, 1):rep(#line), line)
      lengths[#lengths + 1] = #line
    end
    table.sort(lengths)
    assert.same({ 1, 4096, 5000, 8000, 9001, 70002 }, lengths)
  end)

  it("end with the status of os.exit, flushed", function()
    local child = run({ "-e", [[
      local aimp = require("aimp")
      aimp.with(aimp.Pool({ processes = 1 }), function(pool)
        local ok, err = pool:apply(function() io.write("part") os.exit(3) end):pawait()
        print(" ", ok, err.code, err.status)
        print(" ", select(2, pool:apply(os.exit, 4):pawait()).status)
      end)]] })
    assert.equal("part \tfalse\tWORKER_DIED\t3\n \t4\n", child.out)
    assert.equal(0, child.status)
  end)

  it("are gone after Ctrl-C, in one line", function()
    local child, pids = start_busy("aimp.sleep(1000)")
    child:kill(uv.constants.SIGINT)
    child:wait()
    assert.equal(130, child.status)
    assert.equal("aimprun: interrupted\n", child.err)
    assert_gone(pids)
  end)

  it("are gone after the second Ctrl-C", function()
    local child, pids = start_busy("while true do end")
    child:kill(uv.constants.SIGINT)
    child:wait_err("interrupted\n")
    child:kill(uv.constants.SIGINT)
    child:wait()
    assert.equal(130, child.status)
    assert_gone(pids)
  end)

  it("are gone after SIGTERM, os.exit, an error, and the script's end", function()
    local child, pids = start_busy("aimp.sleep(1000)")
    child:kill(uv.constants.SIGTERM)
    assert.equal(143, child:wait().status)
    assert_gone(pids)
    for rest, status in pairs({ ["os.exit(5)"] = 5, ["error('x')"] = 1, [""] = 0 }) do
      child, pids = start_busy(rest)
      assert.equal(status, child:wait().status)
      assert_gone(pids)
    end
  end)
end)
