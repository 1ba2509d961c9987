-- SPDX-License-Identifier: MIT
--- A shared object for the specs of the hub: a value that can be waited for.
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local shared = require("aimp.shared")
local waiting = require("aimp.shared.waiting")

local Core = {}
Core.__index = Core

function Core:get()
  return self.value
end

function Core:set(_, value)
  self.value = value
  self.line:wake_all(value)
end

--- Everything that was given.
function Core:echo(_, ...)
  return ...
end

function Core:wait_echo(_, _, ...)
  require("aimp").sleep(0)
  return ...
end

--- A cell that only the answer holds, while the collector runs.
function Core:fresh(_, value)
  fiber.soon(collectgarbage)
  return require("spec.shared.modules.cell").new(value)
end

function Core:fail(_, text, cause)
  error(errors.new("STATE", text, { cause = cause }), 0)
end

function Core:wait_fail(_, _, value)
  error(value, 0)
end

--- Waits for the next set.
function Core:next(client, timeout, tag)
  return self.line:wait(timeout, client, tag)
end

function Core:waiters()
  return self.line:count()
end

function Core:take(client, timeout, who)
  if self.holder then
    self.takers:wait(timeout, client, who)
  end
  self.holder = { client = client, who = who }
  return true
end

function Core:give(_, who)
  assert(self.holder and self.holder.who == who)
  self.holder = nil
  self.given = (self.given or 0) + 1
  self.takers:wake(true)
end

--- Takes the value out, as soon as there is one; what nobody reads is put back.
function Core:pop(client, timeout)
  if self.value == nil then
    self.line:wait(timeout, client)
  end
  local value = self.value
  self.value = nil
  return value
end

function Core:unpop(_, value)
  self.value = value
  self.restored = (self.restored or 0) + 1
end

function Core:holder_of()
  return self.holder and self.holder.who
end

function Core:subscribe(client)
  self.subscribers[#self.subscribers + 1] = client
end

function Core:publish(_, ...)
  for _, client in ipairs(self.subscribers) do
    shared.tell(client, self, ...)
  end
end

function Core:client_gone(client)
  self.gone = (self.gone or 0) + 1
  if self.holder and self.holder.client == client then
    self.holder = nil
    self.takers:wake(true)
  end
end

local Cell = {}
Cell.__index = Cell

for _, name in ipairs({ "get", "set", "echo", "fresh", "fail", "waiters", "holder_of", "publish", "cast" }) do
  Cell[name] = function(self, ...)
    return self._core[name](self._core, shared.LOCAL, ...)
  end
end

function Core:cast(_, value)
  self.value = value
end

function Cell:next(timeout, tag)
  return self._core:next(shared.LOCAL, timeout, tag)
end

function Cell:wait_echo(...)
  return self._core:wait_echo(shared.LOCAL, nil, ...)
end

function Cell:wait_fail(value)
  return self._core:wait_fail(shared.LOCAL, nil, value)
end

function Cell:take(timeout)
  return self._core:take(shared.LOCAL, timeout, shared.who())
end

function Cell:give()
  return self._core:give(shared.LOCAL, shared.who())
end

function Cell:pop(timeout)
  return self._core:pop(shared.LOCAL, timeout)
end

function Cell:subscribe()
  rawset(self, "heard", self.heard or {})
  self._core:subscribe(shared.LOCAL)
end

function Cell:_told(...)
  if self.heard then -- else this process only hands it on
    self.heard[#self.heard + 1] = { n = select("#", ...), ... }
  end
end

shared.define({
  name = "cell",
  what = "a cell",
  class = Cell,
  methods = {
    get = {}, set = {}, echo = {}, fresh = {}, fail = {}, waiters = {}, holder_of = {}, publish = {},
    subscribe = {},
    cast = { casts = true },
    next = { waits = true }, wait_echo = { waits = true }, wait_fail = { waits = true },
    take = { waits = true, undo = "give" },
    give = {},
    pop = { waits = true, restore = "unpop" }, unpop = {},
  },
})

local M = { Cell = Cell }

function M.new(value)
  local core = setmetatable({ value = value, line = waiting.new("a cell"),
    takers = waiting.new("a cell"), subscribers = {} }, Core)
  return setmetatable({ _core = core }, Cell)
end

return M
