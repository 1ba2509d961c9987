--- Small modules for the specs of scripts/docs: written to a folder, loaded and documented.
-- SPDX-License-Identifier: MIT
local cli = require("spec.cli.support")
local project = require("scripts.lib.docs.project")

local M = {}

local count = 0

--- A module with one function, a class and options, which lacks nothing. Specs change it in one place; NAME
--- is replaced by its name.
M.SOUND = [[
local check = require("aimp.check")
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")

local M = {}

--- A box for some things.
---@class NAME.Box
---@field size integer  items that it takes
local Box = {}
Box.__index = Box

--- Takes the last thing out; waits until there is one.
---
--- Raises TIMEOUT when none came in time.
---
--- Example: `local thing = box:take(5)`
---@async
---@param timeout? number  seconds; default: as long as it takes
---@return any thing
function Box:take(timeout)
  local f = fiber.waiter(1, "box:take")
  if timeout == 0 then
    error(errors.new("TIMEOUT", "nothing came"), 0)
  end
  return f
end

---@class NAME.BoxOptions
---@field size? integer  items that it takes; default 10
local rules = { size = { type = "integer", default = 10 } }

--- Makes a box.
---
--- Raises nothing but misuse.
---
--- Example: `local box = NAME.box({ size = 3 })`
---@param options? NAME.BoxOptions
---@return NAME.Box
function M.box(options)
  local checked = check.options(1, "NAME.box", options, rules)
  return setmetatable({ size = checked.size }, Box)
end

return M
]]

local function all_on_one()
  return { { name = "all", title = "All", intro = "Everything.", from = { "NAME.lua" } } }
end

local function of_name(pages, name)
  for _, page in ipairs(pages) do
    for i, from in ipairs(page.from) do
      page.from[i] = from:gsub("NAME", name)
    end
  end
  return pages
end

--- Documents a module made of a text, in which NAME is replaced by its name.
---@param text string
---@param pages? docs.Page[]  the same; default: one page with all
---@return string[] problems, { pages: table<string, string>, types: table<string, string> }? texts
---@return docs.Model? model
function M.document(text, pages)
  count = count + 1
  local name = "documented" .. count
  local folder = cli.folder({ [name .. ".lua"] = text:gsub("NAME", name) })
  local before = package.path
  package.path = folder .. "/?.lua;" .. before
  local ok, problems, texts, model = pcall(project.document, { module = name, root = folder, folder = "",
    pages = of_name(pages or all_on_one(), name) })
  package.path = before
  package.loaded[name] = nil
  assert(ok, problems)
  for i, problem in ipairs(problems) do
    problems[i] = problem:gsub(name, "NAME")
  end
  return problems, texts, model
end

--- The sound module with a piece of it replaced.
---@param old string
---@param new string
---@return string
function M.changed(old, new)
  local first, last = M.SOUND:find(old, 1, true)
  assert(first and not M.SOUND:find(old, last, true), "not there once: " .. old)
  return M.SOUND:sub(1, first - 1) .. new .. M.SOUND:sub(last + 1)
end

--- The problems of the sound module with a piece of it replaced.
---@param old string
---@param new string
---@return string[]
function M.problems_with(old, new)
  return (M.document(M.changed(old, new)))
end

return M
