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

  it("has each field once, and no method of that name", function()
    local field = "---@field size integer  items that it takes\n"
    local twice = only(support.problems_with(field, field .. field))
    assert.matches("NAME.Box: field 'size' is there twice", twice)
    local both = only(support.problems_with(field, field .. "---@field take boolean  it can be taken\n"))
    assert.matches("NAME.Box: 'take' is a field and a method", both)
  end)

  it("has tags that can be read", function()
    assert.matches("NAME.Box: cannot read ---@field size", only(support.problems_with(
      "---@field size integer  items that it takes\n", "---@field size\n")))
  end)

  it("may have an example, which is checked", function()
    local text = support.changed("--- A box for some things.\n",
      "--- A box for some things.\n---\n--- Example: `local box = NAME.bux()`\n")
    assert.matches("NAME.lua:7: NAME.Box: names NAME.bux, which is not there", only((support.document(text))))
    local _, texts = support.document((text:gsub("bux", "box")))
    assert.matches("things%.\n\n```lua\nlocal box = documented%d+%.box%(%)\n```\n", texts.pages["all.md"])
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

describe("a class that extends another", function()
  after_each(cli.remove_folders)

  local BAG = [[
--- A box that is soft.
---@class NAME.Bag: NAME.Box
local Bag = {}
for name, method in pairs(Box) do
  Bag[name] = method
end

--- Takes everything out.
---
--- Raises nothing.
---
--- Example: `local all = bag:take()`
---@return any thing
function Bag:take()
  return self.size
end

--- Makes a bag.
---
--- Raises nothing.
---
--- Example: `local bag = NAME.bag()`
---@return NAME.Bag
function M.bag()
  return setmetatable({}, { __index = Bag })
end
]]

  it("has methods of its own, and not those that were copied", function()
    local text = support.SOUND:gsub("function Box:take", "function Box:shake() end\n%0")
      :gsub("(%-%-%- Takes the.-)(function Box:shake%(%) end)\n", "%2\n%1")
      :gsub("return M\n$", function(ending) return BAG .. ending end)
    local problems, texts = support.document(text)
    assert.equal(3, #problems, table.concat(problems, "\n")) -- those of shake, once
    local page = texts.pages["all.md"]
    assert.matches("### bag:take\n\n`bag:take() → thing`\n\nTakes everything out.", page, 1, true)
    assert.matches("### box:take\n\n`box:take([timeout]) → thing` ⏳\n", page, 1, true)
    assert.is_nil(page:find("bag:shake", 1, true))
    assert.matches("Is also a [`documented%d+.Box`]", page:gsub("documented%d+", "documented%%d+"), 1, true)
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

  it("is checked against some rules", function()
    local text = support.changed("options, rules)", "options, M.rules())")
      :gsub("local rules =", "\nlocal rules =")
      :gsub("local M = {}", "%0\n\n---@private\nfunction M.rules() end")
    assert.matches("NAME.BoxOptions: no rules are found which it could be checked against",
      only((support.document(text))))
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
