--- Where the aimprun executable is: it is what template and workers are started from.
-- SPDX-License-Identifier: MIT
local errors = require("aimp.errors")
local uv = require("aimp.loop").uv

local M = {}

local function is_executable(path)
  return path and uv.fs_access(path, "X") and true or false
end

local function beside_module()
  local source = debug.getinfo(1, "S").source:match("^@(.*)/share/lua/5%.1/aimp/pool/executable%.lua$")
  return source and source .. "/bin/aimprun"
end

local function on_path()
  for folder in (os.getenv("PATH") or ""):gmatch("[^:]+") do
    if is_executable(folder .. "/aimprun") then
      return folder .. "/aimprun"
    end
  end
end

local found

--- The path: this process's own when it is aimprun, else beside the module, AIMP_RUN, PATH.
---@return string
function M.path()
  if found then
    return found
  end
  local own = uv.exepath()
  if own:match("[^/]*$"):match("^aimprun") then
    found = "/proc/self/exe"
    return found
  end
  local candidates = { beside_module() or false, os.getenv("AIMP_RUN") or false, on_path() or false }
  for _, candidate in ipairs(candidates) do
    if is_executable(candidate) then
      found = candidate
      return found
    end
  end
  error(errors.new("START", "cannot find aimprun, from which workers are started: " ..
    "install it on PATH or set AIMP_RUN to its path"), 0)
end

return M
