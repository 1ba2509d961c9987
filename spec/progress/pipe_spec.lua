-- SPDX-License-Identifier: MIT
--- Bars where stderr is a pipe, as in a log.
local cli = require("spec.cli.support")

after_each(cli.remove_folders)

local PRELUDE = [[
  local aimp = require("aimp")
]]

local function run(source, env)
  local variables = { AIMP_PROGRESS = "", TERM = "xterm", LC_ALL = "C.UTF-8", COLUMNS = "" }
  for name, value in pairs(env or {}) do
    variables[name] = value
  end
  return cli.run({ cli.script(PRELUDE .. source) }, { env = variables })
end

describe("a bar in a pipe", function()
  it("is a line at its end, on stderr", function()
    local child = run([[
      for item in aimp.progress({ 1, 2, 3 }, { description = "größe" }) do print(item) end
      for _ in aimp.progress({ 1, 2, 3 }, { leave = false }) do end]])
    assert.equal("1\n2\n3\n", child.out)
    assert.matches("^größe: 3/3 %(100%%%), %S+, 0:00 elapsed\n$", child.err)
    assert.equal(0, child.status)
  end)

  it("is a line now and then meanwhile", function()
    local child = run([[
      local timers = require("aimp.timers")
      local now = timers.clock()
      timers.clock = function() return now end
      local bar = aimp.progress({ total = 100, description = "load" })
      for _ = 1, 80 do
        now = now + 0.25
        bar:update(1.25)
      end
      bar:close()]])
    assert.equal(table.concat({
      "load: 25/100 (25%), 5.00/s, 0:05 elapsed, 0:15 left",
      "load: 50/100 (50%), 5.00/s, 0:10 elapsed, 0:10 left",
      "load: 75/100 (75%), 5.00/s, 0:15 elapsed, 0:05 left",
      "load: 100/100 (100%), 5.00/s, 0:20 elapsed\n",
    }, "\n"), child.err)
  end)

  it("is a bar where that is forced, of the width that the environment says", function()
    local child = run("for _ in aimp.progress({ 1, 2, 3 }) do end", { AIMP_PROGRESS = "1", COLUMNS = "50" })
    local last = child.err:match("(100%%|[█]+| 3/3 .-%])\27")
    assert.equal(50, select(2, last:gsub("[^\128-\191]", "")))
    child = run("for _ in aimp.progress({ 1, 2, 3 }) do end", { AIMP_PROGRESS = "1" })
    last = child.err:match("(100%%|[█]+| 3/3 .-%])\27")
    assert.equal(80, select(2, last:gsub("[^\128-\191]", "")))
  end)

  it("is not there with AIMP_PROGRESS=0", function()
    assert.equal("", run("for _ in aimp.progress({ 1 }) do end", { AIMP_PROGRESS = "0" }).err)
  end)

  it("is a whole line of each worker too, also where a bar is forced", function()
    local child = run([[
      local pool = aimp.Pool({ processes = 2 })
      pool:map(function(n)
        for _ in require("aimp").progress({ 1, 2 }, { description = "in worker " .. n }) do end
      end, { 1, 2, 3, 4 }):await()
      pool:close()
      pool:join()]], { AIMP_PROGRESS = "1" })
    local seen = 0
    for line in child.err:gmatch("([^\n]*)\n") do
      assert.matches("^in worker %d: 2/2 %(100%%%), %S+, 0:00 elapsed$", line)
      seen = seen + 1
    end
    assert.equal(4, seen)
  end)

  it("draws a map's bar", function()
    local child = run([[
      local pool = aimp.Pool({ processes = 2 })
      pool:map(math.abs, { 1, 2, 3 }, { progress = "mapped" }):await()
      for _ in pool:map(math.abs, { 1, 2, 3 }, { progress = "streamed" }) do end
      pool:close()
      pool:join()]])
    assert.matches("^mapped: 3/3 %(100%%%), [^\n]*\nstreamed: 3/3 %(100%%%), [^\n]*\n$", child.err)
  end)
end)
