-- SPDX-License-Identifier: MIT
--- Loaded by busted before every spec file (see .busted). Fails a spec that
--- leaves a uv handle, a child process, an open file or a shared mapping
--- behind or is pending, and ends one that hangs, with its stack.
---
--- Specs that need more say so at the top of their file:
---   local helper = require("spec.helper")
---   helper.allow { handles = { async = 1 } }   -- kept on purpose by the module
---   helper.time_limit(60)                      -- seconds for each spec of the file
local busted = require("busted")
local ffi = require("ffi")
local uv = require("luv")
local leaks = require("spec.leaks")

local M = {}
package.loaded["spec.helper"] = M

-- What ends asynchronously may take this long, in seconds, after its spec.
local GRACE_S = 2
-- Sanitized builds are several times slower.
local PATIENCE = tonumber(os.getenv("AIMP_SPEC_PATIENCE")) or 1

local main = coroutine.running()
local limit_s
local allowed
local spec_name = "?"

--- Keeps what a module holds on purpose for the rest of the process from being
--- reported; numbers are in addition to what was there when the file began.
---@param more { handles?: spec.Counts, processes?: spec.Counts, files?: spec.Counts, mappings?: spec.Counts }
function M.allow(more)
  for kind, counts in pairs(more) do
    assert(allowed[kind], "unknown kind: " .. kind)
    for name, number in pairs(counts) do
      allowed[kind][name] = (allowed[kind][name] or 0) + number
    end
  end
end

local function now_s()
  return uv.hrtime() / 1e9
end

-- Gives the loop `ms` milliseconds, from a task or where no loop is running.
local function pause(ms)
  local fiber = package.loaded["aimp.fiber"]
  if fiber and fiber.current() then
    require("aimp").sleep(ms / 1000)
    return
  end
  local timer = assert(uv.new_timer())
  timer:start(ms, 0, function()
    timer:close()
  end)
  repeat
    uv.run("once")
  until timer:is_closing()
  -- luv crashes when its state is closed before a close callback ran.
  uv.run("nowait")
end

--- Runs the loop until `condition()` is true; for what no event tells, as the
--- state of another process.
---@async
---@param condition fun(): any
---@param seconds? number  default 2
---@return any value  the condition's last; false or nil when it never held
function M.wait_until(condition, seconds)
  local deadline = now_s() + (seconds or GRACE_S) * PATIENCE
  local ms = 1
  local value = condition()
  while not value and now_s() < deadline do
    pause(ms)
    ms = math.min(ms * 2, 50)
    value = condition()
  end
  return value
end

-- One template process serves all pools of a file and stays until its end.
local launcher

local function is_of_template(kind, name)
  local pid = launcher and launcher.pid()
  if not pid then
    return false
  elseif kind == "processes" then
    return name:find(("(pid %d)"):format(pid), 1, true) ~= nil
  end
  return kind == "handles" and name == "poll" or
    kind == "files" and (name == "socket" or name == "anon_inode:[pidfd]")
end

local function surplus(kind, name, number, before, file_start)
  local kept = (file_start[kind][name] or 0) + (allowed[kind][name] or 0)
    + (is_of_template(kind, name) and 1 or 0)
  return number - math.max(before[kind][name] or 0, kept)
end

local function left_behind(before, file_start)
  local found = {}
  local now = leaks.snapshot()
  for _, kind in ipairs(leaks.kinds) do
    for name, number in pairs(now[kind]) do
      local extra = surplus(kind, name, number, before, file_start)
      if extra > 0 then
        found[#found + 1] = ("%s: %s%s"):format(kind, name, extra > 1 and " x" .. extra or "")
      end
    end
  end
  table.sort(found)
  return found
end

local function check(what, before, file_start)
  local found
  local clean = M.wait_until(function()
    found = left_behind(before, file_start)
    if #found > 0 then
      -- What only the collector still holds is nobody's leak.
      collectgarbage()
    end
    return #found == 0
  end)
  if not clean then
    error(("%s left behind\n  %s"):format(what, table.concat(found, "\n  ")), 0)
  end
end

-- _exit: a program that hangs cannot be trusted to end in order.
ffi.cdef("void spec_exit(int status) __asm__(\"_exit\");")

local function give_up()
  io.stdout:flush()
  io.stderr:write(("\nspec/helper.lua: '%s' still runs after %g s\n"):format(spec_name, limit_s))
  io.stderr:write(main and debug.traceback(main) or debug.traceback(), "\n")
  for kind, counts in pairs(leaks.snapshot()) do
    for name, number in pairs(counts) do
      io.stderr:write(("%s: %s x%d\n"):format(kind, name, number))
    end
  end
  io.stderr:flush()
  ffi.C.spec_exit(1)
end

-- Unreferenced, so that it never keeps a loop from ending.
local watchdog = assert(uv.new_timer())
watchdog:unref()

local function watch()
  watchdog:start(limit_s * 1000, 0, give_up)
end

--- Sets how long this spec, from now on, and each after it in the file may take.
---@param seconds number
function M.time_limit(seconds)
  limit_s = seconds * PATIENCE
  if watchdog:is_active() then
    watch()
  end
end

local file_start, spec_start

-- libuv opens some files once, with the first signal and the first stream.
-- Not while this file is loaded: dofile is C, through which nothing can wait.
busted.subscribe({ "suite", "start" }, function()
  assert(uv.new_signal()):close()
  assert(uv.new_pipe(false)):close()
  pause(1)
end)

busted.subscribe({ "file", "start" }, function()
  allowed = { handles = {}, processes = {}, files = {}, mappings = {} }
  M.time_limit(30)
  file_start = leaks.snapshot()
end)

busted.subscribe({ "file", "end" }, function(file)
  if launcher then
    launcher.close()
    launcher = nil
  end
  check(file.name, file_start, file_start)
end)

local specs_run = 0

busted.subscribe({ "test", "start" }, function(element)
  spec_name = element.name
  specs_run = specs_run + 1
end)

busted.subscribe({ "test", "end" }, function(element, _, status)
  if status == "pending" then
    error(("'%s' is pending: write it or leave it out"):format(element.name), 0)
  end
end)

busted.subscribe({ "suite", "end" }, function()
  if specs_run == 0 then
    error("no spec was run", 0)
  end
end)

-- busted runs these two around every spec, outside of the file's own.
busted.before_each(function()
  spec_start = leaks.snapshot()
  watch()
end)

busted.after_each(function()
  watchdog:stop()
  launcher = package.loaded["aimp.pool.launcher"]
  check("'" .. spec_name .. "'", spec_start, file_start)
end)

busted.subscribe({ "exit" }, function()
  watchdog:close()
  pause(1)
end)

return M
