-- What people type, beyond running scripts and tests: lints that find what they are for, messages about
-- packages.
-- SPDX-License-Identifier: MIT
local helper = require("spec.helper")
local support = require("spec.cli.support")
local uv = require("luv")

helper.time_limit(120)

--- Runs a shell command; its output, stderr included, and whether it succeeded.
local function shell(command)
  local pipe = assert(io.popen("{ " .. command .. "; } 2>&1; echo \"status $?\""))
  local output = pipe:read("*a")
  pipe:close()
  local text, status = output:match("^(.*)status (%d+)\n$")
  return text, tonumber(status)
end

local root = uv.cwd()

describe("the layer check", function()
  after_each(support.remove_folders)

  -- Lays runtime/LAYER/x.c out, checks it, and leaves only x.c, which support removes.
  local function check(layer, include)
    local folder = support.folder({ ["x.c"] = ('#include "%s"\n'):format(include) })
    return shell(([[
      cd '%s' && mkdir -p runtime/%s && mv x.c runtime/%s/
      '%s/scripts/lib/check-layers' runtime/%s/x.c; r=$?
      mv runtime/%s/x.c . && rm -r runtime; (exit $r)]]):format(folder, layer, layer, root, layer, layer))
  end

  it("refuses an include of a layer above", function()
    local text, status = check("base", "sched/sched.h")
    assert.equal(1, status)
    assert.matches("runtime/base/x.c:1: layer base may not know sched/sched.h", text, 1, true)
  end)

  it("refuses an include of a source file", function()
    local text, status = check("ipc", "ipc/ring.c")
    assert.equal(1, status)
    assert.matches("includes a source file", text)
  end)

  it("allows what a layer may know", function()
    local text, status = check("proc", "sched/sched.h")
    assert.equal(0, status, text)
  end)
end)

describe("missing packages", function()
  -- Runs packages_ensure where `before` has been said.
  local function ensure(before)
    return shell(([[(root='%s'; say() { printf '%%s\n' "$*"; }; die() { say "$@"; exit 1; }
      . '%s/scripts/lib/packages.sh'; %s
      packages_ensure run)]]):format(root, root, before))
  end

  it("are listed with the command that installs them, for who may not", function()
    local text, status = ensure("packages_missing() { echo libfoo-dev; echo bar; }; as_root() { return 1; }")
    assert.equal(1, status)
    assert.matches("these Debian packages are missing", text)
    assert.matches("sudo apt-get install --no-install-recommends libfoo-dev bar\n", text, 1, true)
  end)

  it("are listed where there is no Debian", function()
    local text, status = ensure("command() { return 1; }")
    assert.equal(1, status)
    assert.matches("this is not a Debian system", text)
    assert.matches("libluajit-5.1-dev", text, 1, true)
  end)
end)
