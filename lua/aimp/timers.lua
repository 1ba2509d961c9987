-- SPDX-License-Identifier: MIT
--- All sleepers of this state: a binary heap over one uv timer.
---
--- A sleeper is a table that knows its place in the heap (`_slot`), so sleeping allocates nothing and
--- cancelling is cheap. Those of one deadline go in the order in which they lay down. A fiber is woken; any
--- other sleeper's `_on_time` is called, inside the uv callback, and must not run user code.
---
--- One with `is_idle` has nothing to do with what anybody waits for: it keeps no loop alive.
---
--- Invariants: due[i] <= due[2i], due[2i+1]; sleeper[i]._slot == i; the uv timer is active iff count > 0, and
--- referenced unless all are idle.
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local uv = require("aimp.uv")

local M = {}

local MS_MAX = 2 ^ 31 -- of one arming; what is due later is armed again

local due, order, sleeper = {}, {}, {}
local count, next_order = 0, 0
local idle_count = 0
local handle = nil     -- the uv timer, made on first use
local is_referenced = true
local armed_for = nil  -- the deadline that it is armed for
local abandoned = nil  -- sleepers to be taken out, linked by _next_abandoned

--- Monotonic seconds; specs put their own here.
function M.clock()
  return uv.hrtime() * 1e-9
end

local function is_before(i, j)
  return due[i] < due[j] or (due[i] == due[j] and order[i] < order[j])
end

local function swap(i, j)
  due[i], due[j] = due[j], due[i]
  order[i], order[j] = order[j], order[i]
  local a, b = sleeper[j], sleeper[i]
  sleeper[i], sleeper[j] = a, b
  a._slot, b._slot = i, j
end

local function sift_up(i)
  while i > 1 do
    local parent = (i - i % 2) / 2
    if is_before(parent, i) then
      return
    end
    swap(i, parent)
    i = parent
  end
end

local function sift_down(i)
  while 2 * i <= count do
    local child = 2 * i
    if child < count and is_before(child + 1, child) then
      child = child + 1
    end
    if is_before(i, child) then
      return
    end
    swap(i, child)
    i = child
  end
end

local on_timer

local function arm()
  handle = handle or uv.new_timer()
  local ms = math.ceil((due[1] - M.clock()) * 1000)
  uv.update_time() -- the loop's own idea of now may be as old as the longest task
  uv.timer_start(handle, math.max(1, math.min(ms, MS_MAX)), 0, on_timer)
  armed_for = due[1]
end

local function disarm()
  armed_for = nil
  uv.timer_stop(handle)
end

local function refer()
  local wanted = idle_count == 0 or idle_count < count
  if wanted ~= is_referenced then
    is_referenced = wanted
    uv[wanted and "ref" or "unref"](handle)
  end
end

--- Takes a sleeper out; one that is not in is left alone.
function M.remove(entry)
  local i = entry._slot
  if not i then
    return
  end
  swap(i, count)
  due[count], order[count], sleeper[count] = nil, nil, nil
  count = count - 1
  entry._slot = false
  if i <= count then
    sift_up(i)
    sift_down(i)
  elseif count == 0 then
    disarm()
  end
  if idle_count > 0 then
    idle_count = idle_count - (entry.is_idle and 1 or 0)
    refer()
  end
end

--- Has an idle sleeper taken out before the next one lies down. For finalizers, which may run in the middle
--- of everything here.
function M.abandon(entry)
  entry._next_abandoned, abandoned = abandoned, entry
end

local function remove_abandoned()
  local entry = abandoned
  abandoned = nil
  while entry do
    M.remove(entry)
    entry = entry._next_abandoned
  end
end

---@param entry table      a fiber, or has `_on_time`; `is_idle` may change only while it is not in
---@param seconds number   from now
function M.add(entry, seconds)
  if abandoned then
    remove_abandoned()
  end
  count, next_order = count + 1, next_order + 1
  due[count], order[count], sleeper[count] = M.clock() + seconds, next_order, entry
  entry._slot = count
  sift_up(count)
  if armed_for == nil or due[1] < armed_for then
    arm()
  end
  if entry.is_idle or idle_count > 0 then
    idle_count = idle_count + (entry.is_idle and 1 or 0)
    refer()
  end
end

local function rouse(entry)
  if entry.co then
    fiber.wake(entry)
  else
    entry:_on_time()
  end
end

--- Rouses all whose time has come.
function M.expire()
  local now = M.clock()
  while count > 0 and due[1] <= now do
    local entry = sleeper[1]
    M.remove(entry)
    rouse(entry)
  end
  if count > 0 then
    arm()
  end
end

function on_timer()
  local ok, err = xpcall(M.expire, errors.handler)
  if not ok then
    fiber.on_error(err)
  end
end

---@return integer
function M.count()
  return count
end

--- Closes the uv timer when nobody sleeps; it is made again when needed.
function M.release()
  if handle and count == 0 then
    uv.close(handle)
    handle = nil
  end
end

return M
