--- Fetches pages with two workers, each with a queue of its own, and tells who fetched what.
---
---   aimprun status.lua [url ...]
---
--- Without a url the example serves some itself, on loopback.
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local http = require("aimp.http")
local server = dofile((arg[0]:match("^.*/") or "") .. "lib/server.lua")

local function get(url)
  return aimp.pid(), url, http.get(url).status
end

local urls = { unpack(arg) }
if #urls == 0 then
  local url = server.start()
  for page = 1, 6 do
    urls[page] = url .. "page" .. page
  end
end

aimp.with(aimp.Pool({ processes = 2, queuecount = 2 }), function(pool)
  for _, pid, url, status in pool:map(get, urls, { chunksize = 1 }) do -- the queues take turns
    print(pid, url, status)
  end
end)
