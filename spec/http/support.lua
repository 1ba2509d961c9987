-- SPDX-License-Identifier: MIT
--- What the specs of aimp.http share.
local aimp = require("aimp")
local busted = require("busted")
local fiber = require("aimp.fiber")
local helper = require("spec.helper")
local http = require("aimp.http")
local nginx = require("spec.http.nginx")
local server = require("spec.http.server")
local uv = require("luv")

local M = {}

-- The proxies of whoever runs the specs are none of their business.
for _, name in ipairs { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" } do
  uv.os_unsetenv(name)
end

--- A spec's body, as a task; under aimprun it is part of one already.
---@param fn function
function M.task(fn)
  return function()
    if fiber.current() then
      return fn()
    end
    local ok, err
    aimp.run(function()
      ok, err = xpcall(fn, function(e) return e end)
    end)
    if not ok then
      error(err, 0)
    end
  end
end

--- Runs fn(server) in a task with a server of that handler, and stops it afterwards.
function M.with_server(handler, fn)
  return M.task(function()
    local started = server.start(handler)
    local ok, err = xpcall(fn, function(e) return e end, started)
    started:stop()
    http.close()
    if not ok then
      error(err, 0)
    end
  end)
end

--- nginx for a describe block; `block.web` is it while the specs run.
---@param names string[]
---@param servers string
---@param prepare? fun(dir: string)  makes what the configuration needs
---@return { web: spec.Nginx }
function M.use_nginx(names, servers, prepare)
  local block = {}
  busted.setup(M.task(function()
    block.web = nginx.start(names, servers, prepare)
    http.get(block.web:url(names[1], "/"), { verify = false }) -- its processes have their titles now
    http.close()
  end))
  busted.teardown(M.task(function()
    block.web:stop(helper.wait_until)
  end))
  busted.after_each(http.close)
  return block
end

--- The error of a call that must fail.
---@return any
function M.failure(fn, ...)
  local ok, err = pcall(fn, ...)
  assert(not ok, "expected an error")
  return err
end

return M
