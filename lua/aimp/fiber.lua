-- SPDX-License-Identifier: MIT
--- Fibers: coroutines that may wait. Tasks and the workers' executors are built on them.
---
--- Waking only puts a fiber into the ready queue; it runs from `drain`, never inside the waker. So a caller
--- of `wake` meets no re-entrancy, and order is first come, first served. Everything is one OS thread.
---
---   parked ──start──► ready ──step──► running ──wait──► waiting ──wake/throw──► ready
---      ▲                                │ │
---      └────────────park────────────────┘ └──return or error──► finished
---
--- Not here: who drives the queue (aimp.loop), results (aimp.task).
local errors = require("aimp.errors")
local ready = require("aimp.ready")

local co_create, co_resume, co_yield = coroutine.create, coroutine.resume, coroutine.yield
local co_running, co_status = coroutine.running, coroutine.status
local push, pop, is_empty = ready.push, ready.pop, ready.is_empty

local M = {}

local PARKED, READY, RUNNING, WAITING, FINISHED = "parked", "ready", "running", "waiting", "finished"

-- What our own yields carry out of the coroutine, and what a throw carries in.
local WAIT, PARK, THROW = {}, {}, {}

---@class aimp.Fiber
---@field co thread
---@field state "parked"|"ready"|"running"|"waiting"|"finished"
---@field what? string         what it waits for, for people
---@field cancel_pending any   error to raise at the next wait; false when there is none
---@field cancels integer      how often it was cancelled
---@field on_stop? fun(f: aimp.Fiber, how: "wait"|"park"|"done"|"error", ...)  after each step of the queue's
---@field _withdraw? fun(f: aimp.Fiber)
---@field _slot integer|false  place among the timers while it sleeps

local current = nil ---@type aimp.Fiber?

--- Called when the ready queue goes from empty to non-empty.
function M.on_ready() end

--- Told of errors in plain calls of the queue.
---@param err any
function M.on_error(err)
  io.stderr:write("aimp: error in a callback: ", errors.describe(err), "\n")
end

--- A fiber whose first step calls body with the step's arguments.
---@param body function
---@return aimp.Fiber
function M.new(body)
  return {
    co = co_create(body), state = PARKED, what = false, cancel_pending = false, cancels = 0, on_stop = nil,
    _withdraw = false, _a = nil, _b = nil, _c = nil, _slot = false,
  }
end

--- The fiber that runs now; also within a coroutine of the user's own that it resumed.
---@return aimp.Fiber?
function M.current()
  return current
end

--- Level 1 blames the caller of the function that asked.
local function refuse_wait(level, fname)
  if current == nil then
    errors.raise_misuse(level + 3,
      "%s needs a running task: call it inside aimp.run, aimp.spawn or a pool's task", fname)
  end
  errors.raise_misuse(level + 3,
    "%s cannot wait inside a coroutine of your own; call it from the task itself or use aimp.spawn", fname)
end

--- The running fiber, which may wait now; else raises misuse. Level as in aimp.check.
---@param level integer
---@param fname string
---@return aimp.Fiber
function M.waiter(level, fname)
  local f = current
  if f == nil or co_running() ~= f.co then
    refuse_wait(level, fname)
  end
  return f --[[@as aimp.Fiber]]
end

--- Raises the cancel error that came while the fiber was already woken, if any.
---@param f aimp.Fiber
local function raise_pending(f)
  local err = f.cancel_pending
  if err then
    f.cancel_pending = false
    error(err, 0)
  end
end
M.raise_pending = raise_pending

--- Suspends the running fiber until `wake`; its values are returned. When the wait is cancelled, or was
--- before it began, `withdraw(f)` takes the registration back and the cancel error is raised.
---@async
---@param withdraw? fun(f: aimp.Fiber)
---@param what string  for people: "a timer"
function M.wait(withdraw, what)
  local f = current
  if f == nil or co_running() ~= f.co then
    refuse_wait(1, "waiting for " .. what)
  end
  if f.cancel_pending then
    if withdraw then
      withdraw(f)
    end
    raise_pending(f)
  end
  f.state, f.what, f._withdraw = WAITING, what, withdraw
  local a, b, c = co_yield(WAIT)
  if a == THROW then
    error(b, 0)
  end
  return a, b, c
end

--- Goes to the end of the ready queue and lets the others run; a place where cancellation is raised.
---@async
function M.yield()
  local f = M.waiter(2, "giving way")
  raise_pending(f)
  f.state, f.what = READY, "its turn"
  push(f)
  co_yield(WAIT)
  raise_pending(f)
end

--- Gives the coroutine back; returns the arguments of the next step.
function M.park()
  return co_yield(PARK)
end

local function enqueue(f, a, b, c)
  f.state = READY
  f._a, f._b, f._c = a, b, c
  if push(f) then
    M.on_ready()
  end
end

--- Ends the wait of a fiber.
---@param f aimp.Fiber
function M.wake(f, a, b, c)
  if f.state ~= WAITING then
    error("aimp.fiber: woken while " .. f.state, 2)
  end
  enqueue(f, a, b, c)
end

--- Has the queue step a new or parked fiber.
---@param f aimp.Fiber
function M.start(f, a, b, c)
  if f.state ~= PARKED then
    error("aimp.fiber: started while " .. f.state, 2)
  end
  enqueue(f, a, b, c)
end

--- Cancels: a waiting fiber's wait raises `err`; otherwise its next wait does. Until it is delivered, further
--- errors are dropped.
---@param f aimp.Fiber
---@param err any  not nil
function M.throw(f, err)
  if errors.is(err, "CANCELLED") then
    f.cancels = f.cancels + 1
  end
  if f.state == WAITING then
    local withdraw = f._withdraw
    if withdraw then
      withdraw(f)
    end
    enqueue(f, THROW, err)
  elseif f.state ~= FINISHED and f._a ~= THROW then
    f.cancel_pending = f.cancel_pending or err
  end
end

local function foreign_yield(f, value)
  f.state = FINISHED
  local text = string.format("a task may only wait through aimp; it yielded %s", errors.describe(value))
  return "error", errors.new("STATE", text, { traceback = debug.traceback(f.co) })
end

--- Sorts what came out of the coroutine.
local function stopped(f, ok, token, ...)
  if not ok then
    f.state = FINISHED
    return "error", token
  elseif token == WAIT then
    return "wait"
  elseif token == PARK then
    f.state, f.cancel_pending = PARKED, false
    return "park"
  elseif co_status(f.co) == "dead" then
    f.state = FINISHED
    return "done", token, ...
  end
  return foreign_yield(f, token)
end

local function leave(previous, ...)
  current = previous
  return ...
end

--- Calls fn(...) outside of every fiber: nothing in it may wait, although a fiber runs. It must not raise.
---@return any ...
function M.outside(fn, ...)
  local previous = current
  current = nil
  return leave(previous, fn(...))
end

--- Resumes now. Only for who drives fibers, from outside every fiber.
---@param f aimp.Fiber
---@return "wait"|"park"|"done"|"error" how, any ...  the results or the error; `f.co` still has its stack
function M.step(f, ...)
  local previous = current
  current = f
  f.state = RUNNING
  return leave(previous, stopped(f, co_resume(f.co, ...)))
end

local function tell(f, how, ...)
  local on_stop = f.on_stop
  if on_stop then
    on_stop(f, how, ...)
  end
end

--- Resumes a fiber as the queue does, telling its owner. Only for entries of the queue.
---@param f aimp.Fiber
function M.enter(f, a, b, c)
  local previous = current
  current = f
  f.state = RUNNING
  tell(f, leave(previous, stopped(f, co_resume(f.co, a, b, c))))
end
local enter = M.enter

local function report(ok, err)
  if not ok then
    pcall(M.on_error, err)
  end
end

--- Puts a plain call into the ready queue; it runs outside every fiber.
---@param fn function
function M.soon(fn, a, b)
  if ready.push_call(fn, a, b) then
    M.on_ready()
  end
end

--- Puts an object into the ready queue; its method `_go` is called, unprotected.
---@param object { _go: fun(self) }
function M.defer(object)
  if push(object) then
    M.on_ready()
  end
end

--- Runs the ready queue.
---@param max integer  entries at most, so that the loop stays live
function M.drain(max)
  for _ = 1, max do
    if is_empty() then
      return
    end
    local entry = pop()
    if type(entry) == "function" then
      local a = pop()
      report(xpcall(entry, errors.handler, a, pop()))
    elseif entry.co then
      local a, b, c = entry._a, entry._b, entry._c
      entry._a, entry._b, entry._c = nil, nil, nil
      enter(entry, a, b, c)
    else
      entry:_go()
    end
  end
end

---@return boolean
function M.is_ready()
  return not is_empty()
end

return M
