-- SPDX-License-Identifier: MIT
--- HTTP client: libcurl on this process's loop.
---
--- ```lua
--- local http = require("aimp.http")
--- local response = http.get("https://example.org/", { timeout = 10 })
--- if response.status == 200 then print(response.body) end
---
--- local api = http.Session { base_url = "https://api.example.org/v1", headers = { Authorization = token } }
--- local user = api:post("users", { json = { name = "Ada" } }):json()
--- ```
---
--- Certificates are verified, responses are decompressed, HTTP/2 is used where the server has it, proxies
--- come from the environment (http_proxy, https_proxy, no_proxy). A 4xx or 5xx is a response; a network
--- failure or timeout raises an error object with code HTTP, see aimp.http.Error.
local session_of = require("aimp.http.session")

local M = {}

local shared = nil ---@type aimp.http.Session?

--- The session of the functions here, made when first needed.
local function default()
  shared = shared or session_of.new(1, nil)
  return shared
end

--- A session: connections and defaults of one's own.
---
--- Raises STATE where curl cannot be set up.
---
--- Example:
---     local api = http.Session({ base_url = "https://example.org/v1", headers = { Authorization = token } })
---     local user = api:post("users", { json = { name = "Ada" } }):json()
---@param opts? aimp.http.SessionOptions
---@return aimp.http.Session
function M.Session(opts)
  local session = session_of.new(1, opts)
  return session
end

--- Asks for a URL with GET, and waits for the whole response.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- Example: `local page = http.get("https://example.org/", { timeout = 10 })`
---@async
---@param url string                       http:// or https://
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function M.get(url, opts)
  local response = session_of.call("http.get", default(), "GET", url, opts)
  return response
end

--- Asks for the headers alone, with HEAD.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- Example: `print(http.head("https://example.org/big.iso").headers["Content-Length"])`
---@async
---@param url string                       http:// or https://
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function M.head(url, opts)
  local response = session_of.call("http.head", default(), "HEAD", url, opts)
  return response
end

--- Sends a body with POST: the options' `body`, or `json`.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- Example: `local user = http.post(url, { json = { name = "Ada" } }):json()`
---@async
---@param url string                       http:// or https://
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function M.post(url, opts)
  local response = session_of.call("http.post", default(), "POST", url, opts)
  return response
end

--- Sends a body with PUT: the options' `body`, or `json`.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- Example: `http.put(url, { body = text, headers = { ["Content-Type"] = "text/plain" } })`
---@async
---@param url string                       http:// or https://
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function M.put(url, opts)
  local response = session_of.call("http.put", default(), "PUT", url, opts)
  return response
end

--- Sends a body with PATCH: the options' `body`, or `json`.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- Example: `http.patch(url, { json = { name = "Grace" } })`
---@async
---@param url string                       http:// or https://
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function M.patch(url, opts)
  local response = session_of.call("http.patch", default(), "PATCH", url, opts)
  return response
end

--- Asks for the end of what the URL names, with DELETE.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- Example: `local status = http.delete(url).status`
---@async
---@param url string                       http:// or https://
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function M.delete(url, opts)
  local response = session_of.call("http.delete", default(), "DELETE", url, opts)
  return response
end

--- A request with any method: the options' `method`.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- Example: `local dav = http.request(url, { method = "PROPFIND", headers = { Depth = 1 } })`
---@async
---@param url string                       http:// or https://
---@param opts? aimp.http.AnyRequestOptions
---@return aimp.http.Response
function M.request(url, opts)
  local response = session_of.call("http.request", default(), nil, url, opts)
  return response
end

--- Closes the session that the functions of the module share; the next request opens a new one.
---
--- Raises nothing; requests that are under way raise CLOSED.
---
--- Example: `http.close()`
function M.close()
  if shared then
    shared:close()
    shared = nil
  end
end

return M
