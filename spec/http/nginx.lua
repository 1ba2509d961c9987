-- SPDX-License-Identifier: MIT
--- A real nginx on loopback, for the specs of aimp.http.
---
--- The spec binds and listens, and nginx inherits the sockets, as in its own binary upgrade: so ports are
--- free by construction, and a request may be made before nginx is up.
local uv = require("luv")

local M = {}

---@class spec.Nginx
---@field dir string             its own folder; document root is dir/www
---@field port table<string, integer>  by the name of the listener
---@field _process any
---@field _ended any

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

local function listener()
  local tcp = assert(uv.new_tcp())
  assert(tcp:bind("127.0.0.1", 0))
  assert(tcp:listen(511, function() end))
  return tcp
end

local frame = [[
daemon off; worker_processes 1; %s
pid %s/nginx.pid; error_log %s/error.log; worker_rlimit_nofile 4096;
events { worker_connections 2048; }
http {
  access_log off; default_type text/plain; root %s/www;
  client_body_temp_path %s/body; proxy_temp_path %s/proxy;
  fastcgi_temp_path %s/fastcgi; uwsgi_temp_path %s/uwsgi; scgi_temp_path %s/scgi;
  %s
}
]]

-- Only root's nginx changes its user, and then cannot read the folder.
local function user_directive()
  return uv.getuid() == 0 and "user root;" or ""
end

local function expand(servers, self)
  return (servers:gsub("%$PORT_(%w+)", self.port):gsub("%$DIR", self.dir))
end

local function spawn(self, fds)
  local inherited = {}
  for i = 4, #fds do
    inherited[#inherited + 1] = i - 1 .. ";"
  end
  local process, pid
  process, pid = uv.spawn("/usr/sbin/nginx", {
    args = { "-p", self.dir, "-c", self.dir .. "/nginx.conf", "-e", self.dir .. "/error.log" },
    env = { "NGINX=" .. table.concat(inherited) },
    stdio = fds,
  }, function()
    self._ended = true
    process:close()
  end)
  assert(process, "nginx does not start: " .. tostring(pid))
  process:unref() -- a spec that waits for nothing must not wait for nginx
  self._process = process
end

--- Starts nginx.
---@param names string[]   listeners, each with its own port
---@param servers string   configuration inside http {}; $PORT_name and $DIR stand for the real ones
---@param prepare? fun(dir: string)  puts what the configuration needs into the folder
---@return spec.Nginx
function M.start(names, servers, prepare)
  local dir = assert(uv.fs_mkdtemp(uv.os_tmpdir() .. "/aimp-http-XXXXXX"))
  assert(uv.fs_mkdir(dir .. "/www", 448))
  if prepare then
    prepare(dir)
  end
  local self = setmetatable({ dir = dir, port = {}, _ended = false }, { __index = M })
  local null = assert(uv.fs_open("/dev/null", "r+", 0))
  local fds, sockets = { null, null, null }, {}
  for i, name in ipairs(names) do
    sockets[i] = listener()
    self.port[name] = sockets[i]:getsockname().port
    fds[#fds + 1] = sockets[i]:fileno()
  end
  write(dir .. "/nginx.conf",
    frame:format(user_directive(), dir, dir, dir, dir, dir, dir, dir, dir, expand(servers, self)))
  spawn(self, fds)
  for _, tcp in ipairs(sockets) do
    tcp:close()
  end
  uv.fs_close(null)
  return self
end

--- Puts a file into the document root.
function M:put(name, text)
  write(self.dir .. "/www/" .. name, text)
end

---@param listener_name string
---@param path string
---@return string
function M:url(listener_name, path, host)
  local scheme = listener_name:find("^tls") and "https" or "http"
  return ("%s://%s:%d%s"):format(scheme, host or "127.0.0.1", self.port[listener_name], path)
end

local function remove(path)
  for name, kind in function(scan) return uv.fs_scandir_next(scan) end, assert(uv.fs_scandir(path)) do
    if kind == "directory" then
      remove(path .. "/" .. name)
    else
      uv.fs_unlink(path .. "/" .. name)
    end
  end
  uv.fs_rmdir(path)
end

--- Ends it and removes its folder. wait_until: the helper's.
function M:stop(wait_until)
  if not self._ended then
    self._process:kill("sigterm")
    assert(wait_until(function() return self._ended end), "nginx does not end")
  end
  remove(self.dir)
end

return M
