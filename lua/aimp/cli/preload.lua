-- SPDX-License-Identifier: MIT
--- Makes a state ready for a worker, as far as that can be done before the fork: no loop, so no luv.
---
--- The template calls `run` once. Each worker it forks then has those modules loaded that need no luv; the
--- others are in the executable, compiled. A worker that is exec'd calls it too. Which those are is found
--- by `plan` when aimprun is built (scripts/lib/embed.lua).
local M = {}

local ROOTS = { "aimp", "aimp.worker.main" }

---@class aimp.cli.Preloaded
---@field needs string[]     what it requires when it is loaded
---@field needs_luv? boolean it or one of those

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

--- Requires within functions are indented, and run later if at all.
local function load_time_requires(text)
  local names = {}
  for line in text:gmatch("[^\n]+") do
    if not line:find("^%s") then
      for name in line:gmatch('require%("([%w_.]+)"%)') do
        names[#names + 1] = name
      end
    end
  end
  return names
end

--- Adds a module of aimp's and what it requires. C modules have no file on this path.
local function add(plan, name)
  if plan[name] or name == "aimp.core" or not name:find("^aimp") then
    return
  end
  local path = assert(package.searchpath(name, package.path))
  local text = read(path)
  local entry = { needs = load_time_requires(text) }
  plan[name] = entry
  for _, other in ipairs(entry.needs) do
    add(plan, other)
  end
end

local function needs_luv(plan, name)
  local entry = plan[name]
  if not entry then
    return name == "luv"
  elseif entry.needs_luv == nil then
    entry.needs_luv = false
    for _, other in ipairs(entry.needs) do
      entry.needs_luv = entry.needs_luv or needs_luv(plan, other)
    end
  end
  return entry.needs_luv
end

--- The modules that every worker loads.
---@return table<string, aimp.cli.Preloaded>
function M.plan()
  local plan = {}
  for _, name in ipairs(ROOTS) do
    add(plan, name)
  end
  for name in pairs(plan) do
    needs_luv(plan, name)
  end
  return plan
end

function M.run()
  require("aimp.cli.require").install()
  for _, name in ipairs(require("aimp.cli.early")) do
    require(name)
  end
  collectgarbage() -- or every worker collects the same garbage
end

return M
