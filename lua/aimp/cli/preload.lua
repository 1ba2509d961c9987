-- SPDX-License-Identifier: MIT
--- Makes a state ready for a worker, as far as that can be done before the fork: no loop, so no luv.
---
--- The template calls this once; each worker it forks then has the modules compiled, and those that touch
--- neither luv nor the channel also run.
local M = {}

local RUN = {
  "aimp.errors", "aimp.check", "aimp.ready", "aimp.fiber", "aimp.ffi",
}

local COMPILE = {
}

--- From the folder that this file came from, whatever package.path will be.
local function find(name)
  return assert(package.searchpath(name, package.path))
end

local function compile(name)
  package.preload[name] = package.preload[name] or assert(loadfile(find(name)))
end

function M.run()
  require("aimp.cli.require").install()
  require("aimp.cli.exit").install()
  for _, name in ipairs(COMPILE) do
    compile(name)
  end
  for _, name in ipairs(RUN) do
    require(name)
  end
end

M.RUN, M.COMPILE = RUN, COMPILE

return M
