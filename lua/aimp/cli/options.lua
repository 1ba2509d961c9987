-- SPDX-License-Identifier: MIT
--- The command line of aimprun: luajit's options, spelled as luajit spells them, and --help, --version.
local M = {}

---@class aimp.cli.Action
---@field kind "e"|"l"|"j"|"O"
---@field text string

---@class aimp.cli.Options
---@field actions aimp.cli.Action[]  in the order given
---@field script? string             nil when there is none
---@field is_stdin boolean           the script is "-"
---@field first integer              index of the script in argv; #argv + 1 when there is none
---@field interactive boolean
---@field version boolean
---@field no_environment boolean
---@field help boolean

M.USAGE = [[
usage: aimprun [options]... [script [args]...]
       aimprun --help | --version]]

M.HELP = M.USAGE .. [[


Runs a Lua script as the main task of an event loop. Options are luajit's:
  -e chunk   Execute string 'chunk'.
  -l name    Require library 'name'.
  -j cmd     Perform LuaJIT control command.
  -O[opt]    Control LuaJIT optimizations.
  -i         Enter interactive mode after executing 'script'.
  -v         Show version information.
  -E         Ignore LUA_INIT, LUA_PATH and LUA_CPATH.
  --         Stop handling options.
  -          Execute stdin and stop handling options.
  --help     Show this text and exit.
  --version  Show version information and exit.

Without script, -e and -v it executes stdin, interactively on a terminal.
The run ends when the script does: tasks that still run are cancelled,
processes that are no daemons are waited for, and open handles do not keep
aimprun alive.

Exit status:
  0  the script ended            130  Ctrl-C (SIGINT)
  1  an error                    143  SIGTERM
  2  wrong usage                 n    the script called os.exit(n)

Environment, besides Lua's: AIMP_PROGRESS=0 for no progress bars; http_proxy,
https_proxy, no_proxy for aimp.http.

Documentation: man aimprun; for the modules, share/doc/aimp beside the bin
that aimprun is in.
]]

local TAKES_TEXT = { e = true, l = true, j = true }
local FLAGS = { ["-i"] = "interactive", ["-v"] = "version", ["-E"] = "no_environment", ["--help"] = "help" }

local function new_options()
  return {
    actions = {}, script = nil, is_stdin = false, first = 0,
    interactive = false, version = false, no_environment = false, help = false,
  }
end

--- Takes the option at argv[i]; gives the index of the next, or nil and what is wrong.
local function take(options, argv, i)
  local word = argv[i]
  local letter, text = word:sub(2, 2), word:sub(3)
  if FLAGS[word] then
    options[FLAGS[word]] = true
  elseif word == "--version" then
    options.version, options.help = true, "version"
  elseif letter == "O" then
    table.insert(options.actions, { kind = "O", text = text })
  elseif TAKES_TEXT[letter] then
    if text == "" then
      i, text = i + 1, argv[i + 1]
    end
    if text == nil then
      return nil, ("option -%s needs an argument"):format(letter)
    end
    table.insert(options.actions, { kind = letter, text = text })
  elseif letter == "b" then
    return nil, "-b: it is luajit that saves and lists bytecode: luajit -b"
  else
    return nil, ("unknown option '%s'"):format(word)
  end
  return i + 1
end

--- Takes all options; gives the index of the script, which may be past the end.
local function take_all(options, argv)
  local i = 1
  while argv[i] and argv[i]:sub(1, 1) == "-" do
    if argv[i] == "-" then
      options.is_stdin = true
      return i
    elseif argv[i] == "--" then
      return i + 1
    end
    local problem
    i, problem = take(options, argv, i)
    if not i then
      return nil, problem
    end
  end
  return i
end

---@param argv string[]  argv[0] is the program
---@return aimp.cli.Options?
---@return string? problem
function M.parse(argv)
  local options = new_options()
  local first, problem = take_all(options, argv)
  if not first then
    return nil, problem
  end
  options.first, options.script = first, argv[first]
  return options
end

--- The global `arg`: the script is at 0, the program and its options below.
---@param argv string[]
---@param first integer
---@return table<integer, string>
function M.arg_table(argv, first)
  local arg = {}
  for i = 0, #argv do
    arg[i - first] = argv[i]
  end
  return arg
end

return M
