-- SPDX-License-Identifier: MIT
--- A TCP server in the spec's own loop, for what no decent HTTP server would do.
---
--- handler(connection, request) runs for each request that came whole; it answers with raw bytes.
local uv = require("luv")

local M = {}

---@class spec.Connection
---@field write fun(self, data: string, done?: fun())
---@field finish fun(self)   the server has said all
---@field reset fun(self)    sends RST
local Connection = {}
Connection.__index = Connection

function Connection:write(data, done)
  if not self._tcp:is_closing() then
    self._tcp:write(data, function(err)
      if done and not err then
        done()
      end
    end)
  end
end

--- A response with a Content-Length.
function Connection:respond(status, body, headers)
  self:write(("HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s"):format(status, #body, headers or "", body))
end

function Connection:finish()
  if not self._tcp:is_closing() then
    self._server.open[self] = nil
    self._tcp:close()
  end
end

function Connection:reset()
  self._server.open[self] = nil
  self._tcp:close_reset()
end

---@class spec.Request
---@field line string
---@field method string
---@field path string
---@field head string    the header lines
---@field body string
local function next_request(text)
  local head, rest = text:match("^(.-)\r\n\r\n(.*)$")
  if not head then
    return nil, text
  end
  local length = tonumber(head:lower():match("\r\ncontent%-length: *(%d+)")) or 0
  if #rest < length then
    return nil, text
  end
  local line = head:match("^[^\r]*")
  local method, path = line:match("^(%S+) (%S+)")
  return { line = line, method = method, path = path, head = head, body = rest:sub(1, length) },
    rest:sub(length + 1)
end

local function serve(connection, handler)
  local text = ""
  connection._tcp:read_start(function(err, data)
    if err or not data then
      connection._server.ended = connection._server.ended + 1
      return connection:finish()
    end
    if connection._server.on_bytes then
      return connection._server.on_bytes(connection, data)
    end
    local request
    request, text = next_request(text .. data)
    while request do
      connection._server.requests[#connection._server.requests + 1] = request
      handler(connection, request)
      request, text = next_request(text)
    end
  end)
end

---@class spec.Server
---@field port integer
---@field requests spec.Request[]
---@field accepted integer   connections so far
---@field ended integer      connections that the client closed
---@field on_bytes? fun(connection: spec.Connection, data: string)  instead of requests
local Server = {}
Server.__index = Server

---@param handler fun(connection: spec.Connection, request: spec.Request)
---@return spec.Server
function M.start(handler)
  local self = setmetatable({ requests = {}, accepted = 0, ended = 0, open = {} }, Server)
  self._tcp = assert(uv.new_tcp())
  assert(self._tcp:bind("127.0.0.1", 0))
  self.port = self._tcp:getsockname().port
  assert(self._tcp:listen(511, function()
    local connection = setmetatable({ _tcp = uv.new_tcp(), _server = self }, Connection)
    self._tcp:accept(connection._tcp)
    self.accepted = self.accepted + 1
    self.open[connection] = true
    serve(connection, handler)
  end))
  return self
end

---@return string
function Server:url(path)
  return ("http://127.0.0.1:%d%s"):format(self.port, path or "/")
end

function Server:stop()
  self._tcp:close()
  for connection in pairs(self.open) do
    connection:finish()
  end
end

return M
