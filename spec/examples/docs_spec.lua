-- SPDX-License-Identifier: MIT
--- The documents for readers: their programs run and print what they say, what they name is there.
local cli = require("spec.cli.support")
local support = require("spec.examples.support")
local uv = require("luv")

local DOCUMENTS = { "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md" }

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

local function programs(path)
  local list = {}
  for code in read(path):gmatch("\n```lua\n(.-)\n```") do
    list[#list + 1] = code
  end
  return list
end

--- The lines that a program says it prints: what stands behind `-->`.
local function promised(code)
  local lines = {}
  for line in code:gmatch("%-%->%s+([^\n]*)") do
    lines[#lines + 1] = line .. "\n"
  end
  return table.concat(lines)
end

local function is_there(path)
  return uv.fs_stat(path) ~= nil
end

-- ARCHITECTURE.md names C files by their layer.
local function is_named(path)
  return is_there(path) or is_there("runtime/" .. path)
end

describe("the programs of README.md", function()
  local list = programs("README.md")

  it("run as they stand", function()
    assert.is_true(#list >= 6)
    support.with_server(function(server, options)
      for i, code in ipairs(list) do
        options.stdin = code:gsub("https://example%.org/", server:url())
        local child = cli.run({ "-" }, options)
        assert.equal("", child.err)
        assert.equal(0, child.status)
        if i > 1 then
          assert.equal(promised(code), child.out)
        end
      end
    end)
  end)

  it("begin with one of fifteen lines that survives its worker", function()
    local child = cli.run({ "-" }, { stdin = list[1] })
    assert.equal(15, select(2, list[1]:gsub("\n", "")) + 1)
    for i = 1, 4 do
      assert.matches(("^%d\t%d\tby process %%d+\n"):format(i, i * i), child.out)
      child:line()
    end
    assert.equal("false\tWORKER_DIED\t3\n", child.out)
  end)
end)

describe("the API in README.md", function()
  local text = read("README.md")
  local aimp = require("aimp")

  -- Classes are found by the functions that their files define.
  local files = {
    pool = { "pool/init", "pool/life", "pool/maps" }, result = { "pool/result" }, task = { "task" },
    response = { "http/response" }, bar = { "progress/bar" },
  }
  local function has_method(class, name)
    for _, file in ipairs(assert(files[class], class)) do
      if read(("lua/aimp/%s.lua"):format(file)):find(("\nfunction %%a+:%s%%("):format(name)) then
        return true
      end
    end
    return false
  end

  it("has every name of the module aimp", function()
    for name in pairs(aimp) do
      assert.is_truthy(text:find("aimp." .. name, 1, true), name)
    end
  end)

  it("has only what is there", function()
    local count = 0
    for name in text:gmatch("aimp%.([%a_]+)[%(`]") do
      count = count + 1
      assert.is_not_nil(aimp[name], "aimp." .. name)
    end
    for class, name in text:gmatch("`([%a]+):([%a_]+)%(") do
      count = count + 1
      assert.is_true(has_method(class, name), class .. ":" .. name)
    end
    assert.is_true(count > 30)
  end)
end)

describe("the documents", function()
  it("link to what is there", function()
    local count = 0
    for _, document in ipairs(DOCUMENTS) do
      for target in read(document):gmatch("%]%(([^)#]+)[^)]*%)") do
        count = count + 1
        assert.is_true(target:find("^https?:") ~= nil or is_there(target), document .. ": " .. target)
      end
    end
    assert.is_true(count > 20)
  end)

  it("name files that are there", function()
    local count = 0
    for _, document in ipairs(DOCUMENTS) do
      for path in read(document):gmatch("`([%w_.]+/[%w_./]+%.[%a]+)`") do
        count = count + 1
        assert.is_true(is_named(path), document .. ": " .. path)
      end
    end
    assert.is_true(count > 20)
  end)
end)
