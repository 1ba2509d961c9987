-- SPDX-License-Identifier: MIT
--- What the specs of the installation and its packages share: commands, folders, the tree, a program that
--- uses most of what is installed.
local cli = require("spec.cli.support")
local uv = require("luv")

local M = {}

M.root = uv.cwd()
-- The folder that this build is in.
M.build = assert(cli.exe:match("^(.*)/bin/[^/]*$"))

---@param path string
---@return string text
function M.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

--- Runs a shell script in the tree, with $1.. and $AIMPRUN, which must succeed; its output.
---@async
---@param script string
---@return string out
function M.must(script, ...)
  local child = cli.shell("set -e\n" .. script, ...)
  assert(child.status == 0, ("status %s\n%s\n%s"):format(tostring(child.status), child.out, child.err))
  return child.out
end

--- The lines of a text, as a set: each is true.
---@param text string
---@return table<string, true>
function M.lines(text)
  local set = {}
  for line in text:gmatch("[^\n]+") do
    set[line] = true
  end
  return set
end

--- Calls fn with a new folder, which is gone afterwards.
---@async
---@param fn fun(folder: string)
function M.with_folder(fn)
  local folder = assert(uv.fs_mkdtemp("/tmp/aimp-pack-XXXXXX"))
  local ok, err = pcall(fn, folder)
  M.must('rm -r "$1"', folder)
  assert(ok, err)
end

--- The version of project() in CMakeLists.txt.
---@return string
function M.version()
  return assert(M.read("CMakeLists.txt"):match("project%(aimp VERSION ([%d.]+) "))
end

-- A worker fetches JSON from a server in the script's process. In the end: who has a file of the source tree
-- mapped, and where the C modules are from.
local PROGRAM = [[
local aimp = require("aimp")
local uv = require("luv")
local root = arg[1]

local server = uv.new_tcp()
assert(server:bind("127.0.0.1", 0))
assert(server:listen(1, function()
  local client = uv.new_tcp()
  assert(server:accept(client))
  client:read_start(function(_, data)
    if data then
      client:write('HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"answer": 42}')
    else
      client:close()
    end
  end)
end))

local function maps()
  local own, http = 0, nil
  for line in io.lines("/proc/self/maps") do
    own = own + (line:find(root .. "/", 1, true) and 1 or 0)
    http = http or line:match("(/%S*/http/core.so)$")
  end
  return own, http
end

local function fetch(url)
  return aimp.http.get(url, { timeout = 10 }):json().answer, maps()
end

aimp.with(aimp.Pool({ processes = 1 }), function(pool)
  print((maps()), pool:apply(fetch, ("http://127.0.0.1:%d/"):format(server:getsockname().port)):await())
end)
]]

--- Runs a program with the aimprun of a prefix, from the root folder, and asserts that all it uses is found
--- there and nothing in the tree.
---@async
---@param prefix string
function M.assert_whole(prefix)
  local child = cli.run({ "-", M.root }, {
    program = prefix .. "/bin/aimprun", stdin = PROGRAM, cwd = "/", env = { no_proxy = "127.0.0.1" },
  })
  assert(child.err == "", child.err)
  local expected = ("0\t42\t0\t%s/lib/lua/5.1/aimp/http/core.so\n"):format(uv.fs_realpath(prefix))
  assert(child.out == expected, child.out)
end

return M
