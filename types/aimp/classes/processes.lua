---@meta _
-- SPDX-License-Identifier: MIT
-- Made by scripts/docs from the comments in lua/aimp; change those.

---@class aimp.ProcessOptions
---@field target function # called in the process; it may wait. Required
---@field args? any[] # its arguments; may hold nils if it has n; default: none
---@field name? string # for messages, ps and aimp.worker().pool; default "Process-1" and so on
---@field daemon? boolean # killed when the script ends, which else waits for it; default false
---@field initializer? function # called before the target, with initargs; may wait
---@field initargs? any[] # default: none
---@field loop_initializer? fun(uv) # called before the initializer, with luv
---@field start_method? string # "forkserver" (as "fork") or "spawn"; default: aimp.set_start_method's

--- A function that runs in a process of its own, as a task there, beside the script's. What it returns is
--- dropped, what it raises goes to stderr. How it ended is told by `exitcode`: 0 when the target returned, 1
--- when it raised, what it gave os.exit, or a negative number when a signal killed it. For results see
--- aimp.Worker.
---
--- ```lua
--- local process = aimp.Process({ target = print, args = { "hello" } })
--- process:start()
--- process:join()
--- print(process.exitcode)
--- ```
---@class aimp.Process
---@field name string # for messages; may be set before the start
---@field daemon boolean # killed when the script ends, which else waits for it; may be set before the start
---@field pid? integer # its process id; nil before the start; read-only
---@field exitcode? integer # its exit status, or minus the signal that killed it; nil until its end; read-only
local Process = {}

--- Starts the process and returns at once; its own code begins soon after.
---
--- Raises ENCODE when the target, its arguments or the initializer cannot be sent, START where no process can
--- be made; it may be tried again then. Starting it twice is misuse.
---
--- ```lua
--- local process = aimp.Process({ target = work }):start()
--- ```
---@return aimp.Process self
function Process:start() end

--- Waits until the process has ended, for some time at most; it goes on when the time is up. What went wrong
--- in it is not raised: look at `exitcode`, or use `await`.
---
--- Raises nothing but misuse, as when it was not started, and CANCELLED for the caller.
---
--- ```lua
--- if not process:join(5) then process:terminate() end
--- ```
---@async
---@param timeout? number # seconds; default: as long as it takes
---@return boolean ended
function Process:join(timeout) end

--- Starts the process if need be, and waits for its end; any number of times, from any number of tasks.
---
--- Raises START when it could not be started, REMOTE when its initializer raised, DECODE when it could not
--- read its arguments, and what `start` raises. An error of the target is told by the exit code alone.
---
--- ```lua
--- local exitcode = aimp.Process({ target = work }):await()
--- ```
---@async
---@return integer exitcode
function Process:await() end

--- The same as await without raising what went wrong.
---
--- Raises nothing but misuse, and CANCELLED for the caller.
---
--- ```lua
--- local ok, exitcode = process:pawait()
--- ```
---@async
---@return boolean ok
---@return any ... # the exit code (a worker's: the target's results), or the error
function Process:pawait() end

--- Whether it was started and has not ended. The end is noticed while the caller waits for something.
---
--- Raises nothing but misuse.
---
--- ```lua
--- while process:is_alive() do aimp.sleep(0.1) end
--- ```
---@return boolean
function Process:is_alive() end

--- Sends SIGTERM, which ends the process at once unless its code handles that signal: `exitcode` will be -15.
--- Returns without waiting for it; does nothing when it has ended.
---
--- Raises nothing but misuse, as when it was not started.
---
--- ```lua
--- process:terminate() process:join()
--- ```
function Process:terminate() end

--- Sends SIGKILL, which nothing survives: `exitcode` will be -9. Returns without waiting for it; does nothing
--- when it has ended.
---
--- Raises nothing but misuse, as when it was not started.
---
--- ```lua
--- process:kill() process:join()
--- ```
function Process:kill() end

--- Gives up the object, which cannot be used any more but for its name; again does nothing.
---
--- Raises nothing but misuse: it must not run.
---
--- ```lua
--- process:join() process:close()
--- ```
function Process:close() end

--- A process whose target's results are wanted: they, or the error it raised, come from `await` and `result`.
---
--- ```lua
--- local worker = aimp.Worker({ target = math.max, args = { 1, 3, 2 } })
--- print(worker:await())
--- ```
---@class aimp.Worker: aimp.Process
local Worker = {}

--- Starts the worker if need be, waits for its end and gives what its target returned; any number of
--- times, from any number of tasks.
---
--- Raises REMOTE with what the target or the initializer raised as `cause`, WORKER_DIED when the process
--- ended before the target had returned, ENCODE and DECODE for arguments and results, START when it could not
--- be started.
---
--- ```lua
--- local sum, count = aimp.Worker({ target = add_up, args = { list } }):await()
--- ```
---@async
---@return any ... # all results of the target
function Worker:await() end

--- What its target returned, without waiting.
---
--- Raises what `await` raises; before the worker's end it is misuse.
---
--- ```lua
--- worker:join() print(worker:result())
--- ```
---@return any ...
function Worker:result() end

