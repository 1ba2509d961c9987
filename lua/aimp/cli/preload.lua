-- SPDX-License-Identifier: MIT
--- Makes a state ready for a worker, as far as that can be done before the fork: no loop, so no luv.
---
--- The template calls this once; each worker it forks then has the modules loaded that need no luv, and the
--- others compiled. A worker that is exec'd calls it too.
local M = {}

--- Not one of these may require luv when it is loaded: the template could not start.
M.LOADED = {
  "aimp.check", "aimp.codec", "aimp.errors", "aimp.ffi", "aimp.fiber", "aimp.pollers", "aimp.ready",
  "aimp.task", "aimp.task.describe", "aimp.task.list", "aimp.task.spawn", "aimp.with", "aimp.worker.batch",
  "aimp.worker.context", "aimp.worker.reply",
}

M.COMPILED = {
  "aimp", "aimp.async", "aimp.gather", "aimp.loop", "aimp.run", "aimp.task.group", "aimp.timers", "aimp.uv",
  "aimp.worker.executor", "aimp.worker.main", "aimp.worker.setup",
}

function M.run()
  require("aimp.cli.require").install()
  for _, name in ipairs(M.LOADED) do
    require(name)
  end
  for _, name in ipairs(M.COMPILED) do
    package.preload[name] = assert(loadfile(assert(package.searchpath(name, package.path))))
  end
end

return M
