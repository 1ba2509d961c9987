-- SPDX-License-Identifier: MIT
--- Session: connections that are kept and used again, and defaults for the requests that use them.
---
--- Life: open ──close()──► closed. An open one without requests holds sockets but does not keep the loop
--- alive, and is closed when it is collected; one with requests is not collected.
local core = require("aimp.http.core")
local errors = require("aimp.errors")
local exchange = require("aimp.http.exchange")
local failure = require("aimp.http.failure")
local fiber = require("aimp.fiber")
local loop = require("aimp.loop")
local options_of = require("aimp.http.options")
local request_of = require("aimp.http.request")
local response_of = require("aimp.http.response")

local M = {}

--- Connections that are kept and used again, and defaults for the requests that use them. A session belongs
--- to its process: a pool's workers each make one, in the initializer.
---@class aimp.http.Session
---@field _core any                                  core's session; false once closed
---@field _id integer
---@field _options aimp.http.SessionOptions
---@field _fields table                              headers that every session sends
---@field _running table<integer, aimp.http.Exchange>
---@field _count integer                             of _running
local Session = {}
Session.__index = Session
Session.__name = "aimp.http.Session"
M.Session = Session

local busy = {} -- sessions with requests, by id; also what keeps them from being collected
local last_id = 0

local function next_id()
  last_id = last_id + 1
  return last_id
end

--- Called from the loop when exchanges of a session have news.
local function on_ready(id)
  local session = busy[id]
  while session and session._core do
    local exchange_id, is_done = session._core:next()
    if not exchange_id then
      return
    end
    local running = session._running[exchange_id]
    if running then
      exchange.progress(running, is_done)
    end
  end
end

--- A session; options as in aimp.http.SessionOptions. Level as in aimp.check.
---@return aimp.http.Session
function M.new(level, opts)
  local options = options_of.session(level + 1, opts)
  local id = next_id()
  local opened, fault = core.open(id, on_ready, options.max_connections)
  if not opened then
    error(errors.new("STATE", "aimp.http: " .. fault), 0)
  end
  return setmetatable({
    _core = opened, _id = id, _options = options, _fields = { ["User-Agent"] = "aimp/" .. core.version },
    _running = {}, _count = 0,
  }, Session)
end

local function add_running(session, running)
  session._running[running.id] = running
  session._count = session._count + 1
  busy[session._id] = session
end

local function remove_running(session, running)
  session._running[running.id] = nil
  session._count = session._count - 1
  if session._count == 0 then
    busy[session._id] = nil
  end
end

local function on_late(late)
  exchange.stop(late.running, failure.timeout(late.request, late.request.timeout))
end

--- Message handler: what on_body raises is raised again as it is; the task remembers where it came from.
local function keep_traceback(err)
  local f = fiber.current()
  local known = f.raised and rawequal(f.raised.value, err)
  if not errors.is(err) and not known then
    f.raised = { value = err, traceback = debug.traceback("", 2):sub(2) }
  end
  return err
end

local function run_in_time(session, running, request)
  if request.timeout == math.huge then
    return xpcall(request_of.run, keep_traceback, session._core, running, request)
  end
  local timer = loop.timer(request.timeout, on_late, { running = running, request = request })
  local ok, result = xpcall(request_of.run, keep_traceback, session._core, running, request)
  timer:stop()
  return ok, result
end

--- Runs a request in the running fiber.
---@async
local function perform(session, f, request)
  local running, began = exchange.new(next_id(), f), loop.now()
  add_running(session, running)
  local ok, result = run_in_time(session, running, request)
  remove_running(session, running)
  if not ok then
    exchange.close(running)
    error(result, 0)
  end
  result.method, result.elapsed = request.method, loop.now() - began
  return response_of.new(result)
end

local function check_session(self, fname)
  if getmetatable(self) ~= Session then
    errors.raise_misuse(4, "%s: not a session; call it as session:method()", fname)
  elseif not self._core then
    errors.raise_misuse(4, "%s: the session is closed", fname)
  end
end

--- For the public functions here and in aimp.http, which call it directly.
---@async
---@param fname string
---@param session aimp.http.Session
---@param method? string
---@return aimp.http.Response
function M.call(fname, session, method, url, opts)
  check_session(session, fname)
  local request = request_of.prepare(2, fname, session, method, url, opts)
  local f = fiber.waiter(2, fname)
  return perform(session, f, request)
end

--- Asks for a URL with GET, and waits for the whole response.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- Example: `local page = api:get("https://example.org/", { timeout = 10 })`
---@async
---@param url string                       http:// or https://, or behind base_url
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function Session:get(url, opts)
  local response = M.call("session:get", self, "GET", url, opts)
  return response
end

--- Asks for the headers alone, with HEAD.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- Example: `print(api:head("https://example.org/big.iso").headers["Content-Length"])`
---@async
---@param url string                       http:// or https://, or behind base_url
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function Session:head(url, opts)
  local response = M.call("session:head", self, "HEAD", url, opts)
  return response
end

--- Sends a body with POST: the options' `body`, or `json`.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- Example: `local user = api:post("users", { json = { name = "Ada" } }):json()`
---@async
---@param url string                       http:// or https://, or behind base_url
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function Session:post(url, opts)
  local response = M.call("session:post", self, "POST", url, opts)
  return response
end

--- Sends a body with PUT: the options' `body`, or `json`.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- Example: `api:put("notes/1", { body = text, headers = { ["Content-Type"] = "text/plain" } })`
---@async
---@param url string                       http:// or https://, or behind base_url
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function Session:put(url, opts)
  local response = M.call("session:put", self, "PUT", url, opts)
  return response
end

--- Sends a body with PATCH: the options' `body`, or `json`.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- Example: `api:patch("users/7", { json = { name = "Grace" } })`
---@async
---@param url string                       http:// or https://, or behind base_url
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function Session:patch(url, opts)
  local response = M.call("session:patch", self, "PATCH", url, opts)
  return response
end

--- Asks for the end of what the URL names, with DELETE.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- Example: `local status = api:delete("users/7").status`
---@async
---@param url string                       http:// or https://, or behind base_url
---@param opts? aimp.http.RequestOptions
---@return aimp.http.Response
function Session:delete(url, opts)
  local response = M.call("session:delete", self, "DELETE", url, opts)
  return response
end

--- A request with any method: the options' `method`.
---
--- Raises HTTP when the network fails, a limit is exceeded or the time is over, see aimp.http.Error; CLOSED
--- when the session is closed meanwhile. A status of 4xx or 5xx is a response.
---
--- Example: `local dav = api:request("folder", { method = "PROPFIND", headers = { Depth = 1 } })`
---@async
---@param url string                       http:// or https://, or behind base_url
---@param opts? aimp.http.AnyRequestOptions
---@return aimp.http.Response
function Session:request(url, opts)
  local response = M.call("session:request", self, nil, url, opts)
  return response
end

--- Closes the connections; requests that are under way raise CLOSED. Any number of times.
---
--- Raises nothing.
---
--- Example: `api:close()`
function Session:close()
  local opened = self._core
  if not opened then
    return
  end
  self._core = false
  for _, running in pairs(self._running) do
    exchange.stop(running, errors.new("CLOSED", "the HTTP session was closed"))
  end
  opened:close()
end

function Session.__aimp_send()
  error(errors.new("ENCODE", "an HTTP session belongs to one process; create it in the initializer"), 0)
end

return M
