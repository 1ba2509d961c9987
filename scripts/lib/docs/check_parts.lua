--- What several checks need: that a number has a unit, a type is declared, a name is there.
-- SPDX-License-Identifier: MIT
local types = require("scripts.lib.docs.types")
local units = require("scripts.lib.docs.units")

local M = {}

--- A number without a unit.
---@param value docs.Value
---@param what string  "@param"
---@param report fun(fmt: string, ...)
function M.unit(value, what, report)
  if types.is_number(value.kind) and not units.is_named((value.name or "") .. " " .. value.text) then
    report("%s '%s' is a number: say its unit or what it counts (see scripts/lib/docs/units.lua)", what,
      value.name or value.kind)
  end
end

--- A type that nothing declares.
---@param model docs.Model
---@param kind string
---@param report fun(fmt: string, ...)
function M.kind(model, kind, report)
  types.each_name(kind, function(name)
    if name:sub(1, #model.name + 1) == model.name .. "." and not model.all_classes[name]
      and not model.aliases[name] and not model.modules[name] then
      report("the type %s is not declared", name)
    end
  end)
end

--- A name that is not there, in code or text: "aimp.spwan".
---@param model docs.Model
---@param text string
---@param report fun(fmt: string, ...)
function M.names(model, text, report)
  for name in (" " .. text):gmatch("[^%w_.\"/]" .. model.name .. "%.([%a_][%w_]*)") do
    if model.modules[model.name].keys[name] == nil and not model.all_classes[model.name .. "." .. name]
      and not model.aliases[model.name .. "." .. name] then
      report("names %s.%s, which is not there", model.name, name)
    end
  end
end

--- Examples that are no Lua, or name what is not there.
---@param model docs.Model
---@param examples string[]
---@param report fun(fmt: string, ...)
function M.examples(model, examples, report)
  for _, code in ipairs(examples) do
    local chunk, message = loadstring(code, "=example")
    if not code:find("%S") then
      report("has an empty example")
    elseif not chunk then
      report("its example does not compile: %s", message)
    end
    M.names(model, "\n" .. code, report)
  end
end

return M
