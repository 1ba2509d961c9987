-- SPDX-License-Identifier: MIT
--- The HTTP error objects: one line that names the request, what happened and curl's code.
local errors = require("aimp.errors")
local url_of = require("aimp.http.url")

local M = {}

--- What a failed request raises: an error object with code HTTP.
---@class aimp.http.Error: aimp.Error
---@field url string         without user and password
---@field method string      of the request
---@field curl_code? string  "COULDNT_CONNECT", …: curl's name without CURLE_; nil when aimp ended it

--- Codes that the system's own word for the failure explains best.
local by_system = { COULDNT_CONNECT = true, RECV_ERROR = true, SEND_ERROR = true }

---@param hop { method: string, url: string }
---@param text string
---@param curl_code? string
---@return aimp.http.Error
function M.new(hop, text, curl_code)
  local url = url_of.redact(hop.url)
  return errors.new("HTTP", string.format("%s %s: %s", hop.method, url, text),
    { url = url, method = hop.method, curl_code = curl_code })
end

---@return aimp.http.Error
function M.timeout(hop, seconds)
  return M.new(hop, string.format("not done within %g s (OPERATION_TIMEDOUT)", seconds), "OPERATION_TIMEDOUT")
end

local function limit_text(hop, limit)
  if limit == "body" then
    return string.format("the body is longer than max_body (%d bytes)", hop.max_body)
  elseif limit == "head" then
    return "the response's headers are too long"
  end
  return "no memory for the response"
end

--- From what a transfer's failure() returns.
---@return aimp.http.Error
function M.from_transfer(hop, curl_code, text, detail, system, limit)
  if limit then
    return M.new(hop, limit_text(hop, limit))
  end
  text = by_system[curl_code] and system or text
  local more = detail ~= "" and ": " .. detail or ""
  return M.new(hop, string.format("%s (%s%s)", text, curl_code, more), curl_code)
end

return M
