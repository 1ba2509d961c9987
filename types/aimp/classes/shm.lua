---@meta _
-- SPDX-License-Identifier: MIT
-- Made by scripts/docs from the comments in lua/aimp; change those.

--- An array of numbers, or of structs without pointers, that every process has mapped to which it was sent:
--- as an argument, in a table, through a queue or as a captured variable. Nothing is copied; what one process
--- writes the others read. Its elements are numbered from 0 and are zero at first. `array[i]` and
--- `array[i] = v` are `get` and `set`, but for a struct: `array[i].x = 1` writes into the array. `#array` is
--- its length.
---
--- `array.ptr` is an FFI pointer to the first element, for compiled loops: nothing is checked. The memory
--- stays mapped while that very value is held; `ptr + 1` and `ptr[0].field` hold nothing.
---
--- Processes that use the same elements at the same time have to agree on who does what, or use `add` and
--- `cas`. A loop that LuaJIT compiled may go on with a number that it read before; `add(i, 0)` always looks.
---
--- The memory is freed when the last process lets go of its array, or closes it. Until then the array takes
--- one file descriptor in each process that has it. In a worker, the first use of an array that has just come
--- may wait for it a moment.
---@class aimp.shm.Array
---@field ptr ffi.cdata* # pointer to element 0
---@operator len: integer
local Array = {}

--- Element i. Of a struct it is a copy: `set` puts it back.
---
--- Raises nothing but misuse; in a worker also CLOSED or STATE when the array cannot be had, DECODE when its
--- type is not declared there.
---
--- ```lua
--- local price = array:get(0)
--- ```
---@async
---@param i integer # from 0
---@return any value # 64-bit integers are cdata, as in FFI arrays
function Array:get(i) end

--- Sets element i. Numbers are converted as C does it. A struct is given as one or as a table of its fields;
--- those that are left out become zero.
---
--- Raises as `get`.
---
--- ```lua
--- array:set(0, 12.5)
--- ```
---@async
---@param i integer # from 0
---@param value any
function Array:set(i, value) end

--- The number of elements.
---
--- Raises nothing but misuse.
---
--- ```lua
--- for i = 0, array:length() - 1 do array:set(i, i) end
--- ```
---@return integer
function Array:length() end

--- Sets all elements to one value.
---
--- Raises as `set`.
---
--- ```lua
--- array:fill(0)
--- ```
---@async
---@param value any
function Array:fill(value) end

--- Copies all elements of another array of the same type, or the items of a list, to the beginning.
---
--- Raises as `set`.
---
--- ```lua
--- array:copy({ 1, 2, 3 })
--- ```
---@async
---@param from aimp.shm.Array|any[] # at most as long as this one
function Array:copy(from) end

--- Adds to element i, at once for all processes, and wraps around as C's integers do.
---
--- Raises as `get`; of other elements than integers misuse.
---
--- ```lua
--- local ticket = array:add(0, 1)
--- ```
---@async
---@param i integer # from 0
---@param n integer|ffi.cdata* # any integer
---@return integer|ffi.cdata* value # the new one; 64-bit integers are cdata
function Array:add(i, n) end

--- Sets element i if it has the expected value, at once for all processes.
---
--- Raises as `get`; of other elements than integers misuse.
---
--- ```lua
--- local old
--- repeat
---   old = array:get(0)
--- until array:cas(0, old, math.max(old, 7))
--- ```
---@async
---@param i integer # from 0
---@param expected integer|ffi.cdata* # any integer
---@param new integer|ffi.cdata* # any integer
---@return boolean is_set # false: it had another value, and keeps it
function Array:cas(i, expected, new) end

--- Lets go of the memory now, rather than when the collector finds the array unused. Other processes keep
--- theirs. Pointers and references into it must not be used any more; all methods but this one are misuse.
---
--- Raises nothing but misuse.
---
--- ```lua
--- array:close()
--- ```
function Array:close() end

