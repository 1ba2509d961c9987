---@meta _
-- SPDX-License-Identifier: MIT
-- Made by scripts/docs from the comments in lua/aimp; change those.

--- What a request may be told. Defaults are the session's; for functions of the module, those of a session
--- that was told nothing.
---@class aimp.http.RequestOptions
---@field headers? table<string, string|number|false|(string|number)[]> # added to the session's; a list sends a name several times; false: not even the session's
---@field query? table<string, any> # added to the URL, encoded; a list gives a name several times
---@field body? string # sent as it is; an empty one with POST, PUT and PATCH by default
---@field json? any # sent as JSON instead of a body; needs the Lua module cjson
---@field timeout? number # seconds for all of it, redirects too; math.huge: no limit
---@field connect_timeout? number # seconds for connecting, TLS included
---@field max_body? integer # bytes of the response's body, decompressed; a longer one fails
---@field redirects? integer # redirects that are followed at most; 0: none is
---@field verify? boolean # whether certificates are checked
---@field ca_file? string # a file with the certificates of authorities to trust, PEM
---@field on_body? fun(chunk: string) # gets the body piece by piece; may wait; an error ends the request

--- Of `http.request`, besides those of other requests.
---@class aimp.http.AnyRequestOptions: aimp.http.RequestOptions
---@field method? string # in any case, but no CONNECT; default "GET"

--- What a request returns, whatever its status.
---@class aimp.http.Response
---@field status integer # status code: 200, 404, …
---@field reason string # the server's words for it; "" over HTTP/2, which has none
---@field headers aimp.http.Headers # found by name, whatever its case
---@field body? string # decompressed; nil when on_body took it
---@field url string # where it came from, after redirects
---@field method string # what it was asked with, after redirects
---@field elapsed number # seconds from the call to the last byte
local Response = {}

--- The body, decoded from JSON; a null is `cjson.null`. Needs the Lua module cjson.
---
--- Raises DECODE when the body is no JSON.
---
--- ```lua
--- local user = http.get(url):json()
--- ```
---@return any value
function Response:json() end

--- The headers of a response: a plain table with lower-case names, so `pairs` works; looking up ignores
--- case. A header that came more than once is joined with ", ".
---@class aimp.http.Headers
---@field [string] string # a header's value
local Headers = {}

--- All values of a header, in the order in which they came, which matters for Set-Cookie.
---
--- Raises nothing but misuse.
---
--- ```lua
--- for _, cookie in ipairs(response.headers:get_all("Set-Cookie")) do
---   print(cookie)
--- end
--- ```
---@param name string # in any case
---@return string[] values # empty when there is none
function Headers:get_all(name) end

--- A header by its name, also one that is called as a method here ("get").
---
--- Raises nothing but misuse.
---
--- ```lua
--- local kind = response.headers:get("Content-Type")
--- ```
---@param name string # in any case
---@return string? value # nil: there is none
function Headers:get(name) end

--- What a failed request raises: an error object with code HTTP.
---@class aimp.http.Error: aimp.Error
---@field url string # without user and password
---@field method string # of the request
---@field curl_code? string # "COULDNT_CONNECT", …: curl's name without CURLE_; nil when aimp ended it

--- Defaults of the session's requests, each of which may say otherwise.
---@class aimp.http.SessionOptions
---@field timeout? number # seconds for a request with its redirects; math.huge: no limit; default 300
---@field connect_timeout? number # seconds for connecting, TLS included; default 30
---@field headers? table<string, string|number|false|(string|number)[]> # sent with each request; false: not even aimp's or curl's own
---@field max_connections? integer # connections at once, for which further requests wait; default 0: no limit
---@field base_url? string # put before a URL that has no scheme
---@field max_body? integer # bytes of a body, decompressed; default 64 MiB, no limit with on_body
---@field redirects? integer # redirects that are followed at most; 0: none is; default 10
---@field verify? boolean # whether certificates are checked; default true
---@field ca_file? string # a file with the certificates of authorities to trust, PEM; default: the system's

--- Connections that are kept and used again, and defaults for the requests that use them. A session belongs
--- to its process: a pool's workers each make one, in the initializer.
---@class aimp.http.Session
local Session = {}

--- Asks for a URL with GET, and waits for the whole response.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- ```lua
--- local page = api:get("https://example.org/", { timeout = 10 })
--- ```
---@async
---@param url string # http:// or https://, or behind base_url
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function Session:get(url, opts) end

--- Asks for the headers alone, with HEAD.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- ```lua
--- print(api:head("https://example.org/big.iso").headers["Content-Length"])
--- ```
---@async
---@param url string # http:// or https://, or behind base_url
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function Session:head(url, opts) end

--- Sends a body with POST: the options' `body`, or `json`.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- ```lua
--- local user = api:post("users", { json = { name = "Ada" } }):json()
--- ```
---@async
---@param url string # http:// or https://, or behind base_url
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function Session:post(url, opts) end

--- Sends a body with PUT: the options' `body`, or `json`.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- ```lua
--- api:put("notes/1", { body = text, headers = { ["Content-Type"] = "text/plain" } })
--- ```
---@async
---@param url string # http:// or https://, or behind base_url
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function Session:put(url, opts) end

--- Sends a body with PATCH: the options' `body`, or `json`.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- ```lua
--- api:patch("users/7", { json = { name = "Grace" } })
--- ```
---@async
---@param url string # http:// or https://, or behind base_url
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function Session:patch(url, opts) end

--- Asks for the end of what the URL names, with DELETE.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- ```lua
--- local status = api:delete("users/7").status
--- ```
---@async
---@param url string # http:// or https://, or behind base_url
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function Session:delete(url, opts) end

--- A request with any method: the options' `method`.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- ```lua
--- local dav = api:request("folder", { method = "PROPFIND", headers = { Depth = 1 } })
--- ```
---@async
---@param url string # http:// or https://, or behind base_url
---@param opts? aimp.http.AnyRequestOptions
---@return aimp.http.Response
function Session:request(url, opts) end

--- Closes the connections; requests that are under way raise CLOSED. Any number of times.
---
--- Raises nothing.
---
--- ```lua
--- api:close()
--- ```
function Session:close() end

