-- SPDX-License-Identifier: MIT
--- Bars in a real terminal. Where the screen in the middle of something is wanted, the program kills itself.
local pty = require("spec.progress.pty")

after_each(pty.clean_up)

local PRELUDE = [[
  local aimp = require("aimp")
  local uv = require("luv")
  local function stop() uv.kill(uv.os_getpid(), "sigkill") end
  local function read(path)
    local file = assert(io.open(path))
    local text = file:read("*a")
    file:close()
    return text
  end
]]

local function run(source, env)
  return pty.run(PRELUDE .. source, env)
end

--- Asserts that the lines of the terminal match these patterns.
local function assert_lines(patterns, lines)
  local text = table.concat(lines, "\n")
  assert.equal(#patterns, #lines, text)
  for i, pattern in ipairs(patterns) do
    assert.matches("^" .. pattern .. "$", lines[i], text)
  end
end

local function columns(line)
  return select(2, line:gsub("[^\128-\191]", ""))
end

local TIMES = "%[0:%d%d<0:%d%d, [%d.]+/s%]"

describe("a bar in a terminal", function()
  it("is as wide as the terminal, made of blocks, and stays as a line when it ends", function()
    local lines, child = run([[
      print("before")
      for _ in aimp.progress({ 1, 2, 3 }, { description = "größe" }) do end
      print("after")]])
    assert_lines({ "before", "größe 100%%|[█]+| 3/3 %[0:00<0:00, .*%]", "after" }, lines)
    assert.equal(pty.COLUMNS, columns(lines[2]))
    assert.equal(0, child.status)
  end)

  it("is of plain characters in another locale, and where that is asked for", function()
    local source = [[for _ in aimp.progress({ 1, 2, 3 }, %s) do end]]
    assert_lines({ "100%%|#+| 3/3 .*" }, (run(source:format("nil"), { LC_ALL = "C" })))
    assert_lines({ "100%%|#+| 3/3 .*" }, (run(source:format("{ ascii = true }"))))
    assert_lines({ "100%%|[█]+| 3/3 .*" }, (run(source:format("{ ascii = false }"), { LC_ALL = "C" })))
  end)

  it("stands below a free line meanwhile, and each bar on its own", function()
    assert_lines({ "before", "", "one   0%%|.*| 0/5 .*", "two 7 %[0:00, .*" }, (run([[
      print("before")
      local one = aimp.progress({ total = 5, description = "one" })
      local two = aimp.progress({ description = "two" })
      repeat
        two:update(two._meter.count == 0 and 7 or 0)
        aimp.sleep(0.01)
      until two._meter.shown == 7
      stop()
      one:close()]])))
  end)

  it("leaves all that is printed below it, in a worker too, on lines of their own", function()
    local lines = run([[
      local pool = aimp.Pool({ processes = 1 })
      local function work(n) print("worker " .. n) end
      pool:apply(work, 1):await()
      for item in aimp.progress({ 1, 2 }) do
        print("print " .. item .. "\nmore")
        io.write("write ", item, "\n")
        io.stderr:write("stderr ", item, "\n")
        pool:apply(work, item * 10):await()
        require("aimp.progress.display").changed()
      end
      pool:close()
      pool:join()]])
    local found = {}
    for _, line in ipairs(lines) do
      found[#found + 1] = line:match("^worker %d+") or line
    end
    assert_lines({
      "worker 1", "print 1", "more", "write 1", "stderr 1", "worker 10",
      "print 2", "more", "write 2", "stderr 2", "worker 20", "100%%|.* 2/2 .*",
    }, found)
  end)

  it("follows a resize of the terminal", function()
    local source = [[
      local bar = aimp.progress({ total = 2 })
      assert(os.execute("stty cols 40 rows 10 <&2") == 0)
      repeat
        bar:update(bar._meter.count == 0 and 1 or 0)
        aimp.sleep(0.01)
      until bar._meter.shown == 1
      %s]]
    local during = run(source:format("stop()"))
    assert_lines({ "", " 50%%|.* 1/2 " .. TIMES }, during)
    assert.equal(40, columns(during[2]))
    local after = run(source:format("bar:close()"))
    assert.equal(40, columns(after[1]))
  end)

  it("is drawn at most ten times a second, and with no more writes", function()
    local output = pty.output(PRELUDE .. [[
      local bar, begin = aimp.progress({ total = 1e9 }), aimp.now()
      repeat
        bar:update(1)
      until aimp.now() - begin > 0.55
      bar:close()
      print("took " .. math.floor((aimp.now() - begin) * 10))]])
    local tenths = tonumber(output:match("took (%d+)"))
    local count = select(2, output:gsub("%[%d:", ""))
    assert.is_true(count >= 5 and count <= 2 * tenths, count .. " drawings in 0." .. tenths .. " s")
  end)

  it("leaves stderr, the terminal and open files as they were", function()
    local lines = run([[
      local function state()
        local pipe = io.popen("stty -g <&2")
        local settings = pipe:read("*a")
        pipe:close()
        local files = {}
        for name in uv.fs_scandir_next, uv.fs_scandir("/proc/self/fd") do
          files[#files + 1] = uv.fs_readlink("/proc/self/fd/" .. name) and name
        end
        return settings .. table.concat(files, " "), read("/proc/self/fdinfo/2"):match("flags:%s*(%d+)")
      end
      uv.new_pipe(false):close() -- libuv opens something once, with its first stream
      aimp.sleep(0.01)
      local before, flags = state()
      local bar = aimp.progress({ total = 1 })
      local during, flags_during = state()
      os.execute("echo a child has stderr >&2")
      bar:close()
      aimp.sleep(0.01)
      local after, flags_after = state()
      print(flags == flags_during and flags == flags_after)
      print(before == after)
      print(before:match("^%S+") == during:match("^%S+"))]])
    assert_lines({ "a child has stderr", "  0%%|.*", "true", "true", "true" }, lines)
  end)

  it("is drawn in plain lines where the terminal cannot move its cursor", function()
    for _, term in ipairs({ "dumb", "" }) do
      local lines = run("for _ in aimp.progress({ 1, 2, 3 }) do end", { TERM = term })
      assert_lines({ "3/3 %(100%%%), .*" }, lines)
    end
  end)

  it("is not there with AIMP_PROGRESS=0", function()
    assert_lines({ "end" }, (run([[
      for _ in aimp.progress({ 1, 2, 3 }) do end
      print("end")]], { AIMP_PROGRESS = "0" })))
  end)
end)

describe("a bar ends before what comes after it in a terminal, when", function()
  local BAR = "  ?%d+%%|.* 1/3 .*"

  local function left_by(how)
    return run(([[
      local function body()
        for item in aimp.progress({ 1, 2, 3 }) do
          if item == 2 then %s end
        end
      end
      body()
      print("after")]]):format(how))
  end

  it("the loop is left by break or return", function()
    assert_lines({ BAR, "after" }, (left_by("break")))
    assert_lines({ BAR, "after" }, (left_by("do return end")))
  end)

  it("an error ends the program", function()
    local lines, child = left_by("error('bad luck')")
    assert.matches(BAR, lines[1])
    assert.matches("^aimprun: .*: bad luck$", lines[2])
    assert.equal(1, child.status)
  end)

  it("os.exit does", function()
    local lines, child = left_by("os.exit(3)")
    assert_lines({ BAR }, lines)
    assert.equal(3, child.status)
  end)

  it("Ctrl-C does", function()
    local lines, child = left_by("uv.kill(uv.os_getpid(), 'sigint') aimp.sleep(1000)")
    assert_lines({ "aimprun: interrupted", BAR }, lines)
    assert.equal(130, child.status)
  end)

  it("nobody closed it", function()
    local lines, child = run([[bar = aimp.progress({ total = 3 }) bar:update() print("after")]])
    assert_lines({ "after", BAR }, lines)
    assert.equal(0, child.status)
  end)

  it("nothing is left that could go on: it hides no deadlock", function()
    local lines, child = left_by("require('aimp.task').new():await()")
    assert.matches(BAR, lines[1])
    assert.matches("^aimprun: deadlock", lines[2])
    assert.equal(1, child.status)
  end)
end)
