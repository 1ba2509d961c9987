--- What each public function must say, and that it is true.
---
--- `report(fmt, …)` adds a problem with the function's place in front.
-- SPDX-License-Identifier: MIT
local errors = require("aimp.errors")
local parts = require("scripts.lib.docs.check_parts")

local M = {}

local function check_text(entry, report)
  if entry.doc.text == "" then
    report("has no description")
  end
  for _, fault in ipairs(entry.doc.faults) do
    report("%s", fault)
  end
end

-- A misuse is everywhere; else codes, or words where the error is somebody else's.
local function check_raises(entry, report)
  local raises = entry.doc.raises
  if not raises then
    return report('does not say what it raises: "Raises TIMEOUT when …" or "Raises nothing but misuse."')
  end
  for word in raises:gmatch("%f[%w_]%u[%u_]+%f[^%w_]") do
    if not errors.codes[word] and word ~= "JSON" then
      report("raises %s, which is no code of aimp.errors", word)
    end
  end
end

-- Error codes that its own code makes must be in its text.
local function check_codes(entry, calls, report)
  local text = entry.doc.text .. (entry.doc.raises or "")
  for name in pairs(calls.strings) do
    if errors.codes[name] and not text:find(name, 1, true) then
      report("makes an error %s and does not say so", name)
    end
  end
end

local function check_order(entry, report)
  for i, name in ipairs(entry.params) do
    if entry.doc.params[i].name ~= name then
      return report("@param '%s' stands at another place than the parameter", name)
    end
  end
end

local function check_params(model, entry, report)
  local documented, is_complete = {}, true
  for _, value in ipairs(entry.doc.params) do
    documented[value.name] = true
    parts.kind(model, value.kind, report)
    parts.unit(value, "@param", report)
  end
  for _, name in ipairs(entry.params) do
    if not documented[name] then
      report("parameter '%s' has no @param", name)
      is_complete = false
    end
    documented[name] = nil
  end
  for name in pairs(documented) do
    report("@param '%s' is of no parameter", name)
    is_complete = false
  end
  if is_complete then
    check_order(entry, report)
  end
end

local function check_returns(model, entry, calls, report)
  local count = #entry.doc.returns
  if calls.returns == "some" and count == 0 then
    report("returns something and has no @return")
  elseif calls.returns == "none" and count > 0 then
    report("has a @return and returns nothing")
  end
  for _, value in ipairs(entry.doc.returns) do
    parts.kind(model, value.kind, report)
    local text = value.text .. " " .. entry.doc.text -- which often says what there is one of
    parts.unit({ name = value.name, kind = value.kind, text = text }, "@return", report)
  end
end

-- One that gives an iterator may leave the waiting to it.
local function gives_function(entry)
  local first = entry.doc.returns[1]
  return first ~= nil and first.kind:find("fun%(") ~= nil
end

local function check_async(behaviour, entry, report)
  local waits = behaviour:waits(entry)
  if waits == "surely" and not entry.doc.is_async then
    report("waits and is not marked ---@async")
  elseif waits == "never" and entry.doc.is_async and not gives_function(entry) then
    report("is marked ---@async and never waits")
  end
end

--- All of one function.
---@param model docs.Model
---@param behaviour docs.Behaviour
---@param entry docs.Entry
---@param report fun(fmt: string, ...)
function M.check(model, behaviour, entry, report)
  local calls = behaviour:calls(entry)
  check_text(entry, report)
  check_raises(entry, report)
  check_codes(entry, calls, report)
  check_params(model, entry, report)
  check_returns(model, entry, calls, report)
  check_async(behaviour, entry, report)
  if #entry.doc.examples == 0 then
    report("has no example")
  end
  parts.examples(model, entry.doc.examples, report)
  parts.names(model, entry.doc.text, report)
end

return M
