--- How a pool ends or changes its size. Methods of aimp.Pool.
---
---   open ──close()──► closing ──all done──► stopping ──► closed
---     └──terminate()──► terminating ────────────────────► closed
-- SPDX-License-Identifier: MIT
local check = require("aimp.check")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local guard = require("aimp.pool.guard")
local shutdown = require("aimp.shutdown")

---@class aimp.Pool
local Pool = {}

local function each_map(self, fn)
  for map in pairs(self.maps) do
    if map.owner or map.feeder then
      fn(map)
    else
      self.maps[map] = nil
    end
  end
end

local function has_work(self)
  if self.backend.broken then
    return false -- all of it has failed
  end
  local any = self.backend.outstanding > 0
  each_map(self, function(map)
    any = any or not (map:is_done() or map.failure)
  end)
  return any
end

local function wake_joiners(self)
  local waiters = self.waiters
  self.waiters = {}
  for i = 1, #waiters do
    fiber.wake(waiters[i])
  end
end

--- Goes on with closing as far as possible; called whenever something happened.
---@private
function Pool:advance()
  local backend = self.backend
  if self.state == "closing" and not has_work(self) then
    self.state = "stopping"
    backend.supervisor:stop_all()
  end
  if (self.state == "stopping" or self.state == "terminating") and backend.supervisor:is_empty() then
    self.state = "closed"
    shutdown.off(self.hook)
    self.final_stats = self:stats()
    backend:free()
    wake_joiners(self)
  end
end

--- No new work; what was accepted finishes, then the workers end. Returns at once; `join` waits for it.
--- Closing again does nothing.
---
--- Raises nothing but misuse.
---
--- Example: `pool:close()`
function Pool:close()
  if self.state ~= "open" then
    return
  end
  self.state = "closing"
  self.backend.is_awaited = true
  each_map(self, function(map) map:unbind_window() end)
  self:advance()
end

--- Ends the workers now; tasks that have not ended fail with CLOSED. Returns at once; `join` waits for it.
---
--- Raises nothing but misuse.
---
--- Example: `pool:terminate()`
function Pool:terminate()
  if self.state == "closed" or self.state == "terminating" then
    return
  end
  self.state = "terminating"
  self.backend.is_awaited = true
  self.backend:kill(errors.new("CLOSED", ("pool '%s' was terminated"):format(self.options.name)))
  self:advance()
end

--- At exit: the loop will not run any more.
---@private
function Pool:kill_now(why)
  if self.state == "closed" then
    return
  end
  self.state = "closed"
  shutdown.off(self.hook)
  local backend = self.backend
  backend:abandon(errors.new("CLOSED", ("pool '%s' ended: %s"):format(self.options.name, why)))
  self.final_stats = self:stats()
  backend:free()
  wake_joiners(self)
end

local function withdraw(f)
  local waiters = f.joins.waiters
  for i = 1, #waiters do
    if waiters[i] == f then
      return table.remove(waiters, i)
    end
  end
end

--- Waits until all workers are gone, after `close` or `terminate`.
---
--- Raises nothing but misuse, such as joining an open pool.
---
--- Example:
---     pool:close()
---     pool:join()
---@async
function Pool:join()
  local f = fiber.waiter(1, "pool:join")
  if self.state == "open" then
    errors.raise_misuse(2, "pool:join: pool '%s' is still open; call close() or terminate() first",
      self.options.name)
  end
  each_map(self, function(map) map:unbind_window() end) -- who joins reads no stream any more
  while self.state ~= "closed" do
    self.waiters[#self.waiters + 1] = f
    f.joins = self
    fiber.wait(withdraw, "the workers of a pool to end")
  end
end

--- More or fewer workers. Those that go finish what they run first; nothing is lost.
---
--- Raises START where no process can be made.
---
--- Example: `pool:resize(2 * aimp.cpu_count())`
---@param count integer  workers: at least 1 and queuecount, at most 64 more than the pool began with
function Pool:resize(count)
  guard.check_open(self, 1)
  check.arg(1, "pool:resize", 1, count, "integer")
  local max = self.backend.max_slots
  if count < self.options.queuecount or count < 1 or count > max then
    errors.raise_misuse(2, "pool:resize: %d workers; this pool can have %d to %d", count,
      math.max(1, self.options.queuecount), max)
  end
  self.options.processes = count
  self.backend.supervisor:resize(count)
end

return Pool
