-- SPDX-License-Identifier: MIT
--- Host mode: somebody else runs the uv loop, and tasks go without a driver of ours.
---
--- An active idle handle keeps the loop from blocking while fibers are ready. While there are pollers, a
--- prepare handle tells them before the loop blocks and a check handle asks them after it. Those two are
--- unreferenced, so they keep no host alive.
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local pollers = require("aimp.pollers")
local uv = require("aimp.uv")

local M = {}

local SLICE = 256 -- entries of the ready queue in one turn of the host's loop

local handles = nil ---@type { idle: userdata, prepare: userdata, check: userdata }?
local host_schedule = nil
local scheduled = false
local begun = {} -- pollers that were told of the sleep

--- Errors must not reach luv: its own answer is to end the process.
local function guarded(fn)
  return function()
    local ok, err = xpcall(fn, errors.handler)
    if not ok then
      fiber.on_error(err)
    end
  end
end

local on_idle

local function keep_turning()
  uv.idle_start(handles.idle, on_idle)
end

local function turn()
  scheduled = false
  fiber.drain(SLICE)
  local progress = pollers.poll()
  if progress or fiber.is_ready() then
    fiber.on_ready()
  elseif not host_schedule then
    uv.idle_stop(handles.idle)
  end
end

on_idle = guarded(turn)

local function on_ready()
  if not host_schedule then
    keep_turning()
  elseif not scheduled then
    scheduled = true
    host_schedule(on_idle)
  end
end

local on_prepare = guarded(function()
  local may_sleep
  may_sleep, begun = pollers.sleep_begin()
  if not may_sleep then
    fiber.on_ready()
  end
end)

local on_check = guarded(function()
  pollers.sleep_end(begun)
  begun = {}
  if pollers.poll() then
    fiber.on_ready()
  end
end)

local function watch_pollers(count)
  if count > 0 then
    uv.prepare_start(handles.prepare, on_prepare)
    uv.check_start(handles.check, on_check)
  else
    uv.prepare_stop(handles.prepare)
    uv.check_stop(handles.check)
  end
end

---@return boolean
function M.is_attached()
  return handles ~= nil
end

--- Once is enough; again does nothing.
---@param schedule? fun(fn: function)
function M.attach(schedule)
  if handles then
    return
  end
  handles = { idle = uv.new_idle(), prepare = uv.new_prepare(), check = uv.new_check() }
  uv.unref(handles.prepare)
  uv.unref(handles.check)
  host_schedule = schedule
  fiber.on_ready, pollers.on_change = on_ready, watch_pollers
  watch_pollers(pollers.count())
  if fiber.is_ready() then
    on_ready()
  end
end

return M
