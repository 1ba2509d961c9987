--- How a map (result.lua) takes its items and hands them to the backend in units.
---
--- A list is read directly whenever there is room; an iterator by the *feeder*, a fiber of its own, so
--- that it may wait. What the feeder has read when its iterator begins to wait goes out at once: the
--- iterator may wait for just these results.
---
---   room() ──► read items ──► submit()
---
--- Room is left by the window ahead of the consumer, and by what may be in flight.
---
--- The functions get the PoolResult. Not here: what comes back.
-- SPDX-License-Identifier: MIT
local aimp_ffi = require("aimp.ffi")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local wire = require("aimp.pool.wire")

local C = aimp_ffi.C
local floor, max, min = math.floor, math.max, math.min

local M = {}

--- No chunk is larger, however fast its items.
M.CHUNK_MAX = 8192

-- Items that may be in flight: two units in hand for each worker, or its slots filled.
local function flight_limit(map, chunk)
  local options = map.backend.options
  return options.processes * max(options.childconcurrency + 2, 3 * chunk)
end

local function wanted_chunk(map)
  if map.options.timeout_ms > 0 then
    return 1 -- each item has its own deadline
  elseif map.options.chunksize then
    return map.options.chunksize
  end
  local remaining = map.total and map.total - map.pulled or -1
  return C.aimp_chunker_next(map.chunker, remaining, map.backend.options.processes)
end

-- In a small window every worker still finds a unit, and another one while it works.
local function chunk_size(map)
  local share = floor(map.window / (2 * map.backend.options.processes))
  return min(wanted_chunk(map), max(share, 1))
end

--- How many items to pull now; 0: none.
local function room(map)
  if map.ended or map.failure then
    return 0
  end
  local chunk = chunk_size(map)
  if map.in_flight + chunk > flight_limit(map, chunk) and map.in_flight > 0 then
    return 0
  end
  return chunk <= map.window - (map.pulled - map.consumed) and chunk or 0
end

-- What refuses to be sent is named by its place in the input, where the items are only a part of it.
local function refusal(map, items, lo, hi, base, err)
  local offset = base + 1 - lo
  if offset == 0 or not errors.is(err, "ENCODE") then
    return err
  end
  local moved = {}
  for i = lo, hi do
    moved[i + offset] = items[i]
  end
  local _, same = pcall(wire.pack_items, map.backend.sender, moved, lo + offset, hi + offset, map.job.spread)
  return same
end

local function send(map, items, lo, hi, base, queue)
  local job, backend, options = map.job, map.backend, map.options
  local ok, tag, needs, data, len = pcall(wire.pack_items, backend.sender, items, lo, hi, job.spread)
  if not ok then
    error(refusal(map, items, lo, hi, base, tag), 0)
  end
  map.store:reserve(base + hi - lo)
  if backend.route.fresh then
    map.sent[#map.sent + 1], backend.route.fresh = backend.route.fresh, nil
  end
  local spec = backend.spec
  spec.group, spec.base = map.group, base
  spec.fn, spec.tag = job.key, tag
  spec.needs = max(needs, job.needs)
  spec.queue, spec.pin, spec.priority = queue, -1, options.priority
  spec.retries, spec.timeout_ms = options.retries, options.timeout_ms
  backend:submit(map.owner, hi - lo + 1, data, len)
end

-- Counts the items before they go: sending may read results, and then pull again.
local function submit(map, items, lo, hi)
  local base, count = map.pulled, hi - lo + 1
  local queue, task_id = map.job.queue(items, lo, hi)
  if task_id then
    map.job.tickets:issue(task_id, base, count)
  end
  map.pulled = base + count
  map.in_flight = map.in_flight + count
  local ok, err = pcall(send, map, items, lo, hi, base, queue)
  if not ok then
    map:settled(base, count)
    error(err, 0)
  end
end

-- ---- lists ----

-- Takes from the list while there is room.
local function pull_list(map)
  local n = room(map)
  while n > 0 do
    local lo = map.pulled + 1
    local hi = min(lo + n - 1, map.total)
    if hi >= lo then
      submit(map, map.list, lo, hi)
    end
    if map.pulled >= map.total then
      map.ended, map.list = true, nil
    end
    n = room(map)
  end
end

-- ---- iterators ----

local function flush(feeder)
  local map, count = feeder.map, feeder.count
  if count > 0 and not map.failure then
    local items = feeder.items
    feeder.items, feeder.count = {}, 0
    submit(map, items, 1, count)
  end
end

local function take(feeder, item)
  local map = feeder.map
  if item == nil then
    map.ended, map.total = true, map.pulled + feeder.count
    return
  elseif map.job.spread and type(item) ~= "table" then
    error(("pool:starmap: item %d is a %s; each must be a list of arguments"):format(
      map.pulled + feeder.count + 1, type(item)), 0)
  end
  feeder.count = feeder.count + 1
  feeder.items[feeder.count] = item
end

-- The feeder's body.
local function feed(feeder)
  local map = feeder.map
  while not map.ended do
    local left = room(map)
    if left <= 0 then
      feeder.waits_for_room = true
      fiber.wait(nil, "room for more items of a map")
    end
    while left > 0 and not map.ended do
      local item = map.iterator()
      left = left - 1
      if not map.ended then
        take(feeder, item)
      end
    end
    flush(feeder)
  end
end

local function on_stop(feeder, how, err)
  local map = feeder.map
  if how == "wait" then
    local ok, refused = pcall(flush, feeder)
    if not ok then
      map:fail(errors.wrap(refused))
    end
    return
  end
  map.feeder = nil
  if how == "error" and not feeder.is_stopped then
    map:fail(errors.wrap(err, debug.traceback(feeder.co)))
  end
  map:progressed()
end

local function start_feeder(map)
  local feeder = fiber.new(feed)
  feeder.map, feeder.on_stop = map, on_stop
  feeder.items, feeder.count = {}, 0
  feeder.waits_for_room, feeder.is_stopped = false, false
  map.feeder = feeder
  fiber.start(feeder, feeder)
end

local function wake_feeder(map)
  local feeder = map.feeder
  if feeder.waits_for_room and room(map) > 0 then
    feeder.waits_for_room = false
    fiber.wake(feeder)
  end
end

-- ---- what the map asks for ----

--- Begins; what the first items of a list refuse to send is raised here, at the call.
function M.start(map)
  if map.iterator then
    return start_feeder(map)
  end
  local ok, err = pcall(pull_list, map)
  if not ok then
    map:fail(errors.wrap(err))
    error(err, 0)
  end
  map:finish_if_done()
end

--- Pulls what there is room for; what cannot be had or sent ends the map.
function M.pull(map)
  if map.feeder then
    wake_feeder(map)
  elseif map.list and not map.ended then
    local ok, err = pcall(pull_list, map)
    if not ok then
      map:fail(errors.wrap(err))
    end
  end
end

--- Ends the feeder; an iterator that waits is cancelled.
function M.stop_feeder(map)
  local feeder = map.feeder
  if feeder and not feeder.is_stopped then
    feeder.is_stopped, feeder.waits_for_room = true, false
    fiber.throw(feeder, errors.new("CANCELLED", "the map that reads this iterator has ended"))
  end
end

-- Whether the fiber that iterated is surely not in its loop any more: it ended, or it is the one that asks.
local function has_left(consumer)
  local state = consumer.state
  return consumer == fiber.current() or state == "finished" or state == "parked"
end

--- The pool closes: what was accepted must be able to end without its consumer. Where that one broke out,
--- the input is not read any further.
function M.unbind_window(map)
  if not map.feeder or not map.consumer then
    map.window = math.huge
    map:pull()
  elseif has_left(map.consumer) and not map.ended then
    map.ended, map.total = true, map.pulled
    map.cut_short = errors.new("CLOSED", "the pool was closed before the input of this map was read")
    M.stop_feeder(map)
  end
end

return M
