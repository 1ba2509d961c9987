-- SPDX-License-Identifier: MIT
--- busted's command line, to be run by aimprun so that specs can wait:
---   aimprun scripts/lib/busted.lua [busted's options] FILE...
--- The options of every run stand in .busted.

-- Without a command line of its own busted tells failures by error(nil).
local ok, err = pcall(function()
  require("busted.runner")({ standalone = false })
end)
if not ok then
  if err ~= nil then
    io.stderr:write(tostring(err), "\n")
  end
  os.exit(1, true)
end
