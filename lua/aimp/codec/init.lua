-- SPDX-License-Identifier: MIT
--- Values and functions as bytes and back: `sender` packs, `receiver` unpacks. wire.lua has the format,
--- captures.lua what a sender remembers.
---
--- The capture rule: each call sends the current values of the variables that its function captures; a
--- variable that the sender has not changed since it was last sent is left alone in the receiver.
local names = require("aimp.codec.names")
local receiver = require("aimp.codec.receiver")
local sender = require("aimp.codec.sender")

local M = {}

M.sender = sender.new
M.receiver = receiver.new

--- Hosts call this when a state is ready for the script: all globals of that moment are taken to exist in
--- every process. Without it only Lua's standard ones are.
M.snapshot = names.snapshot

return M
