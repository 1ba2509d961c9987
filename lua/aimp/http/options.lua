-- SPDX-License-Identifier: MIT
--- The options of sessions and requests: names, kinds, defaults.
local check = require("aimp.check")
local fields = require("aimp.http.fields")
local url_of = require("aimp.http.url")

local M = {}

-- LuaJIT 2.1 of March 2022 miscompiles loops that it knows by name to be over pairs().
local each = pairs

--- Bytes of a body that is kept in memory.
M.MAX_BODY = 64 * 1024 * 1024

local function seconds_fault(value)
  if value <= 0 then
    return "must be more than 0 seconds; math.huge means no limit"
  end
end

local function query_fault(query)
  for name, value in each(query) do
    local kind = type(value)
    if type(name) ~= "string" then
      return "must have names that are strings"
    elseif kind ~= "string" and kind ~= "number" and kind ~= "boolean" and kind ~= "table" then
      return string.format("cannot send a %s as '%s'", kind, name)
    end
  end
end

local function method_fault(value)
  if not fields.is_token(value) then
    return string.format("%q is no method", value)
  elseif value:upper() == "CONNECT" then
    return "cannot be CONNECT"
  end
end

local function path_fault(value)
  if value:find("%z") then
    return "has a NUL character"
  end
end

--- Defaults of the session's requests, each of which may say otherwise.
---@class aimp.http.SessionOptions
---@field timeout? number           seconds for a request with its redirects; math.huge: no limit; default 300
---@field connect_timeout? number   seconds for connecting, TLS included; default 30
---@field headers? table<string, string|number|false|(string|number)[]>  sent with each request; false: not
---  even aimp's or curl's own
---@field max_connections? integer  connections at once, for which further requests wait; default 0: no limit
---@field base_url? string          put before a URL that has no scheme
---@field max_body? integer         bytes of a body, decompressed; default 64 MiB, no limit with on_body
---@field redirects? integer        redirects that are followed at most; 0: none is; default 10
---@field verify? boolean           whether certificates are checked; default true
---@field ca_file? string           a file with the certificates of authorities to trust, PEM; default: the
---  system's
local session_schema = {
  timeout = { type = "number", default = 300, check = seconds_fault },
  connect_timeout = { type = "number", default = 30, check = seconds_fault },
  headers = { type = "table", check = fields.fault },
  max_connections = { type = "integer", default = 0, min = 0, max = 1000000 },
  base_url = { type = "string", check = url_of.fault },
  max_body = { type = "integer", min = 0 },
  redirects = { type = "integer", default = 10, min = 0 },
  verify = { type = "boolean", default = true },
  ca_file = { type = "string", check = path_fault },
}

--- What a request may be told. Defaults are the session's; for functions of the module, those of a session
--- that was told nothing.
---@class aimp.http.RequestOptions
---@field headers? table<string, string|number|false|(string|number)[]>  added to the session's; a list sends
---  a name several times; false: not even the session's
---@field query? table<string, any>    added to the URL, encoded; a list gives a name several times
---@field body? string                 sent as it is; an empty one with POST, PUT and PATCH by default
---@field json? any                    sent as JSON instead of a body; needs the Lua module cjson
---@field timeout? number              seconds for all of it, redirects too; math.huge: no limit
---@field connect_timeout? number      seconds for connecting, TLS included
---@field max_body? integer            bytes of the response's body, decompressed; a longer one fails
---@field redirects? integer           redirects that are followed at most; 0: none is
---@field verify? boolean              whether certificates are checked
---@field ca_file? string              a file with the certificates of authorities to trust, PEM
---@field on_body? fun(chunk: string)  gets the body piece by piece; may wait; an error ends the request
local request_schema = {
  headers = { type = "table", check = fields.fault },
  query = { type = "table", check = query_fault },
  body = { type = "string" },
  json = { type = "any" },
  timeout = { type = "number", check = seconds_fault },
  connect_timeout = { type = "number", check = seconds_fault },
  max_body = { type = "integer", min = 0 },
  redirects = { type = "integer", min = 0 },
  verify = { type = "boolean" },
  ca_file = { type = "string", check = path_fault },
  on_body = { type = "callable" },
}

--- Of `http.request`, besides those of other requests.
---@class aimp.http.AnyRequestOptions: aimp.http.RequestOptions
---@field method? string  in any case, but no CONNECT; default "GET"
local any_method_schema = { method = { type = "string", default = "GET", check = method_fault } }
for name, rule in each(request_schema) do
  any_method_schema[name] = rule
end

--- Level as in aimp.check.
---@return aimp.http.SessionOptions
function M.session(level, opts)
  local options = check.options(level + 1, "http.Session", opts, session_schema)
  return options
end

---@param any_method boolean  whether `method` is among the options
---@return aimp.http.RequestOptions
function M.request(level, fname, opts, any_method)
  local schema = any_method and any_method_schema or request_schema
  local options = check.options(level + 1, fname, opts, schema)
  return options
end

return M
