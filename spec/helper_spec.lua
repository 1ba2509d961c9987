-- SPDX-License-Identifier: MIT
--- Runs specs that misbehave under the helper, in a process of their own.

-- A spec file with this text: its output and exit status.
local function run_file(text)
  local name = os.tmpname()
  local path = name .. ".lua"
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  local command = "AIMP_SPEC_PATIENCE=0.2 '%s' scripts/lib/busted.lua --pattern= %s 2>&1; echo status $?"
  local output = assert(io.popen(command:format(os.getenv("AIMP_RUN"), path)))
  local printed = output:read("*a")
  output:close()
  os.remove(path)
  os.remove(name)
  return printed, tonumber(printed:match("status (%d+)%s*$"))
end

local function run_spec(body)
  return run_file(("it('misbehaves', function()\n%s\nend)\n"):format(body))
end

local function assert_reported(body, what)
  local text, status = run_spec(body)
  assert.equal(1, status, text)
  assert.is_truthy(text:find(what, 1, true), text)
end

describe("spec.helper", function()
  it("lets a clean spec pass, which may wait everywhere", function()
    local text, status = run_spec([[
      local aimp = require("aimp")
      finally(function() aimp.sleep(0.001) end)
      aimp.sleep(0.001)
      assert.has_error(function() aimp.sleep(0.001) error("x", 0) end, "x")]])
    assert.equal(0, status, text)
  end)

  it("reports a failed spec", function()
    assert_reported("assert.equal(1, 2)", "Expected objects to be equal")
  end)

  it("reports a pending spec and a file without any", function()
    local text, status = run_file("pending('later')")
    assert.equal(1, status, text)
    text, status = run_file("")
    assert.equal(1, status, text)
  end)

  it("reports a handle that was left open", function()
    assert_reported("require('luv').new_udp()", "handles: udp")
  end)

  it("reports a process that was left running", function()
    -- It ends when the spec's process does, as the pipe then is closed.
    assert_reported([[
      local uv = require("luv")
      local stdin = uv.new_pipe(false)
      uv.spawn("cat", { stdio = { stdin } }, function() end)]], "processes: cat (pid ")
  end)

  it("reports a file that is still referenced", function()
    assert_reported("package.loaded.held = io.open('/proc/self/maps')", "files: /proc/")
  end)

  it("ends a spec that hangs and shows where", function()
    local text, status = run_spec([[
      require("spec.helper").time_limit(1)
      local function stuck() require("aimp").sleep(100) return 1 end
      stuck()]])
    assert.equal(1, status, text)
    assert.is_truthy(text:find("'misbehaves' still runs after", 1, true), text)
    assert.is_truthy(text:find("in function 'stuck'", 1, true), text)
  end)
end)
