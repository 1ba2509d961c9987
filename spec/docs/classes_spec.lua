--- What scripts/docs demands of classes, options and modules; and that what is documented is there.
-- SPDX-License-Identifier: MIT
local cli = require("spec.cli.support")
local support = require("spec.docs.support")

local function only(problems)
  assert(#problems == 1, ("%d problems:\n%s"):format(#problems, table.concat(problems, "\n")))
  return problems[1]
end

describe("a class", function()
  after_each(cli.remove_folders)

  it("needs a description", function()
    assert.equal("NAME.lua:7: NAME.Box: has no description",
      only(support.problems_with("--- A box for some things.\n", "")))
  end)

  it("needs one of each field", function()
    assert.matches("field 'size' has no description", only(support.problems_with(
      "---@field size integer  items that it takes\n", "---@field size string\n")))
  end)

  it("says the unit of a field", function()
    assert.matches("field 'size' is a number: say its unit", only(support.problems_with(
      "---@field size integer  items that it takes\n", "---@field size integer  how much it takes\n")))
  end)

  it("has all the methods that its file declares", function()
    local text = support.SOUND:gsub("return M\n$", [[
--- Empties it.
---
--- Raises nothing.
---
--- Example: `box:clear()`
function Box:clear() end
Box.clear = nil
%0]])
    assert.matches("NAME.Box: 'clear' is declared in line %d+ and not there at run time",
      only((support.document(text))))
  end)

  it("is public when something public has to do with it", function()
    local text = support.SOUND:gsub("return M\n$", [[
---@class NAME.Lid
local Lid = {}
function Lid:open() end
M._lid = Lid
%0]])
    assert.same({}, (support.document(text)))
    local problems = support.document((text:gsub("A box for", "With a NAME.Lid, for")))
    assert.equal(4, #problems, table.concat(problems, "\n"))
    assert.matches("NAME.Lid: has no description", problems[1])
    assert.matches("NAME.Lid:open: ", problems[4])
  end)

  it("has methods that were put together from several tables", function()
    local text = support.SOUND:gsub("return M\n$", [[
---@class NAME.Box
local Part = {}
function Part:shake() end
for name, method in pairs(Part) do
  Box[name] = method
end
%0]])
    local problems, texts = support.document(text)
    assert.equal(3, #problems, table.concat(problems, "\n"))
    assert.matches("NAME.Box:shake: has no description", problems[2])
    assert.matches("### box:shake\n", texts.pages["all.md"], 1, true)
  end)
end)

describe("an option", function()
  after_each(cli.remove_folders)

  it("is documented", function()
    assert.matches("NAME.BoxOptions: option 'size' is not documented", only(support.problems_with(
      "---@field size? integer  items that it takes; default 10\n", "")))
  end)

  it("is known to the code", function()
    assert.matches("NAME.BoxOptions: option 'lid' is documented and not known",
      only(support.problems_with("---@class NAME.BoxOptions\n",
        "---@class NAME.BoxOptions\n---@field lid? boolean  it can be closed\n")))
  end)

  it("says its default, which is that of the code", function()
    assert.matches("field 'size' does not say its default, 10", only(support.problems_with(
      "items that it takes; default 10", "items that it takes; default 12")))
  end)

  local SIZE = "---@field size? integer  items that it takes; default 10\n"

  -- The rules need not stand behind the comment: what the function gives to check.options counts.
  local function with_rules_elsewhere(fields)
    local text = support.changed("---@class NAME.BoxOptions\n" .. SIZE, "")
      :gsub("return M\n$", "---@class NAME.BoxOptions\n" .. fields .. "\n%0")
    return (support.document(text))
  end

  it("is found where the function checks it", function()
    assert.same({}, with_rules_elsewhere(SIZE))
    assert.matches("option 'size' is not documented", with_rules_elsewhere("")[1])
  end)

  it("is found in rules that the function makes itself", function()
    local text = support.changed('"NAME.box", options, rules)',
      '"NAME.box", options, { size = { type = "integer" }, lid = { check = tonumber } })')
      :gsub("local rules =", "\nlocal rules =")
    assert.matches("option 'lid' is not documented", only((support.document(text))))
  end)
end)

describe("a module", function()
  after_each(cli.remove_folders)

  it("describes its values", function()
    local text = support.SOUND:gsub("return M\n$", "M.LIMIT = 5\n%0")
    assert.matches("NAME.LIMIT has no description", only((support.document(text))))
    assert.same({}, (support.document((text:gsub("M.LIMIT", "--- The most items that a box takes.\n%0")))))
  end)

  it("has what its class's fields promise", function()
    local text = support.changed("local M = {}\n",
      "---@class NAME\n---@field lid fun()  makes one\nlocal M = {}\n")
    assert.matches("NAME.lid is documented and not there", only((support.document(text))))
  end)

  it("is documented as a module of a module is", function()
    local text = support.SOUND:gsub("return M\n$", "M.lids = { open = function() end }\n%0")
    local problems = support.document(text)
    assert.equal(3, #problems, table.concat(problems, "\n"))
    for _, problem in ipairs(problems) do
      assert.matches("NAME.lua:45: NAME.lids.open: ", problem, 1, true)
    end
  end)

  it("that was changed since it was loaded is told apart", function()
    local text = [[
local make = loadstring("\n\nreturn function() end", debug.getinfo(1, "S").source)
return { made = make() }
]]
    assert.equal("NAME: functions are not where the sources have them; build aimprun again",
      only((support.document(text))))
  end)
end)
