---@meta aimp.errors
-- SPDX-License-Identifier: MIT
-- Made by scripts/docs from the comments in lua/aimp; change those.

---@class aimp.errors
local errors = {}

--- The codes that there are, each under its own name.
---@type table<aimp.ErrorCode, aimp.ErrorCode>
errors.codes = nil

--- A printable text of any value: a string as it is, the `message` of a table without `__tostring`, else what
--- `tostring` gives. Survives a `__tostring` that raises or returns no string.
---
--- Raises nothing.
---
--- ```lua
--- io.stderr:write("failed: ", errors.describe(err), "\n")
--- ```
---@param value any
---@return string
function errors.describe(value) end

--- Message handler for xpcall: an error object with the traceback of where it was raised.
---
--- Raises nothing.
---
--- ```lua
--- local ok, err = xpcall(work, errors.handler)
--- if not ok then
---   print(err.message, err.traceback)
--- end
--- ```
---@param e any # what was raised
---@return aimp.Error
function errors.handler(e) end

--- Whether a value is an error object, of that code if one is given. For use behind `pcall`, where anything
--- may have been raised.
---
--- Raises nothing.
---
--- ```lua
--- local ok, err = pcall(aimp.timeout, 5, fetch, url)
--- if not ok and not errors.is(err, "TIMEOUT") then
---   error(err, 0)
--- end
--- ```
---@param e any # what was raised
---@param code? aimp.ErrorCode # default: any code
---@return boolean
function errors.is(e, code) end

--- An error object, to be raised with `error(err, 0)`.
---
--- Raises nothing but misuse.
---
--- ```lua
--- error(errors.new("STATE", "the printer has no paper", { printer = name }), 0)
--- ```
---@param code aimp.ErrorCode # one that there is
---@param message string # one line for people
---@param fields? table # further fields, copied; those that aimp.Error names mean what it says there
---@return aimp.Error
function errors.new(code, message, fields) end

--- Turns what was raised into an error object: one that is one already is kept, another value becomes the
--- `cause` of a REMOTE error.
---
--- Raises nothing.
---
--- ```lua
--- local err = errors.wrap(raised, debug.traceback())
--- ```
---@param e any # what was raised
---@param traceback? string # used where the error has none yet
---@return aimp.Error
function errors.wrap(e, traceback) end

return errors
