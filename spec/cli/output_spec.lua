-- SPDX-License-Identifier: MIT
local support = require("spec.cli.support")
local uv = require("luv")

local run, shell = support.run, support.shell

-- Each process prints lines of its own letter, of lengths around those that pipes and buffers have.
local PRINTER = [[
local lengths = { 1, 4095, 4096, 5000, 65535, 65536, 70000, 200, 150000 }
for i = 1, 45 do print(arg[1]:rep(lengths[i % #lengths + 1])) end
]]
local LINES = 6 * 45

--- Counts lines, and those that hold letters of two processes or have a length nobody printed.
local function count_lines(text)
  local count, broken = 0, 0
  local known = {}
  for length in PRINTER:match("{(.-)}"):gmatch("%d+") do
    known[tonumber(length)] = true
  end
  for line in text:gmatch("([^\n]*)\n") do
    count = count + 1
    if not known[#line] or line ~= line:sub(1, 1):rep(#line) then
      broken = broken + 1
    end
  end
  return count, broken
end

local SIX_AT_ONCE = 'for c in a b c d e f; do "$AIMPRUN" "$1" $c & done; wait'

describe("aimprun's standard output", function()
  after_each(support.remove_folders)

  it("keeps lines of several processes whole on a socket", function()
    local child = shell(SIX_AT_ONCE, support.script(PRINTER))
    assert.same({ LINES, 0 }, { count_lines(child.out) })
  end)

  it("keeps them whole on a pipe", function()
    local child = shell("{ " .. SIX_AT_ONCE .. "; } | cat", support.script(PRINTER))
    assert.same({ LINES, 0 }, { count_lines(child.out) })
  end)

  it("keeps them whole in a file", function()
    local folder = support.folder({ out = "" })
    shell("{ " .. SIX_AT_ONCE .. '; } > "$2"', support.script(PRINTER), folder .. "/out")
    local file = assert(io.open(folder .. "/out"))
    local text = file:read("*a")
    file:close()
    assert.same({ LINES, 0 }, { count_lines(text) })
  end)

  it("does not wait for a process that was stopped while it printed", function()
    local child = support.start({ "-e", [[
      local ffi = require("ffi")
      ffi.cdef("struct flock { short type, whence; long start, len; int pid; };" ..
        "int fcntl(int fd, int command, ...); int raise(int);")
      local F_SETLK, F_WRLCK, SIGSTOP = 6, 1, 19
      assert(ffi.C.fcntl(1, F_SETLK, ffi.new("struct flock", { type = F_WRLCK })) == 0)
      os.execute("\"$AIMPRUN\" -e 'print(\"other\")' &")
      ffi.C.raise(SIGSTOP)]] }, { env = { AIMPRUN = support.exe } })
    assert.equal("other", child:line())
    child:kill(uv.constants.SIGKILL)
    child:wait()
  end)

  it("is the stock print otherwise", function()
    local path = support.script([[
      print() print(nil, true, 1.5, "a\0b", -0)
      print(setmetatable({}, { __tostring = function() return "meta" end }))
      local stock = tostring
      tostring = function(x) return "<" .. type(x) .. ">" end
      print(1, "x")
      tostring = function() return {} end
      local ok, err = pcall(print, 1)
      tostring = stock
      print(ok, err)]])
    local ours = run({ path })
    assert.equal("", ours.err)
    assert.equal(run({ path }, { program = "luajit" }).out, ours.out)
  end)

  it("leaves line by line, together with io.write", function()
    local child = run({ "-e", [[
      local ffi = require("ffi")
      ffi.cdef("void _exit(int)")
      io.write("a ") print("b") io.write("c\nd\n", "unfinished")
      ffi.C._exit(3)]] })
    assert.equal("a b\nc\nd\n", child.out)
    assert.equal(3, child.status)
  end)

  it("is flushed at the end, also after an error", function()
    assert.equal("end", run({ "-e", "io.write('end')" }).out)
    assert.equal("end", run({ "-e", "io.write('end') error('x')" }).out)
  end)

  it("ends the process like luajit when nobody reads it any more", function()
    for _, code in ipairs({ "print(1)", "io.write('1\\n')", "io.stdout:write('1\\n')" }) do
      local child = shell('"$AIMPRUN" -e "while true do $1 end" | head -n 1; echo ${PIPESTATUS[0]}', code)
      assert.equal("1\n141\n", child.out)
      assert.equal("", child.err)
    end
  end)

  it("lets a process go on that lost another reader", function()
    local child = run({ "-e", [[
      local uv = require("luv")
      local pipe = uv.pipe()
      uv.fs_close(pipe.read)
      print(select(2, uv.fs_write(pipe.write, "x")))]] })
    assert.matches("^EPIPE", child.out)
    assert.equal(0, child.status)
  end)

  it("is told when it is lost", function()
    local child = shell('"$AIMPRUN" -e "print(1)" > /dev/full')
    assert.equal(1, child.status)
    assert.equal("aimprun: cannot write to standard output: No space left on device\n", child.err)
    assert.equal(1, shell('"$AIMPRUN" -e "io.write(1)" > /dev/full').status)
    assert.equal(1, shell([["$AIMPRUN" -e 'io.write("line\n")' > /dev/full]]).status)
    assert.equal(7, shell('"$AIMPRUN" -e "print(1) os.exit(7)" > /dev/full').status)
  end)

  it("may be closed, without its number going to another file", function()
    local folder = support.folder({
      file = "",
      ["script.lua"] = "local f = io.open(..., 'w') print('printed') f:write('written') f:close()",
    })
    local child = shell('"$AIMPRUN" "$1/script.lua" "$1/file" <&- >&- 2>&-', folder)
    assert.equal(0, child.status)
    local file = assert(io.open(folder .. "/file"))
    assert.equal("written", file:read("*a"))
    file:close()
  end)

  it("does not hand SIGPIPE's handling to programs the script runs", function()
    local child = run({ "-e", "os.execute('yes | head -n 1; echo ${PIPESTATUS[0]} 2>&1')" })
    assert.matches("^y\n", child.out)
  end)
end)
