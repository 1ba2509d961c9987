--- Objects that several processes share: queues, locks, dictionaries and the like.
---
---   user ─► front ─► core                          in the process that made the object
---   user ─► front ─► stub ══frames══► client ─► core     in a worker (link.lua ══► clients.lua)
---
--- The *core* is the object's truth and lives where it was made. What the user holds is a *front*,
--- `{ _core = … }`: it checks arguments and calls its core, or the *stub* that stands for it in another
--- process and has the same methods. Stubs are made here from a declaration (`define`), as is the way
--- in which fronts are sent: as numbers (exports.lua).
---
--- A process may stand in the middle: it passes its stub on to the workers of a pool of its own, and serves
--- them as it would with a core.
-- SPDX-License-Identifier: MIT
local caller = require("aimp.shared.caller")
local errors = require("aimp.errors")
local exports = require("aimp.shared.exports")
local stubs = require("aimp.shared.stubs")

local M = {
  LOCAL = caller.LOCAL,
  who = caller.who,
}

---@class aimp.shared.Method
---@field waits? boolean    signature (client, timeout, ...); run in a fiber; else it must return at once
---@field casts? boolean    other processes do not wait for an answer; for what cannot fail
---@field settles? boolean  waits: what was too late is told only when it is sure that it was not done
---@field undo? string      waits: called with the same arguments when the answer comes to one who gave up. A
---                          first result that is a text means refused, false granted, but owned by nobody
---@field ends? fun(...): integer  how many grants it takes back, of any arguments; default: the one of its
---                                 own first argument
---@field restore? string   called with the results when they come to one who gave up

---@class aimp.shared.Declaration
---@field name string    "aimp.Lock"
---@field what? string   what a waiter waits for, for messages; default: the name
---@field class table    of the fronts; must be a field of a module, so that it can be named
---@field methods table<string, aimp.shared.Method>  of the core
---@field on_ask? fun(core, client, op: integer, event: ffi.cdata*)  frames of the class's own, in the owner
---@field stub? table    further methods of the stub
---
--- A core may have: client_gone(client); attached(client) → info, told to the stub as `stub.info`; share(),
--- called before its first handle is sent. A stub may have: on_tell(op, frame, data, len). A front may have:
--- _told(...), for `tell`.

--- Declares a class of shared objects.
---@param declaration aimp.shared.Declaration
function M.define(declaration)
  local class = declaration.class
  declaration.what = declaration.what or declaration.name
  stubs.make_class(declaration)
  exports.declare(declaration)
  class.__newindex = class.__newindex or function(_, key)
    errors.raise_misuse(2, "an %s has no fields of its own to set ('%s'); use its methods", declaration.name,
      errors.describe(key))
  end
  class.__aimp_send = function(front, route)
    return exports.send(declaration, front, route)
  end
  class.__aimp_recv = function(value)
    return exports.receive(declaration, value)
  end
end

--- Calls front:_told(...) in the process of a client that has the object; in this one from the ready queue.
---@param client any  as given to the core's methods
---@param core table
---@param ... any
function M.tell(client, core, ...)
  local front = exports.front_of(core)
  if client ~= caller.LOCAL then
    client:tell_front(core, ...)
  elseif front then
    local n, values = select("#", ...), { ... }
    require("aimp.fiber").soon(function()
      front:_told(unpack(values, 1, n))
    end)
  end
end

--- A copy that shares nothing with the value, as another process would get it. Functions and classes stay
--- what they are. Raises ENCODE for what could not be sent.
---@param value any
---@return any
function M.copy(value)
  return require("aimp.shared.copy").copy(value)
end

return M
