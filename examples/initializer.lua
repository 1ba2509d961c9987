--- What cannot be sent, such as an HTTP session, is made in each worker by an initializer.
---
---   aimprun initializer.lua [url]
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local http = require("aimp.http")

local session -- each worker has its own

local function init_session(timeout)
  session = http.Session({ timeout = timeout })
end

local function get(url)
  return session:get(url).status
end

local url, stop = arg[1], nil
if not url then
  local folder = arg[0]:match("^(.*)/") or "."
  url, stop = dofile(folder .. "/lib/server.lua").start()
end

aimp.with(aimp.Pool({ processes = 2, initializer = init_session, initargs = { 5 } }), function(pool)
  for i, status in pool:map(get, { url, url, url }) do
    print(("request %d: status %d"):format(i, status))
  end
end)
if stop then
  stop()
end
