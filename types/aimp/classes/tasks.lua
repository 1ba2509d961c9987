---@meta _
-- SPDX-License-Identifier: MIT
-- Made by scripts/docs from the comments in lua/aimp; change those.

--- Something that will have results, an error, or be cancelled; each exactly once. `aimp.spawn` gives tasks
--- of this process, `pool:apply` and `pool:submit` those of a pool; what is said here holds for both.
---
--- An error that nobody has looked at (awaited, asked for, handed to on_done) when the task is collected or
--- the program ends is reported on stderr; under aimprun it also makes the exit status 1.
---@class aimp.Task
local Task = {}

--- Waits for its end and gives its results; any number of times, from any number of tasks. A waiter that is
--- cancelled meanwhile stops waiting; the task itself goes on.
---
--- Raises the task's error: REMOTE for what its function raised, CANCELLED when it was cancelled, for a
--- pool's task those of `pool:apply`.
---
--- ```lua
--- local width, height = pool:apply(measure, path):await()
--- ```
---@async
---@return any ... # all that its function returned
function Task:await() end

--- Waits for its end without raising the task's error.
---
--- Raises only what concerns the one who waits: CANCELLED when it is cancelled itself.
---
--- ```lua
--- local ok, result = task:pawait()
--- if not ok and result.code == "WORKER_DIED" then
---   print("worker " .. result.pid .. " is gone")
--- end
--- ```
---@async
---@return boolean ok # whether it has results
---@return any ... # the results, or the error object
function Task:pawait() end

--- Asks for cancellation. A task that did not start never will; one that waits has CANCELLED raised at its
--- wait, and may catch it and go on; one that runs, or was woken already, at its next wait. Work of a pool
--- is taken back where it is queued and cancelled in its worker where it runs; when it does not end there
--- within a second, as in a loop that never waits, the worker is killed and replaced.
---
--- Raises nothing but misuse.
---
--- ```lua
--- task:cancel("the user left")
--- ```
---@param reason? string # for the error's message
---@return boolean asked # false: it had ended already
function Task:cancel(reason) end

--- Whether it has ended: with results, an error, or cancelled.
---
--- Raises nothing but misuse.
---
--- ```lua
--- if task:done() then print(task:state()) end
--- ```
---@return boolean
function Task:done() end

--- Whether it ended by being cancelled. One that was asked to, caught that and returned, was not.
---
--- Raises nothing but misuse.
---
--- ```lua
--- if task:cancelled() then print("given up") end
--- ```
---@return boolean
function Task:cancelled() end

--- Its results without waiting, of a task that has ended.
---
--- Raises STATE while it is pending, else as `await` does.
---
--- ```lua
--- local value = task:done() and task:result() or nil
--- ```
---@return any ... # all that its function returned
function Task:result() end

--- Its error without waiting, of a task that has ended.
---
--- Raises CANCELLED when it was cancelled, STATE while it is pending.
---
--- ```lua
--- local err = task:exception()
--- if err then
---   print(err.code, err.message)
--- end
--- ```
---@return aimp.Error? err # nil: it has results
function Task:exception() end

--- Has fn(task) called from the loop when the task ends; soon, if it has ended. fn runs outside every task,
--- so it must not wait; what it raises is reported on stderr.
---
--- Raises nothing but misuse.
---
--- ```lua
--- aimp.spawn(fetch, url):on_done(function(task) show(task:exception() or task:result()) end)
--- ```
---@param fn fun(task: aimp.Task) # called once
---@return aimp.Task self
function Task:on_done(fn) end

--- How far it is. Unlike `exception` this does not count as having looked at its error.
---
--- Raises nothing but misuse.
---
--- ```lua
--- print(task:state())
--- ```
---@return "pending"|"done"|"failed"|"cancelled"
function Task:state() end

--- What can be waited for: a task, or anything else that has a method `await`, such as a pool's result, for
--- which a task is made.
---@alias aimp.Awaitable aimp.Task|aimp.PoolResult|aimp.Process|{ await: fun(self: table): any?, any?, any? }

---@class aimp.GatherOptions
---@field return_exceptions? boolean # error objects take their place among the results; default false

---@class aimp.WaitOptions
---@field timeout? number # seconds; when they are over, wait returns and cancels nothing; default: none
---@field return_when? "ALL_COMPLETED"|"FIRST_COMPLETED"|"FIRST_EXCEPTION" # all have ended; one has; one has failed, or all have ended; default "ALL_COMPLETED"

--- Tasks that belong together, for `aimp.with`:
---
---     aimp.with(aimp.TaskGroup(), function(group)
---       group:spawn(fetch, "a")
---       group:spawn(fetch, "b")
---     end) -- both have ended here
---
--- When the function ends, the tasks are waited for. The first error, of a task or of the function itself,
--- cancels the other tasks and the function; when all have ended it is raised, with further errors in its
--- field `others`. Cancelling who waits cancels the tasks. A task that is merely cancelled is no error.
---
--- Without `aimp.with`: `close`, then `join`, which raises; `terminate` cancels the tasks.
---@class aimp.TaskGroup
local TaskGroup = {}

--- Starts fn(...) as a task of the group.
---
--- Raises CANCELLED when the group ends already, because of an error.
---
--- ```lua
--- local task = group:spawn(fetch, "https://example.org/")
--- ```
---@param fn function
---@param ... any
---@return aimp.Task
function TaskGroup:spawn(fn, ...) end

--- Makes a task one of the group that was started elsewhere, such as a pool's: the group waits for it, and
--- cancels it when another fails.
---
--- Raises CANCELLED when the group ends already, because of an error.
---
--- ```lua
--- group:add(pool:apply(render, page))
--- ```
---@param task aimp.Task # or anything else with an `await`, as a pool's result
---@return aimp.Task task # the same one; of something else, a task that awaits it
function TaskGroup:add(task) end

--- Nothing can be added any more. Returns at once.
---
--- Raises nothing but misuse.
---
--- ```lua
--- group:close()
--- ```
function TaskGroup:close() end

--- Closes the group and cancels its tasks. Returns at once; a function of `aimp.with` goes on.
---
--- Raises nothing but misuse.
---
--- ```lua
--- group:terminate("no longer needed")
--- ```
---@param reason? string
function TaskGroup:terminate(reason) end

--- Waits until all tasks have ended, after `close` or `terminate`. Being cancelled meanwhile cancels them.
---
--- Raises the first error of a task, with those of others in its field `others`.
---
--- ```lua
--- group:close()
--- group:join()
--- ```
---@async
function TaskGroup:join() end

--- How many of its tasks have not ended.
---
--- Raises nothing but misuse.
---
--- ```lua
--- print(group:count())
--- ```
---@return integer tasks
function TaskGroup:count() end

