---@meta _
-- SPDX-License-Identifier: MIT
-- Made by scripts/docs from the comments in lua/aimp; change those.

---@class aimp.QueueOptions
---@field maxsize? integer # items that it holds before `put` waits; 0, the default: no bound

--- A first-in, first-out queue for any number of putters and getters, in any number of processes. It lives in
--- the process that made it; sent to a worker, as an argument, in a table or as a captured variable, it is
--- the same queue there. Items of one putter stay in order; getters are served in the order in which they
--- came. In the process that made it, and as long as it was sent nowhere, items are passed by reference;
--- otherwise they are copied when they are put. An item that was on its way to a worker that died goes to
--- the next getter.
---@class aimp.Queue
local Queue = {}

--- Puts an item at the end; waits while the queue is full.
---
--- Raises TIMEOUT when there was no room in time, CLOSED when the queue is closed, ENCODE for what cannot be
--- sent when other processes have the queue.
---
--- ```lua
--- queue:put({ url = "https://example.org/" }, 5)
--- ```
---@async
---@param value any # not nil
---@param timeout? number # seconds; default: as long as it takes
function Queue:put(value, timeout) end

--- Takes the first item; waits while there is none.
---
--- Raises TIMEOUT when none came in time, CLOSED when the queue is closed and nothing is left, DECODE for an
--- item that cannot be read here.
---
--- ```lua
--- local job = queue:get(0.5)
--- ```
---@async
---@param timeout? number # seconds; default: as long as it takes
---@return any item
function Queue:get(timeout) end

--- Puts an item if there is room. In the queue's own process it does not wait; in another, for the answer.
---
--- Raises CLOSED when the queue is closed, ENCODE as put does.
---
--- ```lua
--- if not queue:try_put(job) then print("busy") end
--- ```
---@async
---@param value any # not nil
---@return boolean done
function Queue:try_put(value) end

--- Takes the first item if there is one. In the queue's own process it does not wait; in another, for the
--- answer.
---
--- Raises DECODE for an item that cannot be read here.
---
--- ```lua
--- local job = queue:try_get()
--- ```
---@async
---@return any? item # nil: there is none
function Queue:try_get() end

--- How many items nobody has got yet. Others may change that at any time. In the queue's own process it does
--- not wait; in another, for the answer.
---
--- Raises nothing but misuse.
---
--- ```lua
--- print(queue:size())
--- ```
---@async
---@return integer items
function Queue:size() end

--- Nothing can be put any more; what is there can still be got, after which getters are told: `get` raises
--- CLOSED, `iter` ends. Closing again does nothing. In the queue's own process it does not wait; in another,
--- for the answer.
---
--- Raises nothing but misuse.
---
--- ```lua
--- queue:close()
--- ```
---@async
function Queue:close() end

--- Whether it was closed. In the queue's own process it does not wait; in another, for the answer.
---
--- Raises nothing but misuse.
---
--- ```lua
--- while not queue:closed() do queue:put(read()) end
--- ```
---@async
---@return boolean
function Queue:closed() end

--- Iterates over items as they come, until the queue is closed and empty. Any number of tasks may do that.
---
--- Raises DECODE for an item that cannot be read here.
---
--- ```lua
--- for job in queue:iter() do
---   print(job)
--- end
--- ```
---@async
---@return fun(queue: aimp.Queue): any? next
---@return aimp.Queue queue
function Queue:iter() end

--- A flag that is set or not, and that any number of tasks, in any number of processes, wait for. It lives in
--- the process that made it; sent to a worker, as an argument, in a table or as a captured variable, it is
--- the same event there.
---@class aimp.Event
local Event = {}

--- Sets it: all who wait go on, and nobody waits from now on. In another process than its own it returns at
--- once, and what that process does to the event afterwards is done in this order.
---
--- Raises nothing but misuse.
---
--- ```lua
--- event:set()
--- ```
function Event:set() end

--- Takes `set` back: who waits from now on waits for the next. Those who were woken already go on.
---
--- Raises nothing but misuse.
---
--- ```lua
--- event:clear()
--- ```
function Event:clear() end

--- Whether it is set now. In another process than its own it waits for the answer.
---
--- Raises CLOSED when the process that made it is gone.
---
--- ```lua
--- if event:is_set() then print("go") end
--- ```
---@async
---@return boolean
function Event:is_set() end

--- Waits until it is set; returns at once when it is.
---
--- Raises TIMEOUT when it was not set in time, CLOSED when the process that made it is gone.
---
--- ```lua
--- event:wait(5)
--- ```
---@async
---@param timeout? number # seconds; default: as long as it takes
---@return true
function Event:wait(timeout) end

--- A lock that one task at a time holds, of all processes that have it. Those who wait get it in the order
--- in which they came. It lives in the process that made it; sent to a worker, as an argument, in a table
--- or as a captured variable, it is the same lock there. When a worker dies, what its tasks held goes to
--- the next in line. A task that ends without releasing it keeps it: `lock:with` and `aimp.with(lock, fn)`
--- release it whatever happens.
---@class aimp.Lock
local Lock = {}

--- Waits until the running task has the lock. A task that has it already must not ask again.
---
--- Raises TIMEOUT when it did not get it in time, CLOSED when the process that made the lock is gone.
---
--- ```lua
--- lock:acquire(5)
--- print("alone")
--- lock:release()
--- ```
---@async
---@param timeout? number # seconds; default: as long as it takes
---@return true
function Lock:acquire(timeout) end

--- Hands the lock to the next in line. Only the task that holds it may do that. In another process than the
--- lock's own it waits for the answer.
---
--- Raises CLOSED when the process that made the lock is gone.
---
--- ```lua
--- lock:release()
--- ```
---@async
function Lock:release() end

--- Whether anybody holds it now. In another process than its own it waits for the answer.
---
--- Raises CLOSED when the process that made the lock is gone.
---
--- ```lua
--- if lock:locked() then print("busy") end
--- ```
---@async
---@return boolean
function Lock:locked() end

--- Calls fn(...) while the running task has the lock, which it releases whatever happens.
---
--- Raises what fn raises, CLOSED when the process that made the lock is gone.
---
--- ```lua
--- local total = lock:with(function(n) return n + 1 end, 41)
--- ```
---@async
---@param fn function
---@param ... any
---@return any ... # the results of fn
function Lock:with(fn, ...) end

---@class aimp.SemaphoreOptions
---@field value? integer # permits that are free at first; default 1
---@field bounded? boolean # whether permits belong to the processes that acquired them; default true

--- A number of permits that tasks of all processes that have it acquire and release. Those who wait get one
--- in the order in which they came. It lives in the process that made it; sent to a worker, as an argument,
--- in a table or as a captured variable, it is the same semaphore there.
---
--- A bounded one, the default, knows how many permits each process holds: only that process can release
--- them, and when a worker dies they are given back. One with `bounded = false` carries signals: any process
--- may release, no permit belongs to anybody, and what a worker acquired is used up.
---@class aimp.Semaphore
local Semaphore = {}

--- Waits for a permit and takes it.
---
--- Raises TIMEOUT when none was free in time, CLOSED when the process that made the semaphore is gone.
---
--- ```lua
--- slots:acquire(5)
--- ```
---@async
---@param timeout? number # seconds; default: as long as it takes
---@return true
function Semaphore:acquire(timeout) end

--- Gives permits back; the first in line go on. Of a bounded semaphore a process can give back only what it
--- acquired. In another process than the semaphore's own it waits for the answer.
---
--- Raises CLOSED when the process that made the semaphore is gone.
---
--- ```lua
--- slots:release()
--- ```
---@async
---@param n? integer # permits; default 1
function Semaphore:release(n) end

--- How many permits are free now. In another process than its own it waits for the answer.
---
--- Raises CLOSED when the process that made the semaphore is gone.
---
--- ```lua
--- print(slots:value())
--- ```
---@async
---@return integer permits
function Semaphore:value() end

--- Calls fn(...) with a permit, which it gives back whatever happens.
---
--- Raises what fn raises, CLOSED when the process that made the semaphore is gone.
---
--- ```lua
--- local ok = slots:with(function(host) return host ~= nil end, "localhost")
--- ```
---@async
---@param fn function
---@param ... any
---@return any ... # the results of fn
function Semaphore:with(fn, ...) end

---@class aimp.BarrierOptions
---@field parties integer # tasks that it takes, at least 1

--- Lets tasks go on together: each waits until so many are there, of all processes that have the barrier.
--- Then it is ready for the next round. Who leaves early, by a timeout, by cancellation or because its
--- process died, does not count. It lives in the process that made it; sent to a worker, as an argument, in
--- a table or as a captured variable, it is the same barrier there.
---@class aimp.Barrier
local Barrier = {}

--- Waits until as many tasks wait here as the barrier has parties.
---
--- Raises TIMEOUT when they were not there in time, CLOSED when the process that made the barrier is gone.
---
--- ```lua
--- if barrier:wait(5) == 1 then print("the first of this round") end
--- ```
---@async
---@param timeout? number # seconds; default: as long as it takes
---@return integer number # 1 for the first who came, the number of parties for the last
function Barrier:wait(timeout) end

--- How many tasks it takes. In another process than its own it waits for the answer.
---
--- Raises CLOSED when the process that made the barrier is gone.
---
--- ```lua
--- print(barrier:parties())
--- ```
---@async
---@return integer tasks
function Barrier:parties() end

--- How many tasks wait now. In another process than its own it waits for the answer.
---
--- Raises CLOSED when the process that made the barrier is gone.
---
--- ```lua
--- print(barrier:parties() - barrier:waiting(), "to come")
--- ```
---@async
---@return integer tasks
function Barrier:waiting() end

---@class aimp.CounterOptions
---@field value? number # any number that it has at first; default 0

--- A number that any number of processes add to; no addition is lost. It lives in the process that made it;
--- sent to a worker, as an argument, in a table or as a captured variable, it is the same counter there.
--- Its value stays below 2^53 and above -2^53, where every integer is exact.
---@class aimp.Counter
local Counter = {}

--- Adds to it; in another process than its own it waits for the answer.
---
--- Raises CLOSED when the process that made the counter is gone.
---
--- ```lua
--- local seen = counter:add(1)
--- ```
---@async
---@param n? number # any number, also a negative one; default 1
---@return number value # the new one, any number
function Counter:add(n) end

--- Its value now; in another process than its own it waits for the answer.
---
--- Raises CLOSED when the process that made the counter is gone.
---
--- ```lua
--- print(counter:get())
--- ```
---@async
---@return number value # any number
function Counter:get() end

--- Sets it, whatever it was; in another process than its own it waits until that is done.
---
--- Raises CLOSED when the process that made the counter is gone.
---
--- ```lua
--- counter:set(0)
--- ```
---@async
---@param value number # any number below 2^53 and above -2^53
function Counter:set(value) end

---@class aimp.DictOptions
---@field initial? table # entries that it begins with, copied; default: none
---@field ttl? number # seconds that entries live whose making does not say; default: for good

--- A dictionary shared by processes. It lives in the process that made it, where no method waits. Sent to a
--- worker, as an argument, in a table or as a captured variable, it is the same dictionary there; each
--- method waits for the answer, so it needs a running task. What a method does nobody sees half done.
---
--- Keys are strings, numbers other than NaN, and booleans. Values are anything that can be sent, and they are
--- copies, in the process that made it too: who changes a table that was stored, or that `get` gave, does not
--- change the dictionary. Functions, classes and shared objects stay what they are.
---@class aimp.Dict
local Dict = {}

--- The value of a key, a copy.
---
--- Raises CLOSED in another process when the dictionary does not exist any more.
---
--- ```lua
--- local port = dict:get("port", 8080)
--- ```
---@async
---@param key string|number|boolean
---@param default? any # given when the key is not there; it is not stored
---@return any value
function Dict:get(key, default) end

--- Whether the key is there.
---
--- Raises CLOSED like `get`.
---
--- ```lua
--- if not dict:has("config") then dict:set("config", {}) end
--- ```
---@async
---@param key string|number|boolean
---@return boolean
function Dict:has(key) end

--- Stores a value in the place of whatever was there. The entry's time to live begins anew.
---
--- Raises CLOSED like `get`, ENCODE when the value cannot be sent.
---
--- ```lua
--- dict:set("session", { user = "ann" }, { ttl = 1800 })
--- ```
---@async
---@param key string|number|boolean
---@param value any # not nil
---@param options? aimp.DictEntryOptions
function Dict:set(key, value, options) end

--- Stores a value if the key is not there: of several that try at once exactly one gets true.
---
--- Raises CLOSED like `get`, ENCODE when the value cannot be sent.
---
--- ```lua
--- if dict:add("job 7", aimp.pid(), { ttl = 60 }) then print("mine") end
--- ```
---@async
---@param key string|number|boolean
---@param value any # not nil
---@param options? aimp.DictEntryOptions
---@return boolean added # false: the key was there, and nothing was changed
function Dict:add(key, value, options) end

--- Adds to a number, in one step. Sums are exact up to 2^53. An entry that was there keeps its time to live.
---
--- Raises CLOSED like `get`, STATE when there is something that is not a number.
---
--- ```lua
--- local visits = dict:incr("visits")
--- ```
---@async
---@param key string|number|boolean
---@param by? number # any number, also a negative one; default 1
---@param initial? number # any number: what is added to when the key is not there; default 0
---@param options? aimp.DictEntryOptions # for an entry that was not there
---@return number sum # the new value, any number
function Dict:incr(key, by, initial, options) end

--- Stores `new` if what is there equals `expected`: what one read, computed with and wants to write is
--- written only if nobody was quicker. An entry that was there keeps its time to live where `options` say
--- nothing.
---
--- Numbers (NaN too), strings and booleans are compared by value, FFI values by type and bytes, tables by
--- metatable and by what is in them, at any depth; functions and shared objects equal only themselves.
--- A table that is a key in a value equals no other.
---
--- Raises CLOSED like `get`, ENCODE when a value cannot be sent.
---
--- ```lua
--- repeat
---   local best = dict:get("best")
--- until best and best >= score or dict:compare_and_set("best", best, score)
--- ```
---@async
---@param key string|number|boolean
---@param expected any # nil: that the key is not there
---@param new any # nil: the entry is deleted
---@param options? aimp.DictEntryOptions
---@return boolean done # false: something else was there, and nothing was changed
function Dict:compare_and_set(key, expected, new, options) end

--- Removes an entry.
---
--- Raises CLOSED like `get`.
---
--- ```lua
--- dict:delete("session")
--- ```
---@async
---@param key string|number|boolean
---@return boolean deleted # whether it was there
function Dict:delete(key) end

--- How long an entry has to live.
---
--- Raises CLOSED like `get`.
---
--- ```lua
--- local seconds = dict:ttl("session")
--- ```
---@async
---@param key string|number|boolean
---@return number? seconds # nil: it stays for good, or the key is not there
function Dict:ttl(key) end

--- Has an entry end some seconds from now, whatever was said before.
---
--- Raises CLOSED like `get`.
---
--- ```lua
--- dict:expire("session", 1800)
--- ```
---@async
---@param key string|number|boolean
---@param seconds number # more than 0; math.huge: it stays for good
---@return boolean found # false: the key is not there
function Dict:expire(key, seconds) end

--- Stores all entries of a table, all in one step: `set` for each.
---
--- Raises CLOSED like `get`, ENCODE when a value cannot be sent; then nothing was stored.
---
--- ```lua
--- dict:update({ host = "localhost", port = 8080 })
--- ```
---@async
---@param entries table
---@param options? aimp.DictEntryOptions
function Dict:update(entries, options) end

--- All keys, in no particular order.
---
--- Raises CLOSED like `get`.
---
--- ```lua
--- for _, key in ipairs(dict:keys()) do print(key) end
--- ```
---@async
---@return (string|number|boolean)[]
function Dict:keys() end

--- Goes over all entries as they are at this moment, in no particular order. The loop may wait, and change
--- the dictionary.
---
--- Raises CLOSED like `get`.
---
--- ```lua
--- for key, value in dict:items() do print(key, value) end
--- ```
---@async
---@return fun(snapshot: table, key: any): any, any
---@return table snapshot # all entries, the caller's own
function Dict:items() end

--- How many entries there are.
---
--- Raises CLOSED like `get`.
---
--- ```lua
--- print(dict:len() .. " entries")
--- ```
---@async
---@return integer
function Dict:len() end

--- Removes all entries.
---
--- Raises CLOSED like `get`.
---
--- ```lua
--- dict:clear()
--- ```
---@async
function Dict:clear() end

--- Has fn called, in this process, for every change from now on: an entry that is stored, also with the value
--- that it had, deleted, or has lived its time. Changes of one key come in their order.
---
--- fn is called soon after the change, outside of any task, so it cannot wait; it may spawn a task. What it
--- raises is reported and goes no further. The subscription lasts until it is cancelled, or until this
--- process or the dictionary's ends.
---
--- Raises CLOSED like `get`.
---
--- ```lua
--- local watch = dict:on_change(function(key, new, old) print(key, old, "→", new) end)
--- ```
---@async
---@param fn fun(key: any, new: any, old: any) # copies; new is nil when the entry is gone, old when it is new
---@return aimp.DictSubscription
function Dict:on_change(fn) end

---@class aimp.DictEntryOptions
---@field ttl? number # seconds that it lives, more than 0; math.huge: for good; default: the dictionary's

--- What `dict:on_change` returns. It lasts until `cancel`, or until this process or the dictionary's ends.
---@class aimp.DictSubscription
local DictSubscription = {}

--- Ends the subscription: once this has returned its function is not called any more. Again does nothing.
---
--- Raises nothing but misuse.
---
--- ```lua
--- local watch = dict:on_change(print); watch:cancel()
--- ```
function DictSubscription:cancel() end

