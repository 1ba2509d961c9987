--- The pages of docs/api and the types for editors, as scripts/docs writes and compares them.
-- SPDX-License-Identifier: MIT
local cli = require("spec.cli.support")
local support = require("spec.docs.support")
local tree = require("scripts.lib.docs.tree")

local function pages(...)
  local list = {}
  for i, from in ipairs({ ... }) do
    list[i] = { name = "page" .. i, title = "Page " .. i, intro = "About it.", from = from }
  end
  return list
end

describe("a page", function()
  after_each(cli.remove_folders)

  local _, texts = support.document(support.SOUND)
  cli.remove_folders()
  local page = texts.pages["all.md"]:gsub("documented%d+", "NAME")

  it("has a function's signature, description, parameters, results, errors and example", function()
    assert.matches([[
## NAME.box

`NAME.box([options]) → NAME.Box`

Makes a box.

Parameters:

- `options` [`NAME.BoxOptions`](#NAMEboxoptions)

Returns:

- [`NAME.Box`](#class-NAMEbox)

Raises nothing but misuse.

```lua
local box = NAME.box({ size = 3 })
```
]], page, 1, true)
  end)

  it("has the options behind the function that takes them", function()
    assert.matches("```\n\n## NAME.BoxOptions\n\n| field | type | |\n|---|---|---|\n"
      .. "| `size` | `integer` | items that it takes; default 10 |\n", page, 1, true)
  end)

  it("has a class with its fields and methods, and a mark at what waits", function()
    assert.matches("## Class NAME.Box\n\nA box for some things.\n\n| field | type | |\n|---|---|---|\n"
      .. "| `size` | `integer` | items that it takes |\n\n### box:take\n\n`box:take([timeout]) → thing` ⏳\n",
      page, 1, true)
  end)

  it("is in the index with all that is on it", function()
    local index = texts.pages["README.md"]:gsub("documented%d+", "NAME")
    assert.matches("## [All](all.md)", index, 1, true)
    assert.matches("| [`NAME.box`](all.md#NAMEbox) | Makes a box. |", index, 1, true)
    assert.matches("| [`box:take`](all.md#boxtake) ⏳ | Takes the last thing out; waits until there is one. |",
      index, 1, true)
  end)
end)

describe("the list of pages", function()
  after_each(cli.remove_folders)

  local function problems_of(list)
    return (support.document(support.SOUND, list))
  end

  it("has a place for all that is public", function()
    local problems = problems_of(pages({}))
    assert.equal(3, #problems)
    assert.matches("NAME.lua: NAME.box is on no page of scripts/lib/docs/pages.lua",
      table.concat(problems, "\n"), 1, true)
  end)

  it("names nothing that is not there", function()
    local problems = problems_of(pages({ "NAME.lua", "lua/elsewhere.lua" }))
    assert.same({ "scripts/lib/docs/pages.lua: page page1: nothing is from lua/elsewhere.lua" }, problems)
  end)

  it("sends a name before its file", function()
    local _, texts = support.document(support.SOUND, pages({ "NAME.lua" }, { "NAME.Box" }))
    assert.matches("## documented%d+.box\n", texts.pages["page1.md"])
    assert.matches("## Class documented%d+.Box\n", texts.pages["page2.md"])
    assert.is_nil(texts.pages["page1.md"]:find("## Class", 1, true))
  end)
end)

describe("types for editors", function()
  after_each(cli.remove_folders)

  it("are the same, as a module that can be required and classes that cannot", function()
    local _, texts, model = support.document(support.SOUND)
    local function text(path)
      local found = texts.types[(path:gsub("NAME", model.name))]
      return (assert(found, path):gsub(model.name, "NAME"))
    end
    assert.equal([[
---@meta NAME
-- SPDX-License-Identifier: MIT
-- Made by scripts/docs from the comments in lua/aimp; change those.

---@class NAME
local NAME = {}

--- Makes a box.
---
--- Raises nothing but misuse.
---
--- ```lua
--- local box = NAME.box({ size = 3 })
--- ```
---@param options? NAME.BoxOptions
---@return NAME.Box
function NAME.box(options) end

return NAME
]], text("NAME.lua"))
    assert.matches([[
--- A box for some things.
---@class NAME.Box
---@field size integer # items that it takes
local Box = {}
]], text("NAME/classes/all.lua"), 1, true)
    assert.matches([[
---@async
---@param timeout? number # seconds; default: as long as it takes
---@return any thing
function Box:take(timeout) end
]], text("NAME/classes/all.lua"), 1, true)
    assert.matches("^%-%-%-@meta _\n", text("NAME/classes/all.lua"))
  end)
end)

describe("a folder of pages", function()
  after_each(cli.remove_folders)

  local function problems_of(files, texts)
    local folder, problems = cli.folder(files), {}
    tree.compare(folder, texts, problems)
    for i, problem in ipairs(problems) do
      problems[i] = problem:sub(#folder + 2)
    end
    return problems
  end

  it("is as it would be written", function()
    assert.same({}, problems_of({ ["a.md"] = "A", ["b.md"] = "B" }, { ["a.md"] = "A", ["b.md"] = "B" }))
  end)

  it("has no page that says something else", function()
    assert.same({ "a.md: is not what the sources say; run scripts/docs" },
      problems_of({ ["a.md"] = "old" }, { ["a.md"] = "A" }))
  end)

  it("lacks none", function()
    assert.same({ "a.md: is missing; run scripts/docs" }, problems_of({}, { ["a.md"] = "A" }))
  end)

  it("has none that nothing makes", function()
    assert.same({ "a.md: nothing makes this page; run scripts/docs" }, problems_of({ ["a.md"] = "A" }, {}))
  end)

  it("is made so by writing", function()
    local folder, problems = cli.folder({ ["old.md"] = "old" }), {}
    tree.write(folder, { ["a.md"] = "A" })
    tree.compare(folder, { ["a.md"] = "A" }, problems)
    assert.same({}, problems)
  end)
end)
