-- SPDX-License-Identifier: MIT
--- The luv module of this state.
local host = rawget(_G, "vim")

if type(host) == "table" and host.loop then
  return host.loop -- Neovim has luv built in
end

-- luv runs every callback on the coroutine that first loaded it, even when that one is dead.
if package.loaded.luv == nil and coroutine.running() ~= nil then
  error('require "aimp" first outside of any coroutine: luv runs its callbacks where it was loaded', 0)
end

return require("luv")
