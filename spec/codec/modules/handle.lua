-- SPDX-License-Identifier: MIT
--- Classes that decide themselves how their objects travel.
local M = { made = 0 }

local Handle = {}
Handle.__index = Handle
M.Handle = Handle

function M.new(id)
  return setmetatable({ id = id, file = io.stdout, thread = coroutine.create(print) }, Handle)
end

function Handle:__aimp_send()
  return self.id
end

function Handle.__aimp_recv(id)
  M.made = M.made + 1
  return setmetatable({ id = id, is_copy = true }, Handle)
end

-- Inherits how it travels.
local Named = setmetatable({ __index = nil }, { __index = Handle })
Named.__index = Named
M.Named = Named

function M.named(id)
  return setmetatable({ id = id }, Named)
end

local Box = {}
Box.__index = Box
M.Box = Box

function M.box(content)
  return setmetatable({ content = content, secret = coroutine.create(print) }, Box)
end

function Box:__aimp_send()
  return { content = self.content, self.nothing }
end

function Box.__aimp_recv(t)
  assert(t.content ~= "poison", "poisoned")
  return setmetatable({ content = t.content }, Box)
end

local Faulty = {}
Faulty.__index = Faulty
M.Faulty = Faulty

function M.faulty()
  return setmetatable({}, Faulty)
end

function Faulty.__aimp_send()
  error("will not go")
end

function Faulty.__aimp_recv() end

M.OneWay = { __aimp_send = function() return 1 end }

return M
