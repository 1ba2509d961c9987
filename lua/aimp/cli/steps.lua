-- SPDX-License-Identifier: MIT
--- What the command line asks for, as steps in the order of luajit. Each gives the function that is to run
--- as the main task with its arguments, or nil and a message when there is no such function (a syntax error).
local native = require("aimp.cli.native")

local M = {}

---@alias aimp.cli.Step fun(): (function?, ...)

local function split(text)
  local parts, n = {}, 0
  for part in (text .. ","):gmatch("([^,]*),") do
    n = n + 1
    parts[n] = part ~= "" and part or nil
  end
  return unpack(parts, 1, text ~= "" and n or 0)
end

local function nothing() end

--- Like luajit's: a message without position or traceback.
local function call_plainly(fn, ...)
  local ok, err = pcall(fn, ...)
  if not ok then
    return nil, tostring(err)
  end
  return nothing
end

local UNKNOWN_COMMAND = "unknown luaJIT command or jit.* modules not installed"

local function jit_command(name)
  if type(jit[name]) == "function" then
    return jit[name]
  end
  local ok, module = pcall(require, "jit." .. name)
  if ok then
    return type(module) == "table" and module.start or nil, UNKNOWN_COMMAND
  end
  return nil, tostring(module):find("^module ") and UNKNOWN_COMMAND or tostring(module)
end

local make = {}

function make.e(text)
  return loadstring(text, "=(command line)")
end

-- Not called as a Lua function's own call would be: that puts a position before "module not found".
function make.l(text)
  return function()
    local ok, err = pcall(require, text)
    if not ok then
      error(err, 0)
    end
  end
end

function make.j(text)
  local name, rest = text:match("^([^=]*)=?(.*)$")
  local command, problem = jit_command(name)
  if not command then
    return nil, problem
  end
  return call_plainly(command, split(rest))
end

function make.O(text)
  return call_plainly(require("jit.opt").start, split(text))
end

local function init_step(text)
  if text:sub(1, 1) == "@" then
    return loadfile(text:sub(2))
  end
  return loadstring(text, "=LUA_INIT")
end

--- The script's arguments, as LUA_INIT and -e left them in `arg`.
local function script_arguments()
  local list, n = {}, 0
  local arg = _G.arg
  if type(arg) == "table" then
    while rawget(arg, n + 1) ~= nil do
      n = n + 1
      list[n] = arg[n]
    end
  end
  return unpack(list, 1, n)
end

local function file_step(path)
  local chunk, problem = loadfile(path)
  if not chunk then
    return nil, problem
  end
  return chunk, script_arguments()
end

function M.print_version()
  print(("aimp %s -- %s -- libuv %s"):format(native.version, jit.version, require("luv").version_string()))
end

local function print_jit_status()
  local status = { jit.status() }
  status[1] = status[1] and "JIT: ON" or "JIT: OFF"
  print(table.concat(status, " "))
end

local function version_step()
  M.print_version()
  return nothing
end

local function interactive_step()
  print_jit_status()
  return require("aimp.cli.repl").run
end

local function has(options, kind)
  for _, action in ipairs(options.actions) do
    if action.kind == kind then
      return true
    end
  end
  return false
end

--- What comes after the options: the script, a prompt, or standard input.
local function last_steps(options, add)
  if options.script then
    add(file_step, not options.is_stdin and options.script or nil)
  end
  if options.interactive then
    add(interactive_step)
  elseif not options.script and not options.version and not has(options, "e") then
    if native.is_terminal(0) then
      add(version_step)
      add(interactive_step)
    else
      add(file_step, nil)
    end
  end
end

---@param options aimp.cli.Options
---@return aimp.cli.Step[]
function M.list(options)
  local steps = {}
  local function add(step, argument)
    steps[#steps + 1] = function() return step(argument) end
  end
  local init = not options.no_environment and os.getenv("LUA_INIT")
  if init then
    add(init_step, init)
  end
  if options.version or options.interactive then
    add(version_step)
  end
  for _, action in ipairs(options.actions) do
    add(make[action.kind], action.text)
  end
  last_steps(options, add)
  return steps
end

return M
