--- What cannot be sent, such as an HTTP session, is made in each worker by an initializer.
---
---   aimprun initializer.lua [url]
---
--- Without a url the example serves one itself, on loopback.
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local http = require("aimp.http")
local server = dofile((arg[0]:match("^.*/") or "") .. "lib/server.lua")

local session -- each worker sets its own; here it stays nil

local function init_session(timeout)
  session = http.Session({ timeout = timeout })
end

local function get(url)
  return session:get(url).status
end

local url = arg[1] or server.start()
local pool = aimp.Pool({ processes = 2, initializer = init_session, initargs = { 5 } })
aimp.with(pool, function()
  for i, status in pool:map(get, { url, url, url }) do
    print(("request %d: status %d"):format(i, status))
  end
end)
