-- SPDX-License-Identifier: MIT
--- The prompt of -i, as luajit's: a line that begins with = shows values, an unfinished chunk is continued on
--- the next line. Other tasks go on while it waits for input.
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local report = require("aimp.cli.report")
local signals = require("aimp.cli.signals")
local uv = require("aimp.uv")

local M = {}

local STDIN, READ_BYTES = 0, 4096

---@class aimp.cli.Input
---@field poll userdata|false  false: a file, which is always readable
---@field rest string          read, but not a whole line yet
local Input = {}
Input.__index = Input

local function open_input()
  local poll = uv.new_poll(STDIN)
  return setmetatable({ poll = poll or false, rest = "" }, Input)
end

--- A poll handle must be stopped also when the wait is cancelled.
local function withdraw(f)
  f.input_poll:stop()
end

---@async
function Input:wait_readable()
  local f = fiber.waiter(1, "the prompt")
  f.input_poll = self.poll
  self.poll:start("r", function()
    self.poll:stop()
    fiber.wake(f)
  end)
  fiber.wait(withdraw, "input at the prompt")
end

---@async
---@return string? line  without its newline; nil at the end
function Input:line()
  while true do
    local line, rest = self.rest:match("^(.-)\n(.*)$")
    if line then
      self.rest = rest
      return line
    end
    if self.poll then
      self:wait_readable()
    end
    local data = uv.fs_read(STDIN, READ_BYTES, -1)
    if data and data ~= "" then
      self.rest = self.rest .. data
    elseif self.rest ~= "" then
      self.rest = self.rest .. "\n" -- the last line has none
    else
      return nil
    end
  end
end

function Input:close()
  if self.poll then
    self.poll:close()
  end
end

local function prompt(name, default)
  local text = _G[name]
  io.stdout:write(type(text) == "string" and text or default)
  io.stdout:flush()
end

local function is_unfinished(problem)
  return problem:sub(-#"'<eof>'") == "'<eof>'"
end

---@async
---@return boolean more   false at the end of input
---@return function? chunk
---@return string? problem
local function read_chunk(input)
  prompt("_PROMPT", "> ")
  local text = input:line()
  if not text then
    return false
  end
  text = text:gsub("^=", "return ")
  local chunk, problem = loadstring(text, "=stdin")
  while not chunk and is_unfinished(problem) do
    prompt("_PROMPT2", ">> ")
    local line = input:line()
    if not line then
      return false
    end
    text = text .. "\n" .. line
    chunk, problem = loadstring(text, "=stdin")
  end
  return true, chunk, problem
end

local function show(ok, ...)
  if not ok then
    io.stderr:write(report.text((...)), "\n")
  elseif select("#", ...) > 0 then
    print(...)
  end
end

---@async
function M.run()
  local input = open_input()
  while not signals.status() do
    local more, main_chunk, problem = read_chunk(input)
    if not more then
      break
    elseif main_chunk then
      show(xpcall(main_chunk, errors.handler))
    else
      io.stderr:write(problem, "\n")
    end
  end
  input:close()
  io.stdout:write("\n")
end

return M
