--- What scripts/docs makes of aimp itself: nothing is missing, the committed pages are up to date, their
--- links lead somewhere and their programs run.
-- SPDX-License-Identifier: MIT
local cli = require("spec.cli.support")
local project = require("scripts.lib.docs.project")
local tree = require("scripts.lib.docs.tree")
local uv = require("luv")

local function check()
  return cli.run({ "scripts/lib/docs/main.lua", "--check" })
end

--- A copy of the checkout's parts that matter, in which something can be changed.
local function with_changed_page(fn)
  local folder = cli.folder({})
  local child = cli.shell([[cp -r lua docs types scripts "$1"]], folder)
  assert(child.status == 0, child.err)
  local ok, err = pcall(fn, folder)
  cli.shell([[rm -r "$1"/*]], folder)
  assert(ok, err)
end

describe("the documentation of aimp", function()
  after_each(cli.remove_folders)

  it("is complete and as committed", function()
    local child = check()
    assert.equal("", child.err)
    assert.equal(0, child.status)
  end)

  it("is not, once a page says something else", function()
    with_changed_page(function(folder)
      local file = assert(io.open(folder .. "/docs/api/tasks.md", "a"))
      file:write("More.\n")
      file:close()
      local child = cli.run({ "scripts/lib/docs/main.lua", "--check" }, { cwd = folder })
      assert.matches("docs/api/tasks.md: is not what the sources say", child.err, 1, true)
      assert.equal(1, child.status)
    end)
  end)

  it("is not, once a comment is gone", function()
    with_changed_page(function(folder)
      local path = folder .. "/lua/aimp/init.lua"
      local text, replaced = tree.read(path)
        :gsub("%-%-%- Raises nothing but misuse%.\n", "--- Nothing is raised.\n", 1)
      assert.equal(1, replaced)
      local file = assert(io.open(path, "w"))
      file:write(text)
      file:close()
      local child = cli.run({ "scripts/lib/docs/main.lua", "--check" }, { cwd = folder })
      assert.matches("lua/aimp/init.lua:%d+: aimp.sleep: does not say what it raises", child.err)
      assert.equal(1, child.status)
    end)
  end)

  --- Calls fn(code, name) for the examples that are whole programs.
  local function each_program(fn)
    local _, _, model = project.document({ module = "aimp", root = ".", folder = "lua/",
      pages = require("scripts.lib.docs.pages") })
    for _, entry in ipairs(model.entries) do
      for _, code in ipairs(entry.doc.examples) do
        if code:find('^local aimp = require%("aimp"%)') then
          fn(code, entry.name)
        end
      end
    end
  end

  it("has programs that run and print what they say", function()
    local count = 0
    each_program(function(code, name)
      count = count + 1
      local lines = {}
      for line in code:gmatch("%-%->%s+([^\n]*)") do
        lines[#lines + 1] = line .. "\n"
      end
      local child = cli.run({ "-" }, { stdin = code })
      assert.same({ err = "", status = 0, out = table.concat(lines) },
        { err = child.err, status = child.status, out = child.out }, name)
    end)
    assert.is_true(count >= 3)
  end)
end)

--- GitHub's anchors of the headings of a page, and how often each is there.
local function anchors_of(text)
  local anchors = {}
  for heading in text:gmatch("\n##* ([^\n]*)") do
    heading = heading:gsub("%[(.-)%]%b()", "%1"):lower():gsub("[^%w _-]", ""):gsub(" ", "-")
    anchors[heading] = (anchors[heading] or 0) + 1
  end
  return anchors
end

describe("the types for editors", function()
  it("are Lua, and have every name of the module", function()
    local list = tree.list("types", "")
    for _, path in ipairs(list) do
      assert(loadstring(tree.read("types/" .. path), "@types/" .. path))
    end
    assert.is_true(#list >= 8)
    local text, count = tree.read("types/aimp/init.lua"), 0
    for name in pairs(require("aimp")) do
      local is_there = text:find("\nfunction aimp%." .. name .. "%(") or text:find("\naimp%." .. name .. " =")
      assert.is_truthy(is_there, name)
      count = count + 1
    end
    assert.is_true(count > 15)
  end)
end)

describe("the pages", function()
  local texts = {}
  for _, path in ipairs(tree.list("docs/api", "")) do
    texts[path] = tree.read("docs/api/" .. path)
  end

  it("link to what is there", function()
    local count = 0
    for path, text in pairs(texts) do
      for target in text:gmatch("%]%(([^)]+)%)") do
        local page, anchor = target:match("^([^#]*)#?(.*)$")
        local other = assert(page == "" and text or texts[page], path .. ": " .. target)
        assert.is_true(anchor == "" or anchors_of(other)[anchor] == 1, path .. ": " .. target)
        count = count + 1
      end
    end
    assert.is_true(count > 100)
  end)

  it("are found from docs/README.md, all of whose links lead somewhere", function()
    local text, targets = tree.read("docs/README.md"), {}
    for target in text:gmatch("%]%(([^)]+)%)") do
      targets[target] = true
      assert.is_truthy(target:find("^https:") or uv.fs_stat("docs/" .. target), target)
    end
    assert.is_true(targets["api/README.md"])
    for _, path in ipairs(tree.list("docs", "")) do
      assert.is_truthy(path:find("/") or path == "README.md" or targets[path], path .. " has no link")
    end
  end)
end)
