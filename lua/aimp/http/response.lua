-- SPDX-License-Identifier: MIT
--- What a request returns.
local errors = require("aimp.errors")
local headers = require("aimp.http.headers")
local json = require("aimp.http.json")

local M = {}

--- What a request returns, whatever its status.
---@class aimp.http.Response
---@field status integer             status code: 200, 404, …
---@field reason string              the server's words for it; "" over HTTP/2, which has none
---@field headers aimp.http.Headers  found by name, whatever its case
---@field body? string               decompressed; nil when on_body took it
---@field url string                 where it came from, after redirects
---@field method string              what it was asked with, after redirects
---@field elapsed number             seconds from the call to the last byte
local Response = {}
Response.__index = Response
M.Response = Response

---@param fields table  status, head, body, url, method, elapsed
---@return aimp.http.Response
function M.new(fields)
  local parsed, reason = headers.parse(fields.head)
  return setmetatable({
    status = fields.status, reason = reason, headers = parsed, body = fields.body,
    url = fields.url, method = fields.method, elapsed = fields.elapsed,
  }, Response)
end

--- The body, decoded from JSON; a null is `cjson.null`. Needs the Lua module cjson.
---
--- Raises DECODE when the body is no JSON.
---
--- Example: `local user = http.get(url):json()`
---@return any value
function Response:json()
  local ok, value = json.decode(self.body or "")
  if not ok then
    error(errors.new("DECODE", string.format("JSON of %s: %s", self.url, errors.describe(value))), 2)
  end
  return value
end

return M
