-- SPDX-License-Identifier: MIT
--- The driver: runs fibers, asks pollers, and blocks in the uv loop when there is nothing else to do.
---
--- There is one uv loop to a Lua state, and at most one of: `run_until`, `step` (by turns), or a host that
--- runs the loop itself (`attach`).
local check = require("aimp.check")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local pollers = require("aimp.pollers")
local timers = require("aimp.timers")
local uv = require("aimp.uv")

local M = { uv = uv, add_poller = pollers.add, remove_poller = pollers.remove }

local SLICE = 32           -- entries of the ready queue between two looks at the clock
local UV_EVERY_ROUNDS = 64 -- while fibers are ready, uv handles get their turn this often at least …
local UV_EVERY_S = 0.001   -- … and this often
local STEP_MAX = 10000     -- entries of one `step`, so that fibers which never wait do not hold a frame
local KEEP_ALIVE_MS = 3600 * 1000

local driven = false
local keeper = nil -- a uv timer that keeps the loop from returning while a busy poller has no active handle

--- The time of a clock that never goes back. It says nothing of the date: only differences mean something.
---
--- Raises nothing.
---
--- Example:
---     local begin = aimp.now()
---     work()
---     print(("%.3f s"):format(aimp.now() - begin))
---@return number seconds
function M.now()
  return timers.clock()
end

--- Whether `run_until` or `step` is under way.
---@return boolean
function M.is_driven()
  return driven
end

local Timer = {}
Timer.__index = Timer

local function fire(timer)
  local fn = timer._fn
  if fn then -- not stopped since it was due
    return fn(timer._a)
  end
end

function Timer:_on_time()
  fiber.soon(fire, self)
end

--- Makes it not happen, if it did not yet.
function Timer:stop()
  timers.remove(self)
  self._fn = nil
end

--- Calls fn(a) from the ready queue after some seconds.
---@param seconds number
---@param fn function
---@return { stop: fun(self) }
function M.timer(seconds, fn, a)
  local timer = setmetatable({ _slot = false, _fn = fn, _a = a }, Timer)
  timers.add(timer, seconds)
  return timer
end

--- Lets the running fiber sleep.
---@async
---@param seconds number
function M.sleep(seconds)
  local f = fiber.waiter(2, "sleeping")
  timers.add(f, seconds)
  fiber.wait(timers.remove, "a timer")
  fiber.raise_pending(f)
end

local function nothing() end

local blocking = false

--- Called in a uv callback that made something to do for a poller: the loop must not block now. A timer that
--- is due when `uv.run("once")` begins runs before its poll, which would then wait for something else.
function M.interrupt()
  if blocking then
    uv.stop()
  end
end

-- A loop without referenced handles does not look at the others either, such as those of pools.
local function run_uv(mode)
  local keep = not uv.loop_alive()
  if keep then
    keeper = keeper or uv.new_timer()
    uv.timer_start(keeper, KEEP_ALIVE_MS, 0, nothing)
  end
  uv.run(mode)
  if keep then
    uv.timer_stop(keeper)
  end
end

local function block()
  blocking = true
  run_uv("once")
  blocking = false
end

--- Nothing is ready: waits until something may be. False when nothing ever will.
local function rest()
  if pollers.spin() then
    return true
  end
  local may_sleep, begun = pollers.sleep_begin()
  local alive = not may_sleep or uv.loop_alive() or pollers.is_busy()
  if may_sleep and alive then
    block()
  end
  pollers.sleep_end(begun)
  return alive
end

local function drive(is_done)
  local rounds, uv_at = 0, M.now()
  while not is_done() do
    fiber.drain(SLICE)
    local progress = pollers.poll()
    if progress or fiber.is_ready() then
      rounds = rounds + 1
      if rounds >= UV_EVERY_ROUNDS or M.now() - uv_at >= UV_EVERY_S then
        run_uv("nowait")
        rounds, uv_at = 0, M.now()
      end
    elseif not is_done() then
      if not rest() then
        return "deadlock"
      end
      rounds, uv_at = 0, M.now()
    end
  end
  return "done"
end

--- Raises misuse where the loop cannot be driven now. Level as in aimp.check.
---@param level integer
---@param fname string
function M.refuse_drive(level, fname)
  if driven or fiber.current() then
    errors.raise_misuse(level + 2, "%s: the loop runs already, and you are inside it; use aimp.spawn", fname)
  elseif M.is_attached() then
    errors.raise_misuse(level + 2, "%s: the host runs the loop; use aimp.spawn(fn):on_done(…)", fname)
  elseif uv.loop_mode() then
    errors.raise_misuse(level + 2, "%s cannot be called in a callback of the uv loop", fname)
  end
end

local function drive_guarded(driver, argument)
  driven = true
  local ok, result = xpcall(driver, errors.handler, argument)
  driven = false
  if not ok then
    error(result, 0)
  end
  return result
end

--- Drives the loop until `is_done()`.
---@param is_done fun(): boolean  asked often
---@return "done"|"deadlock"  deadlock: not done, and nothing is left that could wake a fiber
function M.run_until(is_done)
  M.refuse_drive(1, "loop.run_until")
  return drive_guarded(drive, is_done)
end

local function has_work()
  return fiber.is_ready() or pollers.is_busy() or uv.loop_alive()
end

local function run_ready()
  local had = fiber.is_ready()
  fiber.drain(STEP_MAX)
  local progress = pollers.poll()
  return had or progress
end

local function wait_for_work(deadline)
  local limit = M.timer(deadline - M.now(), nothing)
  repeat
    rest()
  until run_ready() or M.now() >= deadline
  limit:stop()
end

local function step(seconds)
  local deadline = M.now() + seconds
  local progress = run_ready()
  run_uv("nowait")
  progress = run_ready() or progress
  if not progress and has_work() and M.now() < deadline then
    wait_for_work(deadline)
  end
  return has_work()
end

--- Runs what is ready, once, and gives uv handles their turn; when there is nothing, waits for it. For a
--- host that has a loop of its own, such as a game, to call once a frame.
---
--- Raises nothing but misuse, such as a call from inside a task.
---
--- Example:
---     function love.update()
---       aimp.step()
---     end
---@param seconds? number     how long it waits at most; default 0
---@return boolean work_left  false: no task will ever go on by itself
function M.step(seconds)
  check.arg(1, "aimp.step", 1, seconds, "seconds?")
  M.refuse_drive(1, "aimp.step")
  return drive_guarded(step, seconds or 0)
end

--- Lets tasks go by themselves in a host that runs the uv loop of this state itself. In Neovim that happens
--- without a call. Once is enough; again does nothing.
---
--- Raises nothing.
---
--- Example: `aimp.attach(vim.schedule)`
---@param schedule? fun(fn: function)  how the host wants callbacks to be run; default: in the uv loop
function M.attach(schedule)
  require("aimp.host").attach(schedule)
end

---@return boolean
function M.is_attached()
  local host = package.loaded["aimp.host"]
  return host ~= nil and host.is_attached()
end

--- Closes the uv handles of aimp's own that nobody uses now; they come back when needed. Only for who may
--- drive the loop.
function M.release()
  timers.release()
  if keeper then
    uv.close(keeper)
    keeper = nil
  end
  uv.run("nowait") -- luv crashes when the state is closed before the handles are
end

-- Neovim always runs its loop itself, so there a first task attaches.
function fiber.on_ready()
  M.interrupt()
  local vim = rawget(_G, "vim")
  if not driven and type(vim) == "table" and vim.loop == uv then
    M.attach(vim.schedule)
    fiber.on_ready()
  end
end

return M
