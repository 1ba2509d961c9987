---@meta aimp
-- SPDX-License-Identifier: MIT
-- Made by scripts/docs from the comments in lua/aimp; change those.

---@class aimp
local aimp = {}

--- Makes a barrier.
---
--- Raises nothing but misuse.
---
--- ```lua
--- local start = aimp.Barrier({ parties = 4 })
--- ```
---@param options aimp.BarrierOptions
---@return aimp.Barrier
function aimp.Barrier(options) end

--- Makes a counter.
---
--- Raises nothing but misuse.
---
--- ```lua
--- local hits = aimp.Counter({ value = 100 })
--- ```
---@param options? aimp.CounterOptions
---@return aimp.Counter
function aimp.Counter(options) end

--- A shared dictionary, which lives in this process until that ends or nobody has the dictionary any more.
---
--- Raises ENCODE when a value of `initial` cannot be sent.
---
--- ```lua
--- local cache = aimp.Dict({ ttl = 60 })
--- ```
---@param options? aimp.DictOptions
---@return aimp.Dict
function aimp.Dict(options) end

--- Makes an event, which is not set.
---
--- Raises nothing but misuse.
---
--- ```lua
--- local ready = aimp.Event()
--- ```
---@param options? {} # there are none so far
---@return aimp.Event
function aimp.Event(options) end

--- Makes a scheduler that goes by load.
---
--- Raises nothing.
---
--- ```lua
--- local pool = aimp.Pool({ processes = 4, queuecount = 2, scheduler = aimp.LeastLoaded() })
--- ```
---@return aimp.LeastLoaded
function aimp.LeastLoaded() end

--- Makes a lock, which nobody holds.
---
--- Raises nothing but misuse.
---
--- ```lua
--- local lock = aimp.Lock()
--- ```
---@param options? {} # there are none so far
---@return aimp.Lock
function aimp.Lock(options) end

--- A pool of worker processes. They are started at once, in the background.
---
--- Raises START where no process can be made, ENCODE for a hook that cannot be sent. Failures to start that
--- come later are raised by the pool's tasks.
---
--- ```lua
--- local aimp = require("aimp")
--- local function square(n)
---   return n * n
--- end
--- aimp.with(aimp.Pool({ processes = 2 }), function(pool)
---   print(table.concat(pool:map(square, { 1, 2, 3 }):await(), " ")) --> 1 4 9
--- end)
--- ```
---@param opts? aimp.PoolOptions
---@return aimp.Pool
function aimp.Pool(opts) end

--- A process that is not started yet.
---
--- Raises nothing but misuse.
---
--- ```lua
--- local process = aimp.Process({ target = serve, args = { 8080 }, daemon = true })
--- ```
---@param opts aimp.ProcessOptions
---@return aimp.Process
function aimp.Process(opts) end

--- Makes a queue.
---
--- Raises nothing but misuse.
---
--- ```lua
--- local jobs = aimp.Queue({ maxsize = 100 })
--- ```
---@param options? aimp.QueueOptions
---@return aimp.Queue
function aimp.Queue(options) end

--- Makes a scheduler that takes queues by turns.
---
--- Raises nothing.
---
--- ```lua
--- local pool = aimp.Pool({ processes = 4, queuecount = 2, scheduler = aimp.RoundRobin() })
--- ```
---@return aimp.RoundRobin
function aimp.RoundRobin() end

--- Makes a semaphore.
---
--- Raises nothing but misuse.
---
--- ```lua
--- local slots = aimp.Semaphore({ value = 3 })
--- ```
---@param options? aimp.SemaphoreOptions
---@return aimp.Semaphore
function aimp.Semaphore(options) end

--- Makes a group without tasks.
---
--- Raises nothing but misuse.
---
--- ```lua
--- local group = aimp.TaskGroup()
--- ```
---@param options? {} # there are none so far
---@return aimp.TaskGroup
function aimp.TaskGroup(options) end

--- A process that is not started yet, and whose target's results are wanted.
---
--- Raises nothing but misuse.
---
--- ```lua
--- local worker = aimp.Worker({ target = render, args = { "page" } })
--- ```
---@param opts aimp.ProcessOptions
---@return aimp.Worker
function aimp.Worker(opts) end

--- Iterates over the tasks of a list in the order in which they end. Each step waits; breaking out leaves the
--- other tasks alone.
---
--- Raises nothing but misuse: each task's error comes when it is awaited.
---
--- ```lua
--- local aimp = require("aimp")
--- local function slow(word)
---   aimp.sleep(0.01 * #word)
---   return word
--- end
--- for task in aimp.as_completed({ aimp.spawn(slow, "later"), aimp.spawn(slow, "now") }) do
---   print(task:await())
--- end
--- --> now
--- --> later
--- ```
---@async
---@param list aimp.Awaitable[] # may be empty
---@return async fun(): aimp.Task? next # for the loop
function aimp.as_completed(list) end

--- Lets tasks go by themselves in a host that runs the uv loop of this state itself. In Neovim that happens
--- without a call. Once is enough; again does nothing.
---
--- Raises nothing.
---
--- ```lua
--- aimp.attach(vim.schedule)
--- ```
---@param schedule? fun(fn: function) # how the host wants callbacks to be run; default: in the uv loop
function aimp.attach(schedule) end

--- Calls fn(..., callback) and waits for the callback, as for luv's functions. A first callback value of
--- nil is left out of the results; one that is an error (a string or an error object) is raised. When the
--- wait is cancelled the request is, too, where libuv can; a result that comes all the same is dropped, and
--- a file that was opened is closed.
---
--- Raises IO for an error that libuv reports, an error object that the callback got, and what fn raises.
---
--- ```lua
--- local uv = require("luv")
--- local fd = aimp.await(uv.fs_open, path, "r", 0)
--- local text = aimp.await(uv.fs_read, fd, 4096, 0)
--- aimp.await(uv.fs_close, fd)
--- ```
---@async
---@param fn function # takes a callback as its last argument, and calls it once
---@param ... any # its other arguments
---@return any ... # what the callback got, without a first nil
function aimp.await(fn, ...) end

--- How many cores this process may use, at least 1: affinity and cgroup limits count.
---
--- Raises nothing.
---
--- ```lua
--- local pool = aimp.Pool({ processes = 2 * aimp.cpu_count() })
--- ```
---@return integer cores
function aimp.cpu_count() end

--- The task that runs now: under aimprun the main one, or one that was spawned. nil in a callback, and in a
--- pool's worker, where what runs is no Task of that process.
---
--- Raises nothing.
---
--- ```lua
--- local me = aimp.current()
--- ```
---@return aimp.Task?
function aimp.current() end

--- Waits for all tasks of a list. When the caller is cancelled, so are they, and the caller goes on when
--- they have ended.
---
--- Raises the first failure at once, and cancels the other tasks; with `return_exceptions` none of theirs.
---
--- ```lua
--- local aimp = require("aimp")
--- local function slow(word)
---   aimp.sleep(0.01 * #word)
---   return word
--- end
--- local words = aimp.gather({ aimp.spawn(slow, "later"), aimp.spawn(slow, "now") })
--- print(table.concat(words, ", ")) --> later, now
--- ```
---@async
---@param list aimp.Awaitable[] # may be empty
---@param opts? aimp.GatherOptions
---@return any[] results # the first result of each, in the order of the list
function aimp.gather(list, opts) end

--- The time of a clock that never goes back. It says nothing of the date: only differences mean something.
---
--- Raises nothing.
---
--- ```lua
--- local begin = aimp.now()
--- work()
--- print(("%.3f s"):format(aimp.now() - begin))
--- ```
---@return number seconds
function aimp.now() end

--- The process id of this process.
---
--- Raises nothing.
---
--- ```lua
--- print(aimp.pid())
--- ```
---@return integer pid
function aimp.pid() end

--- Runs fn(...) as the main task, and the loop, until it ends. The tasks that are left then are cancelled
--- and have 5 seconds for their cleanup. Not for aimprun, where the script is the main task already.
---
--- Raises what fn raises, as `task:await` does; DEADLOCK, at the wait of the main task, when nothing is
--- left that could end it.
---
--- ```lua
--- local total = aimp.run(function()
---   local task = aimp.spawn(function() return 40 end)
---   return task:await() + 2
--- end)
--- ```
---@param fn function # may wait
---@param ... any # its arguments
---@return any ... # its results
function aimp.run(fn, ...) end

--- How workers of the pools made from now on are started: "forkserver", the default, forks them from one
--- process that is started with the first pool; "spawn" executes each anew. "fork" is the same as
--- "forkserver".
---
--- Raises nothing but misuse.
---
--- ```lua
--- aimp.set_start_method("spawn")
--- ```
---@param method "forkserver"|"fork"|"spawn" # unless the pool's options say another
function aimp.set_start_method(method) end

--- A task that ends as the given one does, but whose cancellation does not reach that: cancelling it, or
--- whoever cancels what they wait for (`aimp.gather`, `aimp.wait_for`, a task group), leaves the given task
--- alone. When the given task is cancelled itself, so is this one. An error that nobody is left to see is
--- reported as for any task.
---
--- Raises nothing but misuse; awaiting the new task raises what the given one does, or CANCELLED.
---
--- ```lua
--- local saved = aimp.wait_for(aimp.shield(saving), 5)
--- ```
---@param task aimp.Task # or anything else with an `await`, as a pool's result
---@return aimp.Task
function aimp.shield(task) end

--- Lets the other tasks run for some seconds; `aimp.sleep(0)` lets each that is ready run once.
---
--- Raises nothing but misuse.
---
--- ```lua
--- aimp.sleep(0.25)
--- ```
---@async
---@param seconds number # 0 or more
function aimp.sleep(seconds) end

--- Starts fn(...) as a task. It runs first when the caller waits, so nothing of it has happened when this
--- returns.
---
--- Raises nothing but misuse; what fn raises is the task's error.
---
--- ```lua
--- local first = aimp.spawn(fetch, "https://example.org/1")
--- local second = aimp.spawn(fetch, "https://example.org/2")
--- print(first:await(), second:await())
--- ```
---@param fn function # may wait
---@param ... any # its arguments
---@return aimp.Task
function aimp.spawn(fn, ...) end

--- Runs what is ready, once, and gives uv handles their turn; when there is nothing, waits for it. For a
--- host that has a loop of its own, such as a game, to call once a frame.
---
--- Raises nothing but misuse, such as a call from inside a task.
---
--- ```lua
--- function love.update()
---   aimp.step()
--- end
--- ```
---@param seconds? number # how long it waits at most; default 0
---@return boolean work_left # false: no task will ever go on by itself
function aimp.step(seconds) end

--- Runs fn(...) as a task, for so long at most, as `aimp.wait_for` does.
---
--- Raises TIMEOUT when it was late, else what fn raises, as `task:await` does.
---
--- ```lua
--- local ok, err = pcall(aimp.timeout, 5, download, url)
--- ```
---@async
---@param seconds number # counted from this call
---@param fn function # may wait
---@param ... any # its arguments
---@return any ... # its results
function aimp.timeout(seconds, fn, ...) end

--- Makes a function that waits of one that takes a callback as its last argument: calling it is `aimp.await`
--- of that function. What it may raise is what `aimp.await` says.
---
--- Raises nothing but misuse.
---
--- ```lua
--- local stat = aimp.to_await(uv.fs_stat)
--- print(stat("README.md").size)
--- ```
---@param fn function
---@return fun(...): ... waits
function aimp.to_await(fn) end

--- Waits until all tasks of a list, or one of them, have ended. Being cancelled does not cancel the tasks.
---
--- Raises nothing but misuse: the tasks' errors stay with them.
---
--- ```lua
--- local done, pending = aimp.wait(tasks, { return_when = "FIRST_COMPLETED", timeout = 2 })
--- for _, task in ipairs(pending) do
---   task:cancel()
--- end
--- ```
---@async
---@param list aimp.Awaitable[] # at least one
---@param opts? aimp.WaitOptions
---@return aimp.Task[] done # those that have ended, in the order of the list
---@return aimp.Task[] pending # the others
function aimp.wait(list, opts) end

--- Waits for a task for some time; when it is late, cancels it and waits for its end. A task that ends
--- otherwise in spite of the cancellation keeps its outcome. Being cancelled cancels the task too.
---
--- Raises TIMEOUT when it was late, else the task's error.
---
--- ```lua
--- local answer = aimp.wait_for(pool:apply(ask, question), 2.5)
--- ```
---@async
---@param task aimp.Awaitable
---@param seconds? number # counted from this call; default: no limit
---@return any ... # its results
function aimp.wait_for(task, seconds) end

--- Calls fn(obj); afterwards obj is closed and joined. When fn raises, or is cancelled, obj is terminated
--- and joined, and the error raised again. An object without `join` or `terminate` is just closed. One that
--- has no `close` but `acquire` and `release`, as a lock or a semaphore, is acquired before and released
--- after. A class for which this is not enough defines `__aimp_with(obj, fn)`, as aimp.TaskGroup does.
---
--- Raises what fn raises, else what closing, joining, acquiring or releasing raises.
---
--- ```lua
--- local total = aimp.with(aimp.Pool({ processes = 2 }), function(pool)
---   return pool:apply(math.max, 1, 2):await()
--- end)
--- ```
---@async
---@generic T
---@param obj T # has `close`, or `acquire` and `release`
---@param fn fun(obj: T): any?, any?, any?
---@return any ... # the results of fn
function aimp.with(obj, fn) end

--- Which worker of a pool this process is: `id` is its place in the pool, from 1, `pid` its process id,
--- `pool` the name of the pool.
---
--- Raises nothing.
---
--- ```lua
--- local seed = aimp.worker() and aimp.worker().id or 0
--- ```
---@return { id: integer, pid: integer, pool: string }? worker # nil: none
function aimp.worker() end

aimp.errors = require("aimp.errors")

aimp.http = require("aimp.http")

--- Shows how far something is, on stderr. Iterate over what it gives:
---
--- - for a list without nils, a loop gets the items;
--- - for an iterator function, what that gives; without `total` there is no bar, but count, time and rate;
--- - for the result of a map, also its `:unordered()`, the same result: it is shown while it is iterated
---   over, or awaited;
--- - for a list of tasks, the tasks in the order in which they end;
--- - for options alone, a bar that is moved by hand with `bar:update()`.
---
--- A loop may be left at any time. On a terminal it is a bar, drawn at most ten times a second, below what
--- the script prints; elsewhere, and in a worker, a line every five seconds.
---
--- Raises nothing but misuse.
---
--- ```lua
--- for name in aimp.progress({ "a", "b" }, { description = "names" }) do print(name) end
--- ```
aimp.progress = require("aimp.progress")

--- Makes a function that calls fn with its own arguments, again when that fails, and returns all its results.
--- It can be called in a task, given to aimp.spawn, and sent to a pool, where all tries are the worker's.
---
--- The options' functions get error objects: what fn raised, if it is none, is the `cause` of one with code
--- REMOTE. The last error is raised with its code, cause and traceback; `attempts` in it, and its message,
--- say how many tries there were. CANCELLED is raised at once, as a task that is being cancelled has to end,
--- and so is DEADLOCK.
---
--- Raises nothing but misuse.
---
--- ```lua
--- local fetch = aimp.retry(http.get, { attempts = 5, wait = 0.2 }) -- seconds
--- ```
aimp.retry = require("aimp.retry")

aimp.shm = require("aimp.shm")

return aimp
