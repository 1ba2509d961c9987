---@meta _
-- SPDX-License-Identifier: MIT
-- Made by scripts/docs from the comments in lua/aimp; change those.

---@class aimp.PoolOptions
---@field processes? integer # workers, 1 to 1024; default aimp.cpu_count()
---@field initializer? function # called once in each worker before its first task, with initargs; may wait
---@field initargs? any[] # a list of arguments, with field n where it holds nils; default: none
---@field finalizer? function # called in a worker that ends in order; may wait
---@field maxtasksperchild? integer # a worker is replaced after so many tasks, exactly; default 0: never
---@field childconcurrency? integer # tasks that one worker runs at once; default 16
---@field queuecount? integer # queues between the pool and its workers, at most as many as those; default 1
---@field scheduler? "round_robin"|"least_loaded"|aimp.Scheduler # which queue a task goes to: by turns, the one with the fewest tasks for each of its workers, or by an object of one's own; default "round_robin"
---@field loop_initializer? fun(uv: table) # called in each worker before the initializer, with luv
---@field exception_handler? fun(err: any) # called in the worker with what a task raised there; may wait
---@field start_method? "forkserver"|"fork"|"spawn" # default: that of aimp.set_start_method
---@field name? string # for messages; default "pool"
---@field timeout? number # seconds that a task may take from its start in a worker: then it is cancelled there, and if it does not end within a second its worker is killed; default: no limit
---@field retries? integer # times that a task runs again after its worker died; default 0

--- Worker processes that run functions for this one. A pool is open until `close` or `terminate`;
--- `aimp.with` calls them and `join` by itself.
---
--- A function is sent with its captured variables and the script's globals that it uses, as they are at the
--- call. A captured variable that has not changed here since it was last sent is left alone in the worker,
--- so what the worker stored there stays.
---@class aimp.Pool
local Pool = {}

--- Calls fn(...) in a worker. It is queued at once; the task is the handle on it.
---
--- Raises ENCODE for what cannot be sent, with the path to it. The task's errors are REMOTE for what fn
--- raises, WORKER_DIED, TIMEOUT (the pool's), CANCELLED, CLOSED when the pool is terminated, ENCODE and
--- DECODE for results.
---
--- ```lua
--- local task = pool:apply(string.rep, "ab", 3)
--- print(task:await()) -- ababab
--- ```
---@param fn function # may wait
---@param ... any # its arguments; what can be sent
---@return aimp.Task task # its results are all that fn returns
function Pool:apply(fn, ...) end

--- The same as `apply`, with options for this one call.
---
--- Raises ENCODE for what cannot be sent. The task's errors are those of `apply`.
---
--- ```lua
--- local task = pool:submit(render, { page }, { timeout = 5, retries = 1, key = page.user })
--- ```
---@param fn function # may wait
---@param args? any[] # its arguments: a list, with field n where it holds nils
---@param opts? aimp.SubmitOptions
---@return aimp.Task task # its results are all that fn returns
function Pool:submit(fn, args, opts) end

--- Calls fn(...) once in every worker, and waits for all. A worker that is replaced later has not been
--- called.
---
--- Raises the first failure, one of those of `apply`, and cancels the other calls.
---
--- ```lua
--- local pids = pool:broadcast(function()
---   return require("aimp").pid()
--- end)
--- ```
---@async
---@param fn function # may wait
---@param ... any # its arguments; what can be sent
---@return any[] values # the first result of each, by worker
function Pool:broadcast(fn, ...) end

--- Figures of the pool and its workers; after its end those of its end.
---
--- Raises nothing but misuse.
---
--- ```lua
--- for _, worker in ipairs(pool:stats().workers) do
---   print(worker.id, worker.state, worker.done)
--- end
--- ```
---@return aimp.PoolStats
function Pool:stats() end

--- Calls fn(item) for each item. Await the result for a list, or iterate over it for a stream.
---
--- Raises ENCODE when one of the items sent at once cannot be; those of later items are raised by the result.
---
--- ```lua
--- for i, page in pool:map(render, names) do
---   print(names[i], #page)
--- end
--- ```
---@param fn function # may wait
---@param items any[]|fun(): any # a list (may hold nils if it has n), or an iterator, which may wait
---@param opts? aimp.MapOptions
---@return aimp.PoolResult
function Pool:map(fn, items, opts) end

--- Calls fn(unpack(list)) for each list of arguments; else as `map`.
---
--- Raises ENCODE as `map` does.
---
--- ```lua
--- local sums = pool:starmap(math.max, { { 1, 2 }, { 3, 4, 5 } }):await()
--- ```
---@param fn function # may wait
---@param lists any[][]|fun(): any[] # each is a list (may hold nils if it has n)
---@param opts? aimp.MapOptions
---@return aimp.PoolResult
function Pool:starmap(fn, lists, opts) end

--- No new work; what was accepted finishes, then the workers end. Returns at once; `join` waits for it.
--- Closing again does nothing.
---
--- Raises nothing but misuse.
---
--- ```lua
--- pool:close()
--- ```
function Pool:close() end

--- Ends the workers now; tasks that have not ended fail with CLOSED. Returns at once; `join` waits for it.
---
--- Raises nothing but misuse.
---
--- ```lua
--- pool:terminate()
--- ```
function Pool:terminate() end

--- Waits until all workers are gone, after `close` or `terminate`.
---
--- Raises nothing but misuse, such as joining an open pool.
---
--- ```lua
--- pool:close()
--- pool:join()
--- ```
---@async
function Pool:join() end

--- More or fewer workers. Those that go finish what they run first; nothing is lost.
---
--- Raises START where no process can be made.
---
--- ```lua
--- pool:resize(2 * aimp.cpu_count())
--- ```
---@param count integer # workers: at least 1 and queuecount, at most 64 more than the pool began with
function Pool:resize(count) end

---@class aimp.SubmitOptions
---@field timeout? number # seconds, as the pool's option; 0: no limit; default: the pool's
---@field retries? integer # times that it runs again after WORKER_DIED; default: the pool's
---@field priority? integer # tasks of a higher priority leave their queue first; default 0
---@field key? any # tasks with the same key run in the same worker, while the pool keeps its size
---@field name? string # for messages

---@class aimp.MapOptions
---@field chunksize? integer # items that a worker gets at once; default: about a millisecond's worth, measured
---@field timeout? number # seconds for each item, as the pool's option; 0: no limit; default: the pool's
---@field retries? integer # times that an item runs again after WORKER_DIED; default: the pool's
---@field priority? integer # items of a higher priority leave their queue first; default 0
---@field window? integer # items that may be ahead of the consumer of a stream; default 16384
---@field progress? boolean|string # a progress bar, with this label, while it is awaited or iterated over

--- What `pool:map` and `pool:starmap` give: awaited it is a list, iterated a stream. A stream is at most
--- `window` items ahead of its consumer, so the input may have no end. Who leaves an iteration
--- early frees the rest with `cancel`.
---@class aimp.PoolResult
---@overload async fun(): integer?, any
local PoolResult = {}

--- Waits for all results. May be called again, but not after an iteration has taken some of them.
---
--- Raises the first failure, an error of `pool:apply` whose field `item` is the place of the item that
--- failed, and cancels the rest. What the iterator of the items raises comes in the same way; CLOSED means
--- that the pool ended.
---
--- ```lua
--- local sizes = pool:map(measure, paths):await()
--- ```
---@async
---@return any[] values # the first value of each call in the order of the items; field n is how many
function PoolResult:await() end

--- The same stream in the order of completion: an item that takes long holds up no other.
---
--- Raises nothing.
---
--- ```lua
--- for i, value in pool:map(work, items):unordered() do
---   print(items[i], value)
--- end
--- ```
---@return aimp.PoolResult self
function PoolResult:unordered() end

--- Stops it: queued items are taken back, running ones cancelled, buffered results freed. Calls that wait
--- for it, and later ones, raise CANCELLED. Does nothing where all is done.
---
--- Raises nothing.
---
--- ```lua
--- local result = pool:map(search, places)
--- for _, found in result:unordered() do
---   if found then
---     result:cancel()
---     break
---   end
--- end
--- ```
---@param reason? string # the error's message
function PoolResult:cancel(reason) end

--- What the option `scheduler` of a pool may be: an object that chooses the queue of each task, with these
--- methods. Queues are numbered from 1.
---@class aimp.Scheduler
---@field register_queue fun(self: aimp.Scheduler, qid: integer) # once for each queue, before anything else
---@field register_process fun(self: aimp.Scheduler, qid: integer) # once for each worker that serves the queue
---@field schedule_task fun(self: aimp.Scheduler, task_id: integer, fn: function, args: table): integer # qid
---@field complete_task fun(self: aimp.Scheduler, task_id: integer) # the task has settled, however

--- A scheduler that takes the queues by turns, those with more workers more often; what `scheduler =
--- "round_robin"` stands for, the default. A scheduler of one's own may build on it:
---
---     local turns = aimp.RoundRobin()
---     local scheduler = setmetatable({}, { __index = turns })
---     function scheduler:schedule_task(id, fn, args)
---       return fn == urgent and 1 or turns:schedule_task(id, fn, args)
---     end
---     local pool = aimp.Pool({ processes = 4, queuecount = 2, scheduler = scheduler })
---@class aimp.RoundRobin: aimp.Scheduler
local RoundRobin = {}

--- There is a queue of this number. Pools call it once for each of theirs.
---
--- Raises nothing but misuse: a queue that it knows, as that of another pool.
---
--- ```lua
--- scheduler:register_queue(1)
--- ```
---@param qid integer # the queue's id
function RoundRobin:register_queue(qid) end

--- A worker serves this queue. A queue with more workers is chosen more often.
---
--- Raises nothing but misuse: a queue that it does not know.
---
--- ```lua
--- scheduler:register_process(1)
--- ```
---@param qid integer # the queue's id
function RoundRobin:register_process(qid) end

--- The queue of the next task.
---
--- Raises nothing but misuse: without a worker there is nothing to choose from.
---
--- ```lua
--- local qid = scheduler:schedule_task(1, print, { n = 0 })
--- ```
---@return integer qid # the queue's id
function RoundRobin:schedule_task() end

--- Does nothing: the turns do not depend on it.
---
--- Raises nothing.
---
--- ```lua
--- scheduler:complete_task(1)
--- ```
function RoundRobin.complete_task() end

--- A scheduler that takes the queue with the fewest tasks for each of its workers; what `scheduler =
--- "least_loaded"` stands for.
---@class aimp.LeastLoaded: aimp.Scheduler
local LeastLoaded = {}

--- There is a queue of this number. Pools call it once for each of theirs.
---
--- Raises nothing but misuse: a queue that it knows, as that of another pool.
---
--- ```lua
--- scheduler:register_queue(1)
--- ```
---@param qid integer # the queue's id
function LeastLoaded:register_queue(qid) end

--- A worker serves this queue. A queue with more workers gets more tasks.
---
--- Raises nothing but misuse: a queue that it does not know.
---
--- ```lua
--- scheduler:register_process(1)
--- ```
---@param qid integer # the queue's id
function LeastLoaded:register_process(qid) end

--- The queue of the next task.
---
--- Raises nothing but misuse: without a worker there is nothing to choose from.
---
--- ```lua
--- local qid = scheduler:schedule_task(1, print, { n = 0 })
--- ```
---@param task_id integer # id of the task, for complete_task
---@return integer qid # the queue's id
function LeastLoaded:schedule_task(task_id) end

--- The task has settled: its queue has one less. A task that it does not know is ignored.
---
--- Raises nothing.
---
--- ```lua
--- scheduler:complete_task(1)
--- ```
---@param task_id integer # id of the task
function LeastLoaded:complete_task(task_id) end

--- One worker, in `pool:stats()`. An item of a map counts as one task.
---@class aimp.WorkerStats
---@field id integer # place in the pool, from 1
---@field pid? integer # process id; nil while there is no process
---@field state string # "starting", "ready", "draining" and so on
---@field done integer # tasks that have ended here, those of earlier processes of this place included
---@field failed integer # tasks that were lost with a process
---@field running integer # tasks that it has begun
---@field queued integer # tasks that it was sent and has not begun
---@field utilisation number # share of its life that it spent on tasks; above 1 where they overlap
---@field restarts integer # times that its process was replaced

--- What `pool:stats()` tells. An item of a map counts as one task; counts are since the pool exists.
---@class aimp.PoolStats
---@field name string # the pool's
---@field state string # "open", "closing", "stopping", "terminating" or "closed"
---@field waiting integer # tasks in the queues now
---@field outstanding integer # tasks at workers now
---@field done integer # tasks that ended with a result or an error of their own
---@field lost integer # tasks that ended with their worker, or were killed for their timeout
---@field cancelled integer # tasks that were cancelled before they began
---@field retried integer # times that a task was begun again after its worker died
---@field moved integer # tasks that were taken back from one worker for another
---@field wait { p50: number, p90: number, p99: number } # percentiles of the seconds in the queues, within a fifth
---@field run { p50: number, p90: number, p99: number } # percentiles of the seconds in a worker, within a fifth
---@field workers aimp.WorkerStats[] # by place

