-- SPDX-License-Identifier: MIT
--- What all examples have in common.
local uv = require("luv")

local function names()
  local list = {}
  for name, kind in uv.fs_scandir_next, assert(uv.fs_scandir("examples")) do
    if kind == "file" then
      list[#list + 1] = assert(name:match("^([%w_]+)%.lua$"), "no Lua file: " .. name)
    end
  end
  table.sort(list)
  return list
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

local function specs()
  local text = ""
  for name in uv.fs_scandir_next, assert(uv.fs_scandir("spec/examples")) do
    text = text .. read("spec/examples/" .. name)
  end
  return text
end

describe("every example", function()
  it("says what it shows and how it is run, and is short", function()
    assert.is_true(#names() >= 6)
    for _, name in ipairs(names()) do
      local text = read(("examples/%s.lua"):format(name))
      assert.matches("^%-%-%- [^\n]+\n", text, name)
      assert.is_truthy(text:find(("\n---   aimprun %s.lua"):format(name), 1, true), name)
      assert.is_true(select(2, text:gsub("\n", "")) < 60, name .. " has 60 lines or more")
    end
  end)

  it("is run by a spec", function()
    local text = specs()
    for _, name in ipairs(names()) do
      assert.is_truthy(text:find(('run("%s"'):format(name), 1, true), name)
    end
  end)
end)
