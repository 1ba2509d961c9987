-- SPDX-License-Identifier: MIT
--- The table of names in docs/vocabulary.md against the public API, which scripts/docs knows.
local describe, it, assert = describe, it, require("luassert")

local errors = require("aimp.errors")
local pages = require("scripts.lib.docs.pages")
local project = require("scripts.lib.docs.project")

--- What objects are called in the document.
local class_of = {
  array = "aimp.shm.Array", bar = "aimp.ProgressBar", barrier = "aimp.Barrier", counter = "aimp.Counter",
  dict = "aimp.Dict", err = "aimp.Error", event = "aimp.Event", group = "aimp.TaskGroup",
  headers = "aimp.http.Headers", lock = "aimp.Lock", pool = "aimp.Pool", process = "aimp.Process",
  queue = "aimp.Queue", response = "aimp.http.Response", result = "aimp.PoolResult",
  scheduler = "aimp.RoundRobin", semaphore = "aimp.Semaphore", session = "aimp.http.Session",
  subscription = "aimp.DictSubscription", task = "aimp.Task", worker = "aimp.Worker",
}

local problems, _, model = project.document({ module = "aimp", folder = "lua/", root = ".", pages = pages })

-- The code in the first column of each table.
local function spans()
  local list = {}
  for line in io.lines("docs/vocabulary.md") do
    local cell = line:match("^| (.-) |")
    for span in (cell or ""):gmatch("`([^`]+)`") do
      list[#list + 1] = span
    end
  end
  return list
end

---@class spec.Name
---@field text string   the code that it is in
---@field class string  "aimp.Task", "aimp"
---@field key string    "await", "http.get"

---@return spec.Name[]
local function names()
  local list = {}
  for _, span in ipairs(spans()) do
    for object, key in span:gmatch("%f[%w_.:](%a[%w_]*)[.:](%a[%w_.]*)") do
      local class = object == "aimp" and "aimp" or class_of[object] or error("who is '" .. object .. "'?")
      list[#list + 1] = { text = span, class = class, key = key }
    end
  end
  return list
end

-- All that the API has, methods with a dot: "aimp.Task.await".
local function api()
  local set = {}
  for _, entry in ipairs(model.entries) do
    local name = entry.name:gsub(":", ".")
    set[name] = true
  end
  return set
end

local function has_field(class, key)
  for _, field in ipairs(class and class.fields or {}) do
    if field.name == key then
      return true
    end
  end
  return false
end

-- Whether the class has the name, or one that it inherits from.
local function is_known(known, class_name, key)
  local class = model.classes[class_name]
  if known[class_name .. "." .. key] or has_field(class, key) then
    return true
  end
  for _, parent in ipairs(class and class.parents or {}) do
    if is_known(known, parent, key) then
      return true
    end
  end
  return false
end

local function is_option(word)
  for name, class in pairs(model.classes) do
    if name:find("Options$") and has_field(class, word) then
      return true
    end
  end
  return false
end

describe("docs/vocabulary.md", function()
  it("can be checked: the API is known", function()
    assert.is_table(model, table.concat(problems, "\n"))
  end)

  it("names nothing that aimp does not have", function()
    local known = api()
    for _, name in ipairs(names()) do
      assert.is_true(is_known(known, name.class, name.key),
        ("`%s`: %s has no '%s'"):format(name.text, name.class, name.key))
    end
  end)

  it("names no option and no code that aimp does not have", function()
    for _, span in ipairs(spans()) do
      if span:find("^[%w_]+$") then
        assert.is_true(is_option(span) or errors.codes[span] ~= nil, "`" .. span .. "` is not known")
      end
    end
  end)

  it("has every function and method of aimp", function()
    local named = {}
    for _, name in ipairs(names()) do
      named[name.class .. "." .. name.key] = true
    end
    for name in pairs(api()) do
      name = name:gsub("^aimp%.LeastLoaded%.", "aimp.RoundRobin.") -- the same methods
      local inherited = name:gsub("^aimp%.Process%.", "aimp.Worker.")
      assert.is_true(named[name] or named[inherited] or name:find("%.__%w+$") ~= nil, name .. " is missing")
    end
  end)

  it("has every error code", function()
    local text = table.concat(spans(), " ")
    for code in pairs(errors.codes) do
      assert.is_truthy(text:find("%f[%w_]" .. code .. "%f[^%w_]"), code .. " is missing")
    end
  end)
end)
