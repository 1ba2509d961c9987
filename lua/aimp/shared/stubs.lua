--- Stubs: what stands for a core that lives in another process. Each has the core's methods; a call of one
--- is a request over the link, and its answer.
-- SPDX-License-Identifier: MIT
local M = {}

--- Operations of every object, in `count` of ASK frames. READ: the answer, of which it was asked, has been
--- decoded; aux 1: nobody wanted it. DONE_PERMIT: queue/permits.lua.
M.ATTACH, M.DETACH, M.CANCEL, M.READ, M.DONE_PERMIT = 1, 2, 3, 4, 5
--- The same of TELL frames.
M.ANSWER, M.ATTACHED, M.GONE, M.NEWS, M.PERMIT = 1, 2, 3, 4, 5
--- Flag of an ANSWER: tell when it was read.
M.CONFIRM = 32
--- A class's methods, by name in alphabetical order, are the operations from here on …
M.FIRST_METHOD = 16
--- … and frames of its own from here on, both ways.
M.FIRST_OWN = 128

local function waiting_method(declaration, method)
  return function(stub, _, timeout, ...)
    return stub.link:call(stub, declaration, method, timeout, ...)
  end
end

local function plain_method(declaration, method)
  return function(stub, _, ...)
    return stub.link:call(stub, declaration, method, nil, ...)
  end
end

local function casting_method(_, method)
  return function(stub, _, ...)
    stub.link:ask(method.op, stub.number, 0, select("#", ...), ...)
  end
end

local function sorted_names(methods)
  local names = {}
  for name in pairs(methods) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- Gives the declaration its stub class and its methods their operations.
---@param declaration aimp.shared.Declaration
function M.make_class(declaration)
  local Stub = {}
  Stub.__index = Stub
  declaration.Stub, declaration.by_op = Stub, {}
  for i, name in ipairs(sorted_names(declaration.methods)) do
    local method = declaration.methods[name]
    method.name, method.op = name, M.FIRST_METHOD + i - 1
    declaration.by_op[method.op] = method
    local make = method.casts and casting_method or method.waits and waiting_method or plain_method
    Stub[name] = make(declaration, method)
  end
  for name, method in pairs(declaration.stub or {}) do
    Stub[name] = method
  end
end

return M
