-- SPDX-License-Identifier: MIT
--- A host for lua/aimp/pool/supervisor.lua without processes: what it is asked to do is written down, time
--- passes and processes end when a spec says so.
local errors = require("aimp.errors")
local ffi = require("ffi")
local supervisor = require("aimp.pool.supervisor")

local M = {}

---@class spec.SupervisorHost
---@field log string[]              what the supervisor did, in order
---@field timers table[]            running ones: {seconds, fn, arg}
---@field requests table<integer, {id: integer, worker: integer, spawn: integer}>  by slot, the last one
---@field listeners table<integer, table>  by slot, of the last launch
---@field stop_status integer       of the last that was told to stop
---@field refuse table<string, any> what fails: open (text), configure, fork (raised)
local Host = {}
Host.__index = Host

local function noted(self, name)
  return function(_, slot)
    self.log[#self.log + 1] = slot and name .. " " .. slot + 1 or name
    return 0
  end
end

local function c_functions(self)
  local C = {}
  for _, name in ipairs({ "ready", "drain", "remove_slot" }) do
    C["aimp_pool_" .. name] = noted(self, name)
  end
  function C.aimp_pool_open_slot(_, slot, request, err)
    if self.refuse.open then
      ffi.copy(err.text, self.refuse.open)
      return -1
    end
    request.channel_fd = 100 + slot
    self.open[slot] = (self.open[slot] or 0) + 1
    return 0
  end
  function C.aimp_pool_launched(_, slot, request)
    assert(request.channel_fd == 100 + slot)
  end
  function C.aimp_pool_set_pidfd(_, slot, pidfd)
    self.pidfds[slot] = pidfd
  end
  function C.aimp_pool_post(_, slot, _, _, tag)
    self.stop_status = tag
    self.log[#self.log + 1] = "stop " .. slot + 1
  end
  function C.aimp_pool_signal(_, slot, number)
    self.log[#self.log + 1] = ("signal %d %d"):format(number, slot + 1)
  end
  function C.aimp_pool_gone(_, slot)
    self.open[slot] = self.open[slot] - 1
    assert(self.open[slot] == 0, "a slot was closed that was not open, or opened twice")
    self.log[#self.log + 1] = "gone " .. slot + 1
  end
  function C.aimp_pool_slot_is_idle(_, slot)
    return self.busy[slot] and 0 or 1
  end
  function C.aimp_pool_slot_is_spent(_, slot)
    return self.spent[slot] and 1 or 0
  end
  return C
end

local function launcher(self)
  local last = 0
  return {
    next_id = function()
      last = last + 1
      return last
    end,
    fork = function(request, listener)
      if self.refuse.fork then
        error(self.refuse.fork, 0)
      end
      local slot = request.worker - 1
      self.requests[slot] = { id = request.id, worker = request.worker, spawn = request.spawn }
      self.listeners[slot] = listener
      self.log[#self.log + 1] = "launch " .. request.worker
    end,
    forget = function(id)
      self.log[#self.log + 1] = "forget " .. id
    end,
  }
end

local function start_timer(self, seconds, fn, arg)
  local timer = { seconds = seconds, fn = fn, arg = arg }
  self.timers[#self.timers + 1] = timer
  function timer.stop()
    for i = #self.timers, 1, -1 do
      if self.timers[i] == timer then
        table.remove(self.timers, i)
      end
    end
  end
  return timer
end

---@param options? table  fields of the host that differ
---@return spec.SupervisorHost
function M.new(options)
  local self = setmetatable({
    log = {}, timers = {}, requests = {}, listeners = {}, refuse = {}, open = {}, pidfds = {}, busy = {},
    spent = {}, deaths = {}, reports = {}, changes = 0, broken = nil,
  }, Host)
  self.host = {
    C = c_functions(self), pool = nil, launcher = launcher(self), spawn = false, has_quota = false,
    timer = function(...) return start_timer(self, ...) end,
    configure = function()
      if self.refuse.configure then
        error(self.refuse.configure, 0)
      end
    end,
    drain_events = function() if self.on_drain then self.on_drain() end end,
    on_ready = function(worker) self.log[#self.log + 1] = "up " .. worker.number end,
    on_gone = function(_, death)
      self.deaths[#self.deaths + 1] = death
      return #self.deaths
    end,
    on_broken = function(err) self.broken = err end,
    on_change = function() self.changes = self.changes + 1 end,
    report = function(text) self.reports[#self.reports + 1] = text end,
  }
  for name, value in pairs(options or {}) do
    self.host[name] = value
  end
  return self
end

--- A supervisor of `count` workers on this host, not started.
function Host:supervise(count)
  self.supervisor = supervisor.new(self.host, count)
  return self.supervisor
end

--- What was done since the last call.
---@return string  separated by "; "
function Host:done()
  local text = table.concat(self.log, "; ")
  for i = #self.log, 1, -1 do
    self.log[i] = nil
  end
  return text
end

local function slot_of(number)
  return number - 1
end

function Host:forked(number)
  self.listeners[slot_of(number)]:on_forked(1000 + number, 50 + number)
end

function Host:hello(number)
  self.supervisor:on_frame(slot_of(number), require("aimp.ffi").FRAME.HELLO)
end

---@param failure? string
function Host:ready(number, failure)
  self.supervisor:on_frame(slot_of(number), require("aimp.ffi").FRAME.READY,
    failure and errors.new("REMOTE", failure))
end

--- Brings a launched worker all the way up.
function Host:up(number)
  self:forked(number)
  self:hello(number)
  self:ready(number)
end

--- The process ended.
---@param status? integer  wait status; nil: lost with the template
function Host:exited(number, status)
  self.listeners[slot_of(number)]:on_exited(status, 0)
end

--- The one timer that runs is over.
function Host:elapse()
  assert(#self.timers == 1, #self.timers .. " timers run")
  local timer = table.remove(self.timers)
  timer.fn(timer.arg)
  return timer.seconds
end

function Host:state(number)
  return self.supervisor.workers[number].state
end

return M
