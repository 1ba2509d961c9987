--- How large the terminal at stderr is. Open while bars are shown.
---
--- luv says it of a handle, and libuv opens a handle's terminal anew, close-on-exec and non-blocking, in the
--- place of the descriptor that it is given. That must not happen to stderr, so the handle gets another one.
-- SPDX-License-Identifier: MIT
local uv = require("aimp.uv")

local M = {}

local O_RDONLY, O_NOCTTY = 0, 256 -- as Linux has them; luv does not name the second
local COLUMNS, ROWS = 80, 24      -- where nothing is known

local handle = nil ---@type userdata?

local function close_own(fd)
  if not handle or handle:fileno() ~= fd then -- libuv opened the terminal once more
    uv.fs_close(fd)
  end
end

function M.open()
  local fd = not handle and uv.guess_handle(2) == "tty"
    and uv.fs_open("/proc/self/fd/2", O_RDONLY + O_NOCTTY, 0)
  if fd then
    handle = uv.new_tty(fd, false)
    close_own(fd)
  end
end

--- As it is now; for a file, as the environment says.
---@return integer columns
---@return integer rows
function M.get()
  local columns, rows
  if handle then
    columns, rows = handle:get_winsize()
  end
  if type(columns) ~= "number" or columns < 1 then
    columns = tonumber(os.getenv("COLUMNS")) or COLUMNS
  end
  if type(rows) ~= "number" or rows < 1 then
    rows = tonumber(os.getenv("LINES")) or ROWS
  end
  return columns, rows
end

function M.close()
  if handle then
    handle:close()
    handle = nil
  end
end

return M
