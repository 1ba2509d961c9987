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
  }, Lines)
end

function Lines.open() end

---@param views aimp.progress.View[]
function Lines:draw(views)
  for _, view in ipairs(views) do
    self.write(format.line(view) .. "\n")
  end
end

---@param view? aimp.progress.View
function Lines:finish(view)
  if view then
    self.write(format.line(view) .. "\n")
  end
end

function Lines.close() end

return M
