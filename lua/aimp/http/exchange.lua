-- SPDX-License-Identifier: MIT
--- One hop of a request: runs a transfer of a session, in the requesting fiber.
---
--- The session's events only mark the exchange and wake the fiber; chunks are given to on_body here, in the
--- fiber, so on_body may wait. Meanwhile curl pauses, and the server with it.
local failure = require("aimp.http.failure")
local fiber = require("aimp.fiber")

local M = {}

---@class aimp.http.Hop
---@field method string
---@field url string
---@field lines string[]     header lines
---@field body? string
---@field max_body integer
---@field connect_timeout number
---@field verify boolean
---@field ca_file? string
---@field on_body? fun(chunk: string)
---@field is_following boolean  redirects are followed, so their bodies are of no interest

---@class aimp.http.Exchange
---@field id integer        the session knows it by
---@field fiber aimp.Fiber
---@field transfer any      core's, of the present hop
---@field waiting boolean   the fiber waits here
---@field done boolean      curl is through with the transfer
---@field early any         error that ends it before that (late, closed), or false

---@param id integer
---@param f aimp.Fiber
---@return aimp.http.Exchange
function M.new(id, f)
  return { id = id, fiber = f, transfer = nil, waiting = false, done = false, early = false }
end

local MS_MAX = 2 ^ 31 - 1

local function set_limits(transfer, hop)
  transfer:set_tls(hop.verify, hop.ca_file)
  transfer:set_connect_timeout(math.min(math.ceil(hop.connect_timeout * 1000), MS_MAX))
  transfer:set_max_body(hop.max_body)
  if hop.on_body then
    transfer:set_stream()
  end
  if hop.is_following then
    transfer:set_redirect_muted()
  end
end

local function set_request(transfer, hop)
  if hop.body then
    transfer:set_body(hop.body)
  end
  transfer:set_method(hop.method)
  for _, line in ipairs(hop.lines) do
    transfer:add_header(line)
  end
end

local function wake(exchange)
  if exchange.waiting then
    exchange.waiting = false
    fiber.wake(exchange.fiber)
  end
end

--- The session's event: there is a piece of body, or it is done.
---@param exchange aimp.http.Exchange
---@param is_done boolean
function M.progress(exchange, is_done)
  exchange.done = is_done
  wake(exchange)
end

--- Lets the connection go when it is not done, and frees what curl holds. Any number of times.
---@param exchange aimp.http.Exchange
function M.close(exchange)
  if exchange.transfer then
    exchange.transfer:close()
  end
end

--- Ends it from outside; the requesting fiber gets the error.
---@param exchange aimp.http.Exchange
---@param err any
function M.stop(exchange, err)
  if not exchange.early then
    exchange.early = err
    M.close(exchange)
    wake(exchange)
  end
end

local function withdraw(f)
  f._http_exchange.waiting = false
end

local function wait(exchange)
  local f = exchange.fiber
  f._http_exchange = exchange
  exchange.waiting = true
  fiber.wait(withdraw, "an HTTP response")
end

--- Waits for the end, and gives the chunks to on_body on the way.
---@async
local function pump(exchange, on_body)
  while not exchange.early do
    local chunk = on_body and exchange.transfer:take() or ""
    if chunk ~= "" then
      on_body(chunk)
    elseif exchange.done then
      return
    else
      wait(exchange)
    end
  end
  error(exchange.early, 0)
end

local function result(transfer, hop)
  local code, text, detail, system, limit = transfer:failure()
  if code then
    error(failure.from_transfer(hop, code, text, detail, system, limit), 0)
  end
  local status, head, url = transfer:response()
  local body = not hop.on_body and transfer:take() or nil
  return { status = status, head = head, body = body, url = url }
end

--- Runs a hop to its end; who calls this closes the exchange when it raises.
---@async
---@param core any  the session's
---@param exchange aimp.http.Exchange
---@param hop aimp.http.Hop
---@return { status: integer, head: string, body?: string, url: string }
function M.run(core, exchange, hop)
  exchange.transfer, exchange.done = core:transfer(hop.url), false
  set_request(exchange.transfer, hop)
  set_limits(exchange.transfer, hop)
  local ok, fault = core:start(exchange.transfer, exchange.id)
  if not ok then
    error(failure.new(hop, fault), 0)
  end
  pump(exchange, hop.on_body)
  local got = result(exchange.transfer, hop)
  M.close(exchange)
  return got
end

return M
