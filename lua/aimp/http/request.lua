-- SPDX-License-Identifier: MIT
--- From a call's arguments to hops: checks, defaults, redirects.
---
--- Redirects are followed here and not by curl, so that a method, a body and credentials go along only where
--- they should, and never to another scheme.
local core = require("aimp.http.core")
local errors = require("aimp.errors")
local exchange = require("aimp.http.exchange")
local failure = require("aimp.http.failure")
local fields = require("aimp.http.fields")
local headers = require("aimp.http.headers")
local json = require("aimp.http.json")
local options_of = require("aimp.http.options")
local url_of = require("aimp.http.url")

local M = {}

---@class aimp.http.Request: aimp.http.RequestOptions
---@field method string
---@field url string
---@field fields table  headers by lower-case name, see aimp.http.fields

--- What is wrong with the parts taken together, or nil.
local function fault_of(request)
  if request.json ~= nil and request.body then
    return "takes one of 'body' and 'json'"
  elseif request.method == "HEAD" and (request.body or request.json ~= nil) then
    return "sends no body with HEAD"
  end
end

--- Encodes `json` into the body; returns what is wrong, or nil.
local function encode_json(request)
  if request.json == nil then
    return nil
  end
  local ok, text = json.encode(request.json)
  if not ok then
    return string.format("option 'json' cannot be sent: %s", errors.describe(text))
  end
  request.body = text
  request.fields = fields.merge_missing(request.fields, { ["Content-Type"] = "application/json" })
end

local inherited = { "timeout", "connect_timeout", "max_body", "redirects", "verify", "ca_file" }

local function inherit(request, defaults)
  for _, name in ipairs(inherited) do
    if request[name] == nil then
      request[name] = defaults[name]
    end
  end
  request.max_body = request.max_body or (request.on_body and 2 ^ 52 or options_of.MAX_BODY)
end

--- curl adds these to a request with a body unless it is told not to: a content type that nobody chose, and
--- a round trip to ask whether a large body is welcome.
local quiet = { ["Content-Type"] = false, Expect = false }

local bodied = { POST = true, PUT = true, PATCH = true }

local function complete(request, defaults, base_fields)
  inherit(request, defaults)
  request.fields = fields.merge(base_fields, defaults.headers, request.headers)
  local fault = fault_of(request) or encode_json(request)
  request.fields = fields.merge_missing(request.fields, quiet)
  if not request.body and bodied[request.method] then
    request.body = "" -- so that it says Content-Length: 0
  end
  return fault
end

--- Makes a request of a call's arguments, or raises misuse. Level as in aimp.check.
---@param session aimp.http.Session
---@param method? string  nil: among the options
---@return aimp.http.Request
function M.prepare(level, fname, session, method, url, opts)
  if type(url) ~= "string" then
    errors.raise_misuse(level + 2, "bad argument #1 to '%s' (expected a URL, got %s)", fname, type(url))
  end
  local request = options_of.request(level + 1, fname, opts, method == nil)
  request.method = (method or request.method):upper()
  request.url = url_of.join(session._options.base_url, url)
  local fault = url_of.fault(request.url) or complete(request, session._options, session._fields)
  if fault then
    errors.raise_misuse(level + 2, "%s: %s", fname, fault)
  end
  request.url = request.query and url_of.with_query(request.url, request.query) or request.url
  return request
end

local function hop_of(request)
  return {
    method = request.method, url = request.url, lines = fields.lines(request.fields), body = request.body,
    max_body = request.max_body, connect_timeout = request.connect_timeout, verify = request.verify,
    ca_file = request.ca_file, on_body = request.on_body, is_following = request.redirects > 0,
  }
end

local redirecting = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

--- As browsers do: 303 asks for another document, and 301 and 302 turned POST into GET ever since.
local function becomes_get(status, method)
  return status == 303 and method ~= "HEAD" or (status == 301 or status == 302) and method == "POST"
end

local function refuse(request, text, location)
  error(failure.new(request, string.format("redirected to %s: %s", text, url_of.redact(location))), 0)
end

--- The absolute URL of a Location that may be followed, or raises.
local function target_of(request, base, reference)
  local location = core.resolve(base, reference)
  if not location then
    refuse(request, "what is no URL", reference)
  elseif url_of.scheme(location) ~= url_of.scheme(base) then
    refuse(request, "another scheme, which is refused", location)
  end
  return location
end

--- Turns the request into its next hop.
local function redirect(request, status, location)
  if url_of.origin(location) ~= url_of.origin(request.url) then
    request.fields = fields.without_private(request.fields)
  end
  if becomes_get(status, request.method) and request.method ~= "GET" then
    request.method, request.body = "GET", nil
    request.fields = fields.without_body(request.fields)
  end
  request.url = location
end

--- Where a response redirects to, or nil.
local function reference_of(result)
  if redirecting[result.status] then
    return headers.parse(result.head):get_all("Location")[1]
  end
end

--- Runs it with its redirects.
---@async
---@param session any  core's
---@param running aimp.http.Exchange
---@param request aimp.http.Request  changed by redirects
---@return table result  of the last hop, see aimp.http.exchange
function M.run(session, running, request)
  local first = hop_of(request)
  for followed = 0, request.redirects do
    local result = exchange.run(session, running, followed == 0 and first or hop_of(request))
    local reference = request.redirects > 0 and reference_of(result)
    if not reference then
      return result
    elseif followed < request.redirects then
      redirect(request, result.status, target_of(request, result.url, reference))
    end
  end
  error(failure.new(first, string.format("more than %d redirects, the last from %s", request.redirects,
    url_of.redact(request.url))), 0)
end

return M
