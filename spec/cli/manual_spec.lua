-- SPDX-License-Identifier: MIT
--- aimprun(1), --help and README.md say the same, and it is so.
local options = require("aimp.cli.options")
local pack = require("spec.integration.support")

local page = pack.read("docs/man/aimprun.1")
local readme = pack.read("README.md")

--- A section of the page: the lines between its heading and the next.
local function section(name)
  return assert((page .. ".Sh "):match("\n%.Sh " .. name .. "\n(.-)%.Sh "), name)
end

--- The chapter of README.md with this heading.
local function chapter(name)
  return assert((readme .. "\n## "):match("\n## " .. name .. "\n(.-)\n## "), name)
end

--- All first captures, as a set.
local function all(text, pattern)
  local set = {}
  for word in text:gmatch(pattern) do
    set[word] = true
  end
  return set
end

--- The names in the first cells of a table's rows, those of rows that `is_wanted(second cell)`.
local function cells(text, pattern, is_wanted)
  local set = {}
  for first, second in text:gmatch("\n| ([^|]+) | ([^\n]+) |") do
    if not is_wanted or is_wanted(second) then
      for word in first:gmatch(pattern) do
        set[word] = true
      end
    end
  end
  return set
end

local function count(set)
  local n = 0
  for _ in pairs(set) do
    n = n + 1
  end
  return n
end

describe("the options", function()
  -- "-O" of "-O[opt]": arguments stand apart, or in brackets.
  local function in_help()
    return all(options.HELP, "\n  (%-[%-%a]*)")
  end

  it("are the same in --help, README.md and the page", function()
    assert.is_true(count(in_help()) >= 11)
    assert.same(in_help(), cells(chapter("aimprun"), "`(%-[%-%a]*)"))
    local in_page = {}
    for name in section("DESCRIPTION"):gmatch("\n%.It Fl([^\n]*)") do
      in_page["-" .. (name:match("^ (%S+)") or "")] = true
    end
    assert.same(in_help(), in_page)
  end)

  it("are all in the page's synopsis", function()
    local synopsis = section("SYNOPSIS")
    local found = all(synopsis, "%f[%w%-|]Fl (%-?%-?%a*)")
    for letter in synopsis:match("Op Fl (%a%a+)\n"):gmatch("%a") do
      found[letter] = true
    end
    for option in pairs(in_help()) do
      assert.is_truthy(option == "-" and synopsis:find("| Fl\n") or found[option:sub(2)], option)
    end
  end)

  it("are all understood", function()
    for option in pairs(in_help()) do
      local words = { [0] = "aimprun", option, "text", "text" }
      assert.is_table(options.parse(words), option)
    end
  end)
end)

describe("the exit statuses", function()
  it("are the same in --help, README.md and the page", function()
    local statuses = all(section("EXIT STATUS"), "\n%.It A?r? ?(%w+)\n")
    assert.is_true(count(statuses) >= 6)
    assert.same(statuses, cells(chapter("aimprun"):match("| exit status .*"), "(%w+)"))
    assert.same(statuses, all(options.HELP:match("\nExit status:(\n.-\n)\n"), "  +(%w+)  +%S"))
  end)
end)

describe("the environment", function()
  local function is_users(reader)
    return not reader:find("^`?scripts/") and not reader:find("^the specs") and not reader:find("^builds ")
      and not reader:find("_test`")
  end

  -- The names behind .Ev in the lines of items.
  local function in_page()
    local set = {}
    for names in section("ENVIRONMENT"):gmatch("\n%.It Ev ([^\n]+)") do
      for name in names:gmatch("[%w_]+") do
        set[name] = true
      end
    end
    return set
  end

  it("is the same in README.md and the page, but for what tests and builds read", function()
    assert.is_true(count(in_page()) >= 6)
    assert.same(cells(chapter("Environment"), "`([%w_]+)`", is_users), in_page())
  end)

  it("is all in --help", function()
    for name in pairs(in_page()) do
      assert.is_truthy(options.HELP:find(name, 1, true), name)
    end
  end)

  it("has all of aimp's own that its modules read", function()
    local known = cells(chapter("Environment"), "`([%w_]+)`")
    local source = pack.must("find lua -name '*.lua' -exec cat {} +")
    local read = all(source, 'getenv%("(AIMP_[%w_]+)"%)')
    assert.is_true(count(read) >= 1)
    for name in pairs(read) do
      assert.is_true(known[name], name)
    end
  end)
end)

describe("the page's examples", function()
  -- The page's escapes, as far as its examples have them.
  local function plain(text)
    return (text:gsub("\\%-", "-"):gsub("\\%(aq", "'"):gsub("\\e", "\\"))
  end

  --- The commands, each with the text below it.
  local function commands(example)
    local list = {}
    for line in example:gmatch("([^\n]*)\n") do
      local command = line:match("^%$ (.*)")
      if command then
        list[#list + 1] = { command = command, text = "" }
      else
        list[#list].text = list[#list].text .. line .. "\n"
      end
    end
    return list
  end

  local function write(path, text)
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
  end

  -- What a terminal would show.
  local function run(entry, folder)
    return pack.must('cd "$1"; aimprun() { "$AIMPRUN" "$@"; }; eval "$2" | expand', folder, entry.command)
  end

  it("print what they say", function()
    local n = 0
    for example in section("EXAMPLES"):gmatch("\n%.Bd [^\n]*\n(.-)%.Ed\n") do
      n = n + 1
      pack.with_folder(function(folder)
        for _, entry in ipairs(commands(plain(example))) do
          local name = entry.command:match("^cat (%S+)$")
          if name then
            write(folder .. "/" .. name, entry.text)
          end
          assert.equal(entry.text, run(entry, folder))
        end
      end)
    end
    assert.is_true(n >= 3)
  end)
end)
