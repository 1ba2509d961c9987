--- Lays the public API out on pages, in order.
-- SPDX-License-Identifier: MIT
local lists = require("scripts.lib.docs.lists")
local types = require("scripts.lib.docs.types")

local M = {}

---@class docs.Item  what has a heading of its own on a page
---@field kind "function"|"class"|"alias"|"value"
---@field name string
---@field file string
---@field line integer
---@field entry? docs.Entry
---@field class? docs.PublicClass
---@field doc? docs.Annotation  of aliases and values
---@field page? docs.PageOf
---@field place? integer        in the page's `from`

---@class docs.PageOf
---@field page docs.Page
---@field items docs.Item[]

local function add_module_items(items, module)
  for _, entry in ipairs(module.entries) do
    items[#items + 1] = { kind = "function", name = entry.name, file = entry.file, line = entry.line,
      entry = entry }
  end
  for _, value in ipairs(module.values) do
    items[#items + 1] = { kind = "value", name = value.name, file = module.path or "?", line = 0,
      doc = value.doc }
  end
end

-- Everything that is public, but for methods, which come with their class.
local function items_of(model)
  local items = {}
  for _, module in ipairs(model.module_list) do
    add_module_items(items, module)
  end
  for _, name in ipairs(lists.keys(model.classes)) do
    local class = model.classes[name]
    items[#items + 1] = { kind = "class", name = name, file = class.file, line = class.line, class = class }
  end
  for _, name in ipairs(lists.keys(model.used_aliases)) do
    local alias = model.used_aliases[name]
    items[#items + 1] = { kind = "alias", name = name, file = alias.file, line = 0, doc = alias.doc }
  end
  return items
end

-- How well an entry of `from` fits: a name, a file, a folder; the longest folder.
local function fit(item, from)
  if from == item.name then
    return 1000
  elseif from == item.file then
    return 999
  end
  return from:sub(-1) == "/" and item.file:sub(1, #from) == from and #from or 0
end

local function place_on(page, item)
  local best, place = 0, nil
  for i, from in ipairs(page.from) do
    local points = fit(item, from)
    if points > best then
      best, place = points, i
    end
  end
  return place, best
end

local function find_page(item, pages)
  local best, found, place = 0, nil, nil
  for _, page in ipairs(pages) do
    local here, points = place_on(page, item)
    if points > best then
      best, found, place = points, page, here
    end
  end
  return found, place
end

local function before(a, b)
  if a.place ~= b.place then
    return (a.place or math.huge) < (b.place or math.huge)
  elseif a.file ~= b.file then
    return a.file < b.file
  elseif a.line ~= b.line then
    return a.line < b.line
  end
  return a.name < b.name
end

-- What comes behind an item: the options that it takes, then the class of which it makes objects.
local function followers(item, waiting)
  local found = {}
  for _, entry in ipairs(item.entry and { item.entry } or item.class and item.class.entries or {}) do
    for _, value in ipairs(entry.doc.params) do
      types.each_name(value.kind, function(name)
        if name:find("Options$") then
          found[#found + 1], waiting[name] = waiting[name], nil
        end
      end)
    end
  end
  return found
end

local function add(result, item, waiting)
  result[#result + 1] = item
  lists.append(result, followers(item, waiting))
  local class = waiting[item.name]
  if class then
    waiting[item.name] = nil
    add(result, class, waiting)
  end
end

local function waits_for_function(item, is_function)
  return item.kind == "class" and (item.name:find("Options$") or is_function[item.name])
end

-- Options come behind the first function that takes them, and a class behind the function of its name.
local function put_behind(items)
  local waiting, is_function, result = {}, {}, {}
  for _, item in ipairs(items) do
    is_function[item.name] = is_function[item.name] or item.kind == "function"
  end
  for _, item in ipairs(items) do
    waiting[item.name] = waits_for_function(item, is_function) and item or waiting[item.name]
  end
  for _, item in ipairs(items) do
    if not waits_for_function(item, is_function) then
      add(result, item, waiting)
    end
  end
  for _, item in ipairs(items) do
    result[#result + 1] = waiting[item.name]
  end
  return result
end

local function report_unused(model, pages, used)
  for _, page in ipairs(pages) do
    for _, from in ipairs(page.from) do
      if not used[page][from] then
        model:report("scripts/lib/docs/pages.lua: page %s: nothing is from %s", page.name, from)
      end
    end
  end
end

-- The methods of a class in the order of the page's files.
local function sort_methods(page, item, used)
  for _, entry in ipairs(item.class and item.class.entries or {}) do
    entry.place = place_on(page, { file = entry.file })
    used[page.from[entry.place or 0] or 0] = true
  end
  if item.class then
    table.sort(item.class.entries, before)
  end
end

--- The pages with what is on them; what is on none is reported.
---@param model docs.Model
---@param pages docs.Page[]
---@return docs.PageOf[]
function M.lay_out(model, pages)
  local result, of, used = {}, {}, {}
  for _, page in ipairs(pages) do
    of[page], used[page] = { page = page, items = {} }, {}
    result[#result + 1] = of[page]
  end
  for _, item in ipairs(items_of(model)) do
    local page, place = find_page(item, pages)
    if page then
      item.place, used[page][page.from[place]] = place, true
      table.insert(of[page].items, item)
      sort_methods(page, item, used[page])
    else
      model:report("%s: %s is on no page of scripts/lib/docs/pages.lua", item.file, item.name)
    end
  end
  report_unused(model, pages, used)
  for _, page in ipairs(result) do
    table.sort(page.items, before)
    page.items = put_behind(page.items)
  end
  return result
end

return M
