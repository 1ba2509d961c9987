-- SPDX-License-Identifier: MIT
--- Runs a Lua program in aimprun on a terminal of its own, which script(1) of Debian's bsdutils makes.
local cli = require("spec.cli.support")
local screens = require("spec.progress.screen")

local M = {}

M.COLUMNS, M.ROWS = 60, 10

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Runs it to its end; stdin, stdout and stderr are the terminal.
---@async
---@param source string
---@param env? table<string, string>
---@return string output
---@return spec.cli.Child child  its status is that of the program; 128 and more: a signal ended it
function M.output(source, env)
  local command = ("stty cols %d rows %d; exec %s %s"):format(M.COLUMNS, M.ROWS, quoted(cli.exe),
    quoted(cli.script(source)))
  local variables = { TERM = "xterm", LC_ALL = "C.UTF-8", SHELL = "/bin/sh", AIMP_PROGRESS = "" }
  for name, value in pairs(env or {}) do
    variables[name] = value
  end
  local child = cli.run({ "--quiet", "--return", "--command", command, "/dev/null" },
    { program = "script", env = variables })
  return child.out, child
end

--- What stands on the terminal at the end, one string a line; what scrolled away too.
---@async
---@param source string
---@param env? table<string, string>
---@return string[] lines
---@return spec.cli.Child child
function M.run(source, env)
  local output, child = M.output(source, env)
  return screens.new(M.COLUMNS, M.ROWS):feed(output):text(), child
end

M.clean_up = cli.remove_folders

return M
