--- Bars where there is no terminal, in a log or a pipe: each a plain line now and then, and one at its end.
---
--- Output of aimp.progress.display. Each line is one write, so lines of several processes stay whole.
-- SPDX-License-Identifier: MIT
local format = require("aimp.progress.format")

---@class aimp.progress.Lines : aimp.progress.Output
local Lines = {}
Lines.__index = Lines

local M = {}

local INTERVAL_S = 5

local function put(text)
  io.stderr:write(text)
end

---@param options? { write?: fun(text: string) }  injected by specs
---@return aimp.progress.Lines
function M.new(options)
  return setmetatable({
    interval = INTERVAL_S, idle = INTERVAL_S,
    draws_first = false,
    write = options and options.write or put,
    last = nil, -- the line that was written last
  }, Lines)
end

function Lines.open() end

local function say(self, view)
  local line = format.line(view)
  if line ~= self.last then -- a bar may end at the moment of its line
    self.last = line
    self.write(line .. "\n")
  end
end

---@param views aimp.progress.View[]
function Lines:draw(views)
  for _, view in ipairs(views) do
    say(self, view)
  end
end

---@param view? aimp.progress.View
function Lines:finish(view)
  if view then
    say(self, view)
  end
end

function Lines.close() end

return M
