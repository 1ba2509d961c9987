--- Bars on a terminal: one line each, below the place where the next output goes.
---
---     …what was printed
---     ▌                                the cursor: whatever anybody writes has a line of its own
---     load   42%|███▍    | 42/100 …
---     store  17%|█▍      | 17/100 …
---
--- So all that is below the cursor is ours, and is taken away without knowing where on the screen it is: also
--- after the window changed its size, and when a worker wrote something. A bar that ends becomes a line of
--- the output above. One write paints all, with the terminal's wrapping off meanwhile.
---
--- An output of display.lua, which says when to draw. Not here: what the lines say (format.lua).
-- SPDX-License-Identifier: MIT
local format = require("aimp.progress.format")
local prints = require("aimp.progress.prints")
local size = require("aimp.progress.size")

---@class aimp.progress.Terminal : aimp.progress.Output
local Terminal = {}
Terminal.__index = Terminal

local M = {}

local ESC = "\27"
local ERASE_BELOW = ESC .. "[J"
local DOWN = ESC .. "D" -- scrolls at the bottom, and stays in its column
local SAVE, RESTORE = ESC .. "7", ESC .. "8"
local NO_WRAP, WRAP = ESC .. "[?7l", ESC .. "[?7h"

-- Erases what was there, makes room for the lines and writes them, and returns to where the cursor was.
local function painting(lines)
  if #lines == 0 then
    return ERASE_BELOW
  end
  return table.concat({
    ERASE_BELOW, DOWN:rep(#lines), ESC, "[", #lines, "A",
    SAVE, NO_WRAP, "\r\n", table.concat(lines, "\r\n"), WRAP, RESTORE,
  })
end

---@param options? { write?: fun(text: string), size?: table }  injected by specs
---@return aimp.progress.Terminal
function M.new(options)
  options = options or {}
  return setmetatable({
    interval = 0.1, idle = 1,            -- seconds between two drawings: at least, and at most
    draws_first = true,
    write = options.write or prints.put,
    size = options.size or size,
    lines = {},                          -- what is painted
  }, Terminal)
end

---@param before fun()  called before the script prints
function Terminal:open(before)
  self.size.open()
  prints.install(function()
    before()
    if #self.lines > 0 then
      self.write(ERASE_BELOW)
    end
  end, function()
    self.write(painting(self.lines))
  end)
end

-- The line above the bars stays free, and one more, so that the end of what was printed is seen.
local function lines_of(views, columns, rows)
  local lines = {}
  for i = 1, math.min(#views, math.max(1, rows - 2)) do
    lines[i] = format.bar(views[i], columns)
  end
  return lines
end

---@param views aimp.progress.View[]
function Terminal:draw(views)
  self.lines = lines_of(views, self.size.get())
  self.write(painting(self.lines))
end

---@param view? aimp.progress.View  of a bar that ended; nil: it leaves no line
---@param rest aimp.progress.View[]
function Terminal:finish(view, rest)
  local columns, rows = self.size.get()
  local last = view and NO_WRAP .. format.bar(view, columns) .. WRAP .. "\r\n" or ""
  self.lines = lines_of(rest, columns, rows)
  self.write(ERASE_BELOW .. last .. painting(self.lines))
end

function Terminal:close()
  prints.remove()
  self.size.close()
end

return M
