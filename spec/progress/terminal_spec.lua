-- SPDX-License-Identifier: MIT
--- What a terminal shows, with a screen of our own in its place; pty_spec.lua has a real one.
local prints = require("aimp.progress.prints")
local screens = require("spec.progress.screen")
local terminals = require("aimp.progress.terminal")

local function view(description, count)
  return { description = description, count = count, total = 9, elapsed = 1, is_ascii = true }
end

local function nothing() end

--- A terminal, its screen, and the size that it has; write(text) is what somebody else writes.
local function opened(columns, rows)
  local screen = screens.new(columns or 40, rows or 6)
  local size = { columns = screen.columns, rows = screen.rows, open = nothing, close = nothing }
  function size.get() return size.columns, size.rows end
  local terminal = terminals.new({ write = function(text) screen:feed(text) end, size = size })
  return terminal, screen, size, function(text) screen:feed((text:gsub("\n", "\r\n"))) end
end

local A1, A2, B1 = "a  11%|", "a  22%|", "b  11%|"

--- Asserts that the lines of the screen begin with these.
local function assert_lines(expected, screen)
  local lines = screen:text()
  assert.equal(#expected, #lines, table.concat(lines, "\n"))
  for i, text in ipairs(expected) do
    assert.equal(text, lines[i]:sub(1, text == "" and 99 or #text))
  end
end

describe("bars on a terminal", function()
  it("stand below a free line, each on its own", function()
    local terminal, screen = opened()
    terminal:draw({ view("a", 1), view("b", 1) })
    assert_lines({ "", A1, B1 }, screen)
    terminal:draw({ view("a", 2), view("b", 1) })
    assert_lines({ "", A2, B1 }, screen)
  end)

  it("leave alone what others write, complete or not", function()
    local terminal, screen, _, write = opened()
    write("before\n")
    terminal:draw({ view("a", 1) })
    write("one\n")
    assert_lines({ "before", "one", A1 }, screen)
    terminal:draw({ view("a", 1) })
    assert_lines({ "before", "one", "", A1 }, screen)
    write("half")
    terminal:draw({ view("a", 2) })
    write(" a line\n")
    terminal:draw({ view("a", 2) })
    assert_lines({ "before", "one", "half a line", "", A2 }, screen)
  end)

  it("move up with the screen when it is full", function()
    local terminal, screen, _, write = opened(40, 4)
    for i = 1, 9 do
      write(("line %d\n"):format(i))
      terminal:draw({ view("a", 1), view("b", 1) })
    end
    assert_lines({
      "line 1", "line 2", "line 3", "line 4", "line 5", "line 6", "line 7", "line 8", "line 9", "", A1, B1,
    }, screen)
  end)

  it("become a line of the output when they end, and nothing is left below", function()
    local terminal, screen, _, write = opened()
    terminal:draw({ view("a", 1), view("b", 1) })
    terminal:finish(view("a", 2), { view("b", 1) })
    assert_lines({ A2, "", B1 }, screen)
    terminal:finish(view("b", 1), {})
    assert_lines({ A2, B1 }, screen)
    write("after\n")
    assert_lines({ A2, B1, "after" }, screen)
  end)

  it("leave no line where that is wanted", function()
    local terminal, screen, _, write = opened()
    terminal:draw({ view("a", 1) })
    terminal:finish(nil, {})
    write("after\n")
    assert_lines({ "after" }, screen)
  end)

  it("follow the window's size", function()
    local terminal, screen, size = opened(80, 10)
    terminal:draw({ view("a", 1), view("b", 1) })
    assert.equal(80, #screen:text()[2])
    size.columns = 50
    terminal:draw({ view("a", 1), view("b", 1) })
    assert.equal(50, #screen:text()[2])
    size.rows = 3
    terminal:draw({ view("a", 1), view("b", 1) })
    assert_lines({ "", A1 }, screen)
  end)

  it("are cut by the terminal where their characters are wide", function()
    local _, screen = opened(10)
    screen:feed("\27[?7l0123456789ABC\27[?7h\r\nnext")
    assert.same({ "012345678C", "next" }, screen:text())
    local terminal = terminals.new({
      write = function(text) screen:feed(text) end,
      size = { get = function() return 20, 6 end }, -- as if each took two columns
    })
    terminal:draw({ view("a", 1) })
    assert.equal(3, #screen:text())
    terminal:finish(view("a", 1), {})
    assert.equal(2, #screen:text())
  end)
end)

describe("what the script prints below bars", function()
  local terminal, screen, written, real

  -- In the place of stdout and stderr.
  before_each(function()
    terminal, screen = opened()
    written = function(text) screen:feed((text:gsub("\n", "\r\n"))) end
    real = { print = print, write = io.write, method = getmetatable(io.stderr).__index.write }
    _G.print = function(text) written(text .. "\n") end
    rawset(io, "write", function(...)
      written(table.concat({ ... }))
      return io.stdout
    end)
    getmetatable(io.stderr).__index.write = function(file, ...)
      if file ~= io.stderr and file ~= io.stdout then
        return real.method(file, ...)
      end
      written(table.concat({ ... }))
      return file
    end
    terminal:open(nothing)
    terminal:draw({ view("a", 1) })
  end)

  after_each(function()
    terminal:close()
    _G.print, getmetatable(io.stderr).__index.write = real.print, real.method
    rawset(io, "write", real.write)
  end)

  it("stands above them at once, however much it is", function()
    _G.print("one\ntwo\nthree")
    io.write("f", "our", "\n")
    io.stderr:write("five\n")
    io.stdout:write("half")
    assert_lines({ "one", "two", "three", "four", "five", "half", A1 }, screen)
  end)

  it("returns what it would, and raises what it would", function()
    assert.equal(io.stdout, io.write("x"))
    assert.equal(io.stderr, io.stderr:write("y"))
    written = function() error("full", 0) end
    assert.same({ false, "full" }, { pcall(_G.print, "z") })
    assert_lines({ "xy", A1 }, screen)
  end)

  it("is told of before, and stands below a bar that ends then", function()
    terminal:close()
    terminal:open(function() terminal:finish(view("a", 2), {}) end)
    _G.print("after")
    assert_lines({ A2, "after" }, screen)
  end)

  it("is not touched when it goes to a file", function()
    local file, paint = assert(io.tmpfile()), terminal.write
    terminal.write = function() error("painted") end
    file:write("text")
    terminal.write = paint
    file:seek("set")
    assert.equal("text", file:read("*a"))
    file:close()
    assert_lines({ "", A1 }, screen)
  end)

  it("goes the usual way again afterwards, also where somebody wrapped it meanwhile", function()
    local ours, wrapped = _G.print, 0
    _G.print = function(...)
      wrapped = wrapped + 1
      return ours(...)
    end
    terminal:finish(nil, {})
    terminal:close()
    assert.not_equal(prints.write, io.write)
    _G.print("one")
    terminal:open(nothing)
    terminal:draw({ view("a", 1) })
    _G.print("two")
    assert_lines({ "one", "two", "", A1 }, screen)
    assert.equal(2, wrapped)
    _G.print = ours -- for close() in after_each to find
  end)
end)
