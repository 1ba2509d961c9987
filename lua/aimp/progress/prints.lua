--- What the script prints while bars are on a terminal: they are taken away before and put back after it.
---
--- That holds for `print`, `io.write` and the `write` method of stdout and stderr, in this process. What
--- others write to the terminal finds a line of its own (terminal.lua). The functions are exported so that
--- they travel by name: a worker that gets them as its globals has no bars, and just prints.
-- SPDX-License-Identifier: MIT
local M = {}

local methods = getmetatable(io.stderr).__index

-- What stood there before.
local originals = { print = print, write = io.write, method = methods.write }

local guard = nil ---@type { before: fun(), after: fun() }?

local function finish(ok, ...)
  if guard then -- not the last bar's end
    guard.after()
  end
  if not ok then
    error((...), 0)
  end
  return ...
end

local function guarded(fn, ...)
  if not guard then
    return fn(...)
  end
  guard.before()
  return finish(pcall(fn, ...))
end

function M.print(...)
  return guarded(originals.print, ...)
end

function M.write(...)
  return guarded(originals.write, ...)
end

function M.method(file, ...)
  if file == io.stderr or file == io.stdout then
    return guarded(originals.method, file, ...)
  end
  return originals.method(file, ...)
end

local places = {
  { _G, "print", "print" }, { io, "write", "write" }, { methods, "write", "method" },
}
local is_installed = {} -- also where somebody put a function of his own around ours, which we cannot take out

--- Has `before` and `after` called around what is printed.
---@param before fun()
---@param after fun()
function M.install(before, after)
  guard = { before = before, after = after }
  for _, place in ipairs(places) do
    local t, name, own = unpack(place)
    if not is_installed[own] then
      originals[own], t[name], is_installed[own] = t[name], M[own], true
    end
  end
end

function M.remove()
  guard = nil
  for _, place in ipairs(places) do
    local t, name, own = unpack(place)
    if t[name] == M[own] then
      t[name], is_installed[own] = originals[own], false
    end
  end
end

--- Writes to stderr, unguarded.
---@param text string
function M.put(text)
  originals.method(io.stderr, text)
end

return M
