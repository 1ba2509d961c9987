-- SPDX-License-Identifier: MIT
--- Runs the programs of examples/ as a user would.
local cli = require("spec.cli.support")
local tcp_server = require("spec.http.server")

local M = {}

--- Runs one to its end, which is also that of a server it started: both have the same stderr.
---@async
---@param name string    without .lua
---@param args? string[]
---@param options? table as in spec.cli.support.start
---@return spec.cli.Child
function M.run(name, args, options)
  return cli.run({ ("examples/%s.lua"):format(name), unpack(args or {}) }, options)
end

--- Asserts that it ended well and printed nothing but lines that match, in this order.
---@param child spec.cli.Child
---@param patterns string[]
function M.assert_lines(child, patterns)
  assert(child.err == "", child.err)
  assert(child.status == 0, ("exit status %s"):format(tostring(child.status)))
  local count = 0
  for line in child.out:gmatch("([^\n]*)\n") do
    count = count + 1
    local pattern = patterns[count]
    assert(pattern and line:find("^" .. pattern .. "$"),
      ("line %d is '%s', not '%s'"):format(count, line, tostring(pattern)))
  end
  assert(child.out:find("\n$"), "the last line has no end")
  assert(count == #patterns, ("%d lines instead of %d"):format(count, #patterns))
end

--- Calls fn(server, options) with an HTTP server in this process; a path below /missing is not found.
--- With the options a child finds it whatever proxies the specs' user has, and draws no progress bars.
---@async
---@param fn fun(server: spec.Server, options: table)
function M.with_server(fn)
  local server = tcp_server.start(function(connection, request)
    connection:respond(request.path:find("^/missing") and "404 Not Found" or "200 OK", "body\n")
  end)
  local ok, err = pcall(fn, server, { env = { no_proxy = "127.0.0.1", AIMP_PROGRESS = "0" } })
  server:stop()
  assert(ok, err)
end

return M
