-- SPDX-License-Identifier: MIT
--- What aimprun says on stderr: errors nobody caught, as luajit words them, with tracebacks through tasks.
local errors = require("aimp.errors")

local M = {}

local AWAITED_BY = "\nawaited by\n"
local HEADING = "stack traceback:"

-- Frames of the runtime itself, which say nothing to the script's author.
local RUNTIME_FRAMES = {
  "aimp/[%w_/]+%.lua:%d+: in ", "%[C%]: in function 'x?pcall'", "%[C%]: in function 'run'",
  "%[C%]: in function 'error'", "%[C%]: at 0x",
}

local function is_runtime_frame(line)
  for _, pattern in ipairs(RUNTIME_FRAMES) do
    if line:find(pattern) then
      return true
    end
  end
  return false
end

--- Drops the runtime's frames below the script's last one, and those within `require`.
local function trim_section(section)
  local lines = {}
  for line in section:gmatch("[^\n]+") do
    if not line:find("aimp/cli/require%.lua:%d+: in function 'load_module'") then
      lines[#lines + 1] = line
    elseif lines[#lines]:find("'xpcall'", 1, true) then
      lines[#lines] = nil
    end
  end
  while #lines > 1 and is_runtime_frame(lines[#lines]) do
    lines[#lines] = nil
  end
  lines[#lines] = lines[#lines]:gsub("in function 'main_chunk'$", "in main chunk")
  return #lines > 1 and table.concat(lines, "\n") or nil
end

--- Pieces of text between the separators, plain.
local function each_section(text)
  local from = 1
  return function()
    if from == nil then
      return nil
    end
    local first, last = text:find(AWAITED_BY, from, true)
    local section = text:sub(from, (first or 0) - 1)
    from = last and last + 1
    return section
  end
end

local function trim(traceback)
  local sections = {}
  for section in each_section(traceback) do
    sections[#sections + 1] = trim_section(section)
  end
  return #sections > 0 and table.concat(sections, AWAITED_BY) or HEADING
end

--- Message and tracebacks of any error value.
---@param value any
---@param traceback? string  for a value that has none of its own
---@return string
function M.text(value, traceback)
  local message, stack = value, traceback
  if errors.is(value) then
    message, stack = value.message, value.traceback or traceback
  end
  local text = errors.describe(message)
  return type(stack) == "string" and text .. "\n" .. trim(stack) or text
end

--- Writes one message.
---@param text string
function M.say(text)
  io.stderr:write("aimprun: " .. text .. "\n")
end

---@param value any
---@param traceback? string
function M.error(value, traceback)
  M.say(M.text(value, traceback))
end

return M
