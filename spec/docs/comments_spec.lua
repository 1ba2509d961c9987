--- How scripts/docs reads a comment.
-- SPDX-License-Identifier: MIT
local annotation = require("scripts.lib.docs.annotation")
local types = require("scripts.lib.docs.types")

--- Reads a comment, given without its dashes.
local function read(text)
  local lines = {}
  for line in (text .. "\n"):gmatch("(.-)\n") do
    lines[#lines + 1] = line
  end
  return annotation.read(lines)
end

describe("a type", function()
  local function ends_before(rest, kind)
    local found, after = types.take(kind .. rest)
    assert.equal(kind, found)
    assert.equal(rest:match("^%s*(.*)$"), after)
  end

  it("ends where it ends", function()
    for _, kind in ipairs({ "number", "number?", "any[][]", "aimp.Task[]", "table<string, any>", '"a"|"b"',
      "(string|number)[]", "{ a: integer, b?: string }?", "fun()", "fun(a: T, b?: T): R, integer?", "`T`",
      "async fun(): any", "string | number", "fun(uv: table)", "-1|0" }) do
      ends_before("  seconds | more", kind)
    end
  end)

  it("may be one that varies", function()
    assert.same({ "...", "its results" }, { types.take("...  its results") })
  end)

  it("is none where there is none", function()
    assert.is_nil((types.take("!")))
  end)

  it("is a quantity if it is a number and no string", function()
    for kind, expected in pairs({ number = true, ["integer?"] = true, ["string|integer"] = false,
      ["number|fun(n: integer): number"] = true, ["fun(): number"] = false, ["number[]"] = true,
      ["table<string, number>"] = false }) do
      assert.equal(expected, types.is_number(kind), kind)
    end
  end)
end)

describe("a comment", function()
  it("is text, errors, examples and tags", function()
    local doc = read([[
 Does it. In two
 lines.

 - a list

 Raises CLOSED when it is
 too late.

 Example: `local a = f(1)`
@async
@generic T
@param fn fun(x: T): T   called once
@param n? integer        items, as many as
   there are
@param ... any
@return T first  the one
@return boolean
]])
    assert.equal("Does it. In two\nlines.\n\n- a list", doc.text)
    assert.equal("Raises CLOSED when it is\ntoo late.", doc.raises)
    assert.same({ "local a = f(1)" }, doc.examples)
    assert.is_true(doc.is_async)
    assert.same({ "T" }, doc.generics)
    assert.same({
      { name = "fn", is_optional = false, kind = "fun(x: T): T", text = "called once" },
      { name = "n", is_optional = true, kind = "integer", text = "items, as many as there are" },
      { name = "...", is_optional = false, kind = "any", text = "" },
    }, doc.params)
    assert.same({
      { name = "first", is_optional = false, kind = "T", text = "the one" },
      { is_optional = false, kind = "boolean", text = "" },
    }, doc.returns)
    assert.same({}, doc.faults)
  end)

  it("may have an example of several lines, and text after it", function()
    local doc = read([[
 Does it.

 Example:
     for i = 1, 2 do

       f(i)
     end
 Not of the example.]])
    assert.same({ "for i = 1, 2 do\n\n  f(i)\nend" }, doc.examples)
    assert.equal("Does it.\n\nNot of the example.", doc.text)
  end)

  it("of a class has fields, some of them private", function()
    local doc = read([[
 A thing.
@class aimp.Thing: aimp.Base, aimp.Other
@field name string  its name
@field [string] integer  items by kind
@field private pull function
@field _core any]])
    assert.same({ name = "aimp.Thing", parents = { "aimp.Base", "aimp.Other" }, text = "" }, doc.class)
    assert.equal("A thing.", doc.text)
    assert.same({ "name", "[string]" }, { doc.fields[1].name, doc.fields[2].name })
    assert.same({ pull = true, _core = true }, doc.hidden)
  end)

  it("of an alias has choices", function()
    local doc = read([[
@alias aimp.Code
| "ONE"  the first
| "TWO"  the second]])
    assert.same({ { value = '"ONE"', text = "the first" }, { value = '"TWO"', text = "the second" } },
      doc.alias.choices)
  end)

  it("with a tag that cannot be read says so", function()
    for _, line in ipairs({ "@param fn", "@parm x number", "@field size", "@return !" }) do
      assert.same({ "cannot read ---" .. line }, read(line).faults)
    end
    assert.same({ 'cannot read ---@alias | "lost" of no alias' }, read('| "lost" of no alias').faults)
  end)

  it("whose text behind a tag is not indented says so", function()
    assert.same({ "text behind a tag: indent it more, or put it in front: of them" },
      read("@field n integer  how many\n of them").faults)
    assert.same({}, read("@field n integer  how many\n  of them").faults)
  end)
end)
