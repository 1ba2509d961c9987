---@meta aimp.http
-- SPDX-License-Identifier: MIT
-- Made by scripts/docs from the comments in lua/aimp; change those.

---@class aimp.http
local http = {}

--- A session: connections and defaults of one's own.
---
--- Raises STATE where curl cannot be set up.
---
--- ```lua
--- local api = http.Session({ base_url = "https://example.org/v1", headers = { Authorization = token } })
--- local user = api:post("users", { json = { name = "Ada" } }):json()
--- ```
---@param opts? aimp.http.SessionOptions
---@return aimp.http.Session
function http.Session(opts) end

--- Closes the session that the functions of the module share; the next request opens a new one.
---
--- Raises nothing; requests that are under way raise CLOSED.
---
--- ```lua
--- http.close()
--- ```
function http.close() end

--- Asks for the end of what the URL names, with DELETE.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- ```lua
--- local status = http.delete(url).status
--- ```
---@async
---@param url string # http:// or https://
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function http.delete(url, opts) end

--- Asks for a URL with GET, and waits for the whole response.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- ```lua
--- local page = http.get("https://example.org/", { timeout = 10 })
--- ```
---@async
---@param url string # http:// or https://
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function http.get(url, opts) end

--- Asks for the headers alone, with HEAD.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- ```lua
--- print(http.head("https://example.org/big.iso").headers["Content-Length"])
--- ```
---@async
---@param url string # http:// or https://
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function http.head(url, opts) end

--- Sends a body with PATCH: the options' `body`, or `json`.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- ```lua
--- http.patch(url, { json = { name = "Grace" } })
--- ```
---@async
---@param url string # http:// or https://
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function http.patch(url, opts) end

--- Sends a body with POST: the options' `body`, or `json`.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- ```lua
--- local user = http.post(url, { json = { name = "Ada" } }):json()
--- ```
---@async
---@param url string # http:// or https://
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function http.post(url, opts) end

--- Sends a body with PUT: the options' `body`, or `json`.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- ```lua
--- http.put(url, { body = text, headers = { ["Content-Type"] = "text/plain" } })
--- ```
---@async
---@param url string # http:// or https://
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function http.put(url, opts) end

--- A request with any method: the options' `method`.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- ```lua
--- local dav = http.request(url, { method = "PROPFIND", headers = { Depth = 1 } })
--- ```
---@async
---@param url string # http:// or https://
---@param opts? aimp.http.AnyRequestOptions
---@return aimp.http.Response
function http.request(url, opts) end

return http
