---@meta aimp.shm
-- SPDX-License-Identifier: MIT
-- Made by scripts/docs from the comments in lua/aimp; change those.

---@class aimp.shm
local shm = {}

--- Makes an array of n elements, all zero, that other processes can have. The type is one that holds no
--- pointers: "double", "int32_t", "struct point" after ffi.cdef, "struct { float x, y; }". Workers must have
--- declared a type that has a name of its own before they use the array.
---
--- Raises nothing but misuse, also for more than the memory that is left.
---
--- ```lua
--- local array = aimp.shm.array("double", 1000)
--- pool:apply(function(a) a[0] = 7 end, array):await()
--- print(array[0])
--- ```
---@param ctype string|ffi.ctype* # name of a C type, or what ffi.typeof returns
---@param n integer # elements
---@return aimp.shm.Array
function shm.array(ctype, n) end

return shm
