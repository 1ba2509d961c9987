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

--- Connections and defaults of one's own; see aimp.http.SessionOptions.
---@param opts? aimp.http.SessionOptions
---@return aimp.http.Session
function M.Session(opts)
  local session = session_of.new(1, opts)
  return session
end

---@async
---@param url string
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function M.get(url, opts)
  local response = session_of.call("http.get", default(), "GET", url, opts)
  return response
end

---@async
---@param url string
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function M.head(url, opts)
  local response = session_of.call("http.head", default(), "HEAD", url, opts)
  return response
end

---@async
---@param url string
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function M.post(url, opts)
  local response = session_of.call("http.post", default(), "POST", url, opts)
  return response
end

---@async
---@param url string
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function M.put(url, opts)
  local response = session_of.call("http.put", default(), "PUT", url, opts)
  return response
end

---@async
---@param url string
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function M.patch(url, opts)
  local response = session_of.call("http.patch", default(), "PATCH", url, opts)
  return response
end

---@async
---@param url string
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function M.delete(url, opts)
  local response = session_of.call("http.delete", default(), "DELETE", url, opts)
  return response
end

--- With any method: opts.method.
---@async
---@param url string
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function M.request(url, opts)
  local response = session_of.call("http.request", default(), nil, url, opts)
  return response
end

--- Closes the shared session of the functions here; the next request opens a new one.
function M.close()
  if shared then
    shared:close()
    shared = nil
  end
end

return M
