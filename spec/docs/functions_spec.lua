--- What scripts/docs demands of a public function.
-- SPDX-License-Identifier: MIT
local cli = require("spec.cli.support")
local support = require("spec.docs.support")

local TAKE = "NAME.Box:take"

describe("a function", function()
  after_each(cli.remove_folders)

  --- Asserts that a change of the sound module makes this problem and no other.
  local function makes(old, new, problem)
    local problems = support.problems_with(old, new)
    assert.equal(1, #problems, table.concat(problems, "\n"))
    assert.matches(problem, problems[1], 1, true)
  end

  it("that has all it needs makes no problem", function()
    assert.same({}, (support.document(support.SOUND)))
  end)

  it("needs a description", function()
    makes("--- Takes the last thing out; waits until there is one.\n---\n", "",
      "NAME.lua:19: " .. TAKE .. ": has no description")
  end)

  it("says what it raises", function()
    makes("--- Raises TIMEOUT when none came in time.\n", "--- A TIMEOUT may come.\n",
      TAKE .. ": does not say what it raises")
  end)

  it("raises only codes that there are", function()
    makes("Raises TIMEOUT when", "Raises TIMEOUT or TOO_LATE when", "raises TOO_LATE, which is no code")
  end)

  it("says each code that it makes itself", function()
    makes("Raises TIMEOUT when none came in time.", "Raises nothing but misuse.",
      TAKE .. ": makes an error TIMEOUT and does not say so")
  end)

  describe("has a @param", function()
    it("for each parameter", function()
      makes("---@param timeout? number  seconds; default: as long as it takes\n", "",
        TAKE .. ": parameter 'timeout' has no @param")
    end)

    it("for none that is not there", function()
      makes("---@param timeout? number ", "---@param who? string  asks\n---@param timeout? number ",
        "@param 'who' is of no parameter")
    end)

    it("of its name", function()
      local problems = support.problems_with("---@param timeout? ", "---@param late? ")
      assert.same({ "NAME.lua:21: NAME.Box:take: @param 'late' is of no parameter",
        "NAME.lua:21: NAME.Box:take: parameter 'timeout' has no @param" }, problems)
    end)

    it("in the order of the parameters", function()
      local text = support.changed("---@param timeout? ", "---@param who string  asks\n%0")
        :gsub("take%(timeout%)", "take(timeout, who)"):gsub("%%0", "---@param timeout? ")
      local problems = support.document(text)
      assert.equal(1, #problems, table.concat(problems, "\n"))
      assert.matches("@param 'timeout' stands at another place", problems[1], 1, true)
    end)

    it("with the unit of a number", function()
      makes("number  seconds; default: as long as it takes", "number  how long it waits",
        "@param 'timeout' is a number: say its unit")
    end)

    it("with no unit where a string is allowed too", function()
      assert.same({}, support.problems_with("number  seconds; default: as long as it takes",
        "number|string  TIMEOUT's limit"))
    end)

    it("of a type that is declared", function()
      makes("---@param timeout? number  seconds", "---@param timeout? NAME.Span  seconds",
        "the type NAME.Span is not declared")
    end)

    it("for what comes in any number", function()
      makes("function Box:take(timeout)", "function Box:take(timeout, ...)", "parameter '...' has no @param")
    end)
  end)

  describe("has a @return", function()
    it("where it gives something back", function()
      makes("---@return any thing\n", "", TAKE .. ": returns something and has no @return")
    end)

    it("and none where it does not", function()
      makes("  return f\n", "  f.seen = true\n", TAKE .. ": has a @return and returns nothing")
    end)
  end)

  describe("is marked @async", function()
    it("where it waits", function()
      makes("---@async\n", "", TAKE .. ": waits and is not marked ---@async")
    end)

    it("where what it calls waits", function()
      local text = support.changed("---@async\n", "")
        :gsub("local Box = {}", "local Box = {}\nlocal function wait()\n  return fiber.waiter(2, '')\nend\n")
        :gsub("fiber.waiter%(1, \"box:take\"%)", "wait()")
      local problems = support.document(text)
      assert.equal(1, #problems)
      assert.matches("waits and is not marked", problems[1])
    end)

    it("where a method of its class, called through pcall, waits", function()
      local text = support.changed("---@async\n", "")
        :gsub("function Box:take", "function Box:_wait()\n  return fiber.waiter(2, '')\nend\n%0")
        :gsub("local f = fiber.waiter%(1, \"box:take\"%)", "local f = pcall(self._wait, self)")
        :gsub("(%-%-%- Takes.-thing\n)(function Box:_wait.-\nend\n)", "%2\n%1")
      local problems = support.document(text)
      assert.equal(1, #problems, table.concat(problems, "\n"))
      assert.matches("waits and is not marked", problems[1])
    end)

    -- A front of a shared object, as aimp.shared declares it: in another process its core is a stub.
    local function problems_of_front(method)
      local text = support.changed("---@async\n", ""):gsub("return M\n$", [[
local declaration = { methods = { take = ]] .. method .. [[ } }
function Box.__aimp_send()
  return declaration
end
%0]]):gsub('fiber.waiter%(1, "box:take"%)', "self._core:take(timeout)")
      return (support.document(text))
    end

    it("where it asks the core of a shared object", function()
      local problems = problems_of_front("{}")
      assert.equal(1, #problems)
      assert.matches("waits and is not marked", problems[1])
    end)

    it("but not where nobody waits for the core's answer", function()
      assert.same({}, problems_of_front("{ casts = true }"))
    end)

    it("nowhere else", function()
      makes('fiber.waiter(1, "box:take")', "self.size", TAKE .. ": is marked ---@async and never waits")
    end)
  end)

  describe("has an example", function()
    it("at all", function()
      makes("--- Example: `local thing = box:take(5)`\n", "", TAKE .. ": has no example")
    end)

    it("that compiles", function()
      makes("box:take(5)`", "box:take(5`", "its example does not compile")
    end)

    it("that is not empty", function()
      makes("--- Example: `local thing = box:take(5)`\n", "--- Example:\n---\n", "has an empty example")
    end)

    it("that compiles, of several lines", function()
      makes("--- Example: `local thing = box:take(5)`\n",
        "--- Example:\n---     while true do\n---       box:take()\n",
        "its example does not compile")
    end)

    it("with names that are there", function()
      makes("`local box = NAME.box({ size = 3 })`", "`local box = NAME.bux({ size = 3 })`",
        "names NAME.bux, which is not there")
    end)
  end)

  it("has tags that can be read", function()
    makes("---@async\n", "---@async\n---@returns nothing\n", TAKE .. ": cannot read ---@returns nothing")
  end)

  it("of a lazily loaded name must load", function()
    local text = support.SOUND:gsub("return M\n$", [[
local modules = { crate = "NAME.crate" }
return setmetatable(M, { __index = function(_, name)
  return modules[name] and require(modules[name])
end })
]])
    local problems, texts = support.document(text)
    assert.equal(1, #problems, table.concat(problems, "\n"))
    assert.matches("NAME.crate: cannot be loaded: .*module 'NAME.crate' not found", problems[1])
    assert.is_nil(texts) -- no page is written that would lack it
  end)

  it("that says ---@private need say no more", function()
    local text = support.SOUND:gsub("return M\n$", "---@private\nfunction M.inner() end\n%0")
    local problems, texts = support.document(text)
    assert.same({}, problems)
    assert.is_nil(texts.pages["all.md"]:find("inner", 1, true))
  end)

  it("that is not documented at all is found by its name", function()
    local problems = support.document((support.SOUND:gsub("return M\n$", "M.bare = function() end\n%0")))
    assert.equal(3, #problems, table.concat(problems, "\n"))
    for _, problem in ipairs(problems) do
      assert.matches("NAME.lua:45: NAME.bare: ", problem, 1, true)
    end
  end)
end)
