--- A small HTTP server in a process of its own, for examples that need a URL: it answers every request
--- with 200 and a few words. Not a model for a real server.
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local uv = require("luv")

local RESPONSE = table.concat({
  "HTTP/1.1 200 OK", "Content-Type: text/plain", "Content-Length: 14", "", "hello, client\n",
}, "\r\n")

local function answer(client)
  local unread = ""
  client:read_start(function(err, data)
    if err or not data then
      return client:close()
    end
    unread = unread .. data
    while unread:find("\r\n\r\n", 1, true) do -- the requests here have no bodies
      unread = unread:match("\r\n\r\n(.*)")
      client:write(RESPONSE)
    end
  end)
end

--- The server process: says its port, then serves until its standard input is closed.
local function serve()
  local server = uv.new_tcp()
  assert(server:bind("127.0.0.1", 0))
  assert(server:listen(128, function()
    local client = uv.new_tcp()
    server:accept(client)
    answer(client)
  end))
  print(server:getsockname().port)
  local stdin = uv.new_pipe()
  stdin:open(0)
  aimp.await(stdin.read_start, stdin) -- end of file: who started it has ended
end

local M = {}

-- A proxy of the environment cannot reach this machine's loopback.
local function bypass_proxy()
  local others = os.getenv("no_proxy") or os.getenv("NO_PROXY")
  uv.os_setenv("no_proxy", "127.0.0.1" .. (others and "," .. others or ""))
end

--- Starts the server. It ends with this process: its standard input is closed then.
---@async
---@return string url
function M.start()
  bypass_proxy()
  local script = debug.getinfo(1, "S").source:sub(2)
  local stdin, stdout = uv.new_pipe(), uv.new_pipe()
  local options = { args = { script, "serve" }, stdio = { stdin, stdout, 2 } }
  assert(uv.spawn(uv.exepath(), options, function() end))
  local port = assert(aimp.await(stdout.read_start, stdout), "the server ended")
  stdout:close()
  return ("http://127.0.0.1:%d/"):format(port)
end

if ... == "serve" then
  serve()
end
return M
