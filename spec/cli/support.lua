-- SPDX-License-Identifier: MIT
--- Runs aimprun as a child process for the specs of spec/cli.
local fiber = require("aimp.fiber")
local uv = require("luv")

local M = {}

M.exe = assert(uv.fs_realpath(os.getenv("AIMP_RUN") or "build/release/bin/aimprun"))

---@class spec.cli.Child
---@field out string       what came on stdout and was not taken by line()
---@field err string
---@field status? integer  once it ended; nil when a signal ended it
---@field signal? integer
---@field _open integer    ends of file and exit that are still to come
---@field _waiter? table
local Child = {}
Child.__index = Child

local function notify(self)
  local waiter = self._waiter
  if waiter then
    self._waiter = nil
    fiber.wake(waiter)
  end
end

local function wait_for_news(self)
  self._waiter = fiber.waiter(1, "a child process")
  fiber.wait(function() self._waiter = nil end, "a child process")
end

local function finish_one(self, handle)
  self._open = self._open - 1
  handle:close()
  notify(self)
end

local function collect(self, pipe, field)
  pipe:read_start(function(err, data)
    assert(not err, err)
    if data then
      self[field] = self[field] .. data
      notify(self)
    else
      finish_one(self, pipe)
    end
  end)
end

local function environment(extra)
  local env = uv.os_environ()
  for _, name in ipairs({ "LUA_INIT", "LUA_PATH", "LUA_CPATH" }) do
    env[name] = nil
  end
  for name, value in pairs(extra or {}) do
    env[name] = value
  end
  local list = {}
  for name, value in pairs(env) do
    list[#list + 1] = name .. "=" .. value
  end
  return list
end

--- Starts a child.
---@param args string[]   of aimprun
---@param options? { stdin?: string, env?: table<string, string>, cwd?: string, program?: string }
---  stdin: written and closed; default: empty. program: instead of aimprun
---@return spec.cli.Child
function M.start(args, options)
  options = options or {}
  local stdin, stdout, stderr = uv.new_pipe(false), uv.new_pipe(false), uv.new_pipe(false)
  local self = setmetatable({ out = "", err = "", _open = 3 }, Child)
  local process
  process, self.pid = uv.spawn(options.program or M.exe, {
    args = args, stdio = { stdin, stdout, stderr }, env = environment(options.env), cwd = options.cwd,
  }, function(status, signal)
    self.status, self.signal = signal == 0 and status or nil, signal ~= 0 and signal or nil
    finish_one(self, process)
  end)
  assert(process, self.pid)
  self.process = process
  collect(self, stdout, "out")
  collect(self, stderr, "err")
  stdin:write(options.stdin or "")
  stdin:shutdown(function()
    stdin:close()
  end)
  return self
end

--- The next line of stdout.
---@async
---@return string
function Child:line()
  while true do
    local line, rest = self.out:match("^(.-)\n(.*)$")
    if line then
      self.out = rest
      return line
    end
    assert(self._open > 0, "the child ended without a line; its stderr: " .. self.err)
    wait_for_news(self)
  end
end

--- Waits until stderr has the text, plain.
---@async
---@param text string
function Child:wait_err(text)
  while not self.err:find(text, 1, true) do
    assert(self._open > 0, "the child ended; its stderr: " .. self.err)
    wait_for_news(self)
  end
end

---@param signal integer
function Child:kill(signal)
  assert(self.process:kill(signal))
end

--- Waits for the end of the child and of its output.
---@async
---@return spec.cli.Child self
function Child:wait()
  while self._open > 0 do
    wait_for_news(self)
  end
  return self
end

--- Runs to the end.
---@async
---@return spec.cli.Child
function M.run(args, options)
  return M.start(args, options):wait()
end

--- Runs a shell script in which $AIMPRUN is the executable and $1.. are the arguments.
---@async
---@return spec.cli.Child
function M.shell(script, ...)
  return M.run({ "-c", script, "sh", ... }, { program = "/bin/bash", env = { AIMPRUN = M.exe } })
end

--- Creates files below a fresh folder; gives its path. Gone after the current spec with `remove_folders`.
local folders = {}

---@param files table<string, string>  name in the folder -> text
---@return string path
function M.folder(files)
  local path = assert(uv.fs_mkdtemp("/tmp/aimp-cli-XXXXXX"))
  folders[#folders + 1] = path
  for name, text in pairs(files) do
    local file = assert(io.open(path .. "/" .. name, "w"))
    file:write(text)
    file:close()
  end
  return path
end

--- For after_each.
function M.remove_folders()
  for _, path in ipairs(folders) do
    for name in uv.fs_scandir_next, assert(uv.fs_scandir(path)) do
      assert(uv.fs_unlink(path .. "/" .. name))
    end
    assert(uv.fs_rmdir(path))
  end
  folders = {}
end

--- Writes a script; gives its path.
---@param text string
---@return string path
function M.script(text)
  return M.folder({ ["script.lua"] = text }) .. "/script.lua"
end

return M
