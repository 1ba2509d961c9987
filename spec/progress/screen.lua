-- SPDX-License-Identifier: MIT
--- A terminal's screen, as far as progress bars use it: what stands on it after some output. An escape
--- sequence that it does not know is an error, so that none is sent by mistake.
local M = {}

---@class spec.Screen
---@field columns integer
---@field rows integer
local Screen = {}
Screen.__index = Screen

---@param columns integer
---@param rows integer
---@return spec.Screen
function M.new(columns, rows)
  return setmetatable({
    columns = columns, rows = rows,
    lines = { {} },          -- all there ever were; the last are the screen. Lists of characters
    top = 1,                 -- the screen's first line
    row = 1, column = 1,     -- of the cursor; row counts from the first line of all
    saved = nil, wraps = true,
  }, Screen)
end

local function go_down(self)
  self.row = self.row + 1
  self.lines[self.row] = self.lines[self.row] or {}
  self.top = math.max(self.top, self.row - self.rows + 1)
end

local function put(self, character)
  if self.column > self.columns then
    if self.wraps then
      go_down(self)
      self.column = 1
    else
      self.column = self.columns
    end
  end
  local line = self.lines[self.row]
  for i = #line + 1, self.column - 1 do
    line[i] = " "
  end
  line[self.column] = character
  self.column = self.column + 1
end

local function erase_below(self)
  local line = self.lines[self.row]
  for i = #line, self.column, -1 do
    line[i] = nil
  end
  for row = self.row + 1, #self.lines do
    self.lines[row] = {}
  end
end

-- Relative to the screen, as a terminal counts: what scrolled in between moves the place.
local function save(self)
  self.saved = { self.row - self.top, self.column }
end

local function restore(self)
  self.row, self.column = self.top + self.saved[1], self.saved[2]
end

local function go_to_tab(self)
  self.column = math.min(self.columns, self.column + 8 - (self.column - 1) % 8)
end

local sequences = {
  { "^\t", go_to_tab },
  { "^\r", function(self) self.column = 1 end },
  { "^\n", go_down },
  { "^\27D", go_down },
  { "^\0277", save },
  { "^\0278", restore },
  { "^\27%[J", erase_below },
  { "^\27%[(%d+)A", function(self, n) self.row = math.max(self.top, self.row - n) end },
  { "^\27%[%?7([hl])", function(self, mode) self.wraps = mode == "h" end },
  { "^[%z\1-\31\127]", function(_, byte) error(("control character or sequence %q"):format(byte)) end },
  { "^[^\128-\191][\128-\191]*", put },
}

local function step(self, text, at)
  for _, sequence in ipairs(sequences) do
    local first, last, argument = text:find(sequence[1], at)
    if first then
      sequence[2](self, argument or text:sub(first, last))
      return last + 1
    end
  end
  error("invalid UTF-8: " .. text:sub(at, at + 10))
end

---@param text string
---@return spec.Screen self
function Screen:feed(text)
  local at = 1
  while at <= #text do
    at = step(self, text, at)
  end
  return self
end

--- All lines from the first to the last that is not empty, without blanks at their ends.
---@return string[]
function Screen:text()
  local list = {}
  for i, line in ipairs(self.lines) do
    list[i] = table.concat(line):gsub("%s+$", "")
  end
  while #list > 0 and list[#list] == "" do
    list[#list] = nil
  end
  return list
end

return M
