--- Fetches pages with two workers, each with a queue of its own, and tells who fetched what.
---
---   aimprun status.lua [url …]
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local http = require("aimp.http")

local function get(url)
  return aimp.pid(), url, http.get(url).status
end

local urls, stop = { unpack(arg) }, nil
if #urls == 0 then
  local folder = arg[0]:match("^(.*)/") or "."
  urls[1], stop = dofile(folder .. "/lib/server.lua").start()
  for page = 2, 6 do
    urls[page] = urls[1] .. "page" .. page
  end
end

aimp.with(aimp.Pool({ processes = 2, queuecount = 2 }), function(pool)
  for _, pid, url, status in pool:map(get, urls, { chunksize = 1 }) do
    print(pid, url, status)
  end
end)
if stop then
  stop()
end
