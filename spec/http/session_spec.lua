-- SPDX-License-Identifier: MIT
local helper = require("spec.helper")
local aimp = require("aimp")
local fiber = require("aimp.fiber")
local http = require("aimp.http")
local leaks = require("spec.leaks")
local session_of = require("aimp.http.session")
local support = require("spec.http.support")

local task, with_server, failure = support.task, support.with_server, support.failure

local servers = [[
keepalive_requests 100000;
server {
  listen 127.0.0.1:$PORT_plain;
  location / { return 200 "$connection $connection_requests"; }
  location /close { keepalive_timeout 0; return 200 "closed"; }
}
]]

describe("a session", function()
  local nginx = support.use_nginx({ "plain" }, servers)

  it("uses a connection again", task(function()
    local session, url = http.Session(), nginx.web:url("plain", "/")
    local connection = session:get(url).body:match("^%d+")
    for i = 2, 20 do
      assert.equal(connection .. " " .. i, session:get(url).body)
    end
    session:close()
  end))

  it("shares none with another session", task(function()
    local one, two, url = http.Session(), http.Session(), nginx.web:url("plain", "/")
    assert.not_equal(one:get(url).body:match("^%d+"), two:get(url).body:match("^%d+"))
    one:close()
    two:close()
  end))

  it("has its own headers, base and limits", with_server(function(connection, request)
    connection:respond("200 OK", request.path .. "\n" .. request.head)
  end, function(server)
    local session = http.Session {
      base_url = server:url("/v1/"), headers = { ["X-Key"] = "k", ["X-More"] = "m" }, max_body = 1000,
    }
    local body = session:get("users", { headers = { ["x-more"] = "mine" }, query = { id = 7 } }).body
    assert.matches("^/v1/users%?id=7\n", body)
    assert.matches("X%-Key: k", body)
    assert.matches("x%-more: mine", body)
    assert.is_nil(body:find("X-More", 1, true))
    assert.is_nil(session:get("/", { headers = { ["X-Key"] = false } }).body:find("X-Key", 1, true))
    assert.matches("^/other\n", session:get(server:url("/other")).body)
    assert.matches("max_body", failure(session.get, session, ("x"):rep(2000)).message)
    session:close()
  end))

  it("opens no more connections than allowed", with_server(function(connection, request)
    local server = connection._server
    server.now = (server.now or 0) + 1
    server.most = math.max(server.most or 0, server.now)
    aimp.spawn(function()
      aimp.sleep(0.005)
      server.now = server.now - 1
      connection:respond("200 OK", request.path)
    end)
  end, function(server)
    local session, tasks = http.Session { max_connections = 3 }, {}
    for i = 1, 30 do
      tasks[i] = aimp.spawn(function() return session:get(server:url("/" .. i)).body end)
    end
    for i, body in ipairs(aimp.gather(tasks)) do
      assert.equal("/" .. i, body)
    end
    assert.equal(3, server.accepted)
    assert.equal(3, server.most)
    session:close()
  end))

  it("counts the time in the queue for a connection", with_server(function() end, function(server)
    local session = http.Session { max_connections = 1 }
    local first = aimp.spawn(function() session:get(server:url("/first")) end)
    assert.is_true(helper.wait_until(function() return #server.requests == 1 end))
    local err = failure(session.get, session, server:url("/second"), { timeout = 0.05 })
    assert.equal("OPERATION_TIMEDOUT", err.curl_code)
    session:close()
    assert.equal("CLOSED", select(2, first:pawait()).code)
  end))

  it("serves 200 requests at once", task(function()
    local tasks = {}
    for i = 1, 200 do
      tasks[i] = aimp.spawn(function() return http.get(nginx.web:url("plain", "/?" .. i)).status end)
    end
    for _, status in ipairs(aimp.gather(tasks)) do
      assert.equal(200, status)
    end
  end))

  it("leaks nothing over thousands of connections in turn", task(function()
    local session, url = http.Session(), nginx.web:url("plain", "/close")
    session:get(url)
    local before = leaks.files()
    for _ = 1, 3000 do
      assert.equal("closed", session:get(url).body)
    end
    assert.same(before, leaks.files())
    session:close()
  end))

  it("raises CLOSED where requests wait when it closes", with_server(function(connection, request)
    if request.path == "/body" then
      connection:write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome")
    end
  end, function(server)
    local session, tasks = http.Session { max_connections = 2 }, {}
    for i, path in ipairs { "/head", "/body", "/queued" } do
      tasks[i] = aimp.spawn(function() session:get(server:url(path)) end)
    end
    assert.is_true(helper.wait_until(function() return #server.requests == 2 end))
    session:close()
    session:close()
    for _, waiting in ipairs(tasks) do
      local err = select(2, waiting:pawait())
      assert.equal("CLOSED", err.code)
      assert.equal("the HTTP session was closed", err.message)
    end
    assert.is_true(helper.wait_until(function() return server.ended == 2 end))
  end))

  it("may be closed in its own on_body", with_server(function(connection)
    connection:write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome")
  end, function(server)
    local session = http.Session()
    local err = failure(session.get, session, server:url(), { on_body = function() session:close() end })
    assert.equal("CLOSED", err.code)
  end))

  it("is closed by aimp.with", task(function()
    local kept
    local status = aimp.with(http.Session(), function(session)
      kept = session
      return session:get(nginx.web:url("plain", "/")).status
    end)
    assert.equal(200, status)
    assert.matches("the session is closed", failure(kept.get, kept, nginx.web:url("plain", "/")))
  end))

  it("is closed when it is collected, but never with requests", with_server(function(connection, request)
    if request.path == "/now" then
      connection:respond("200 OK", "now")
    end
  end, function(server)
    local waiting = aimp.spawn(function() return http.Session():get(server:url("/later")).body end)
    http.Session():get(server:url("/now"))
    assert.is_true(helper.wait_until(function()
      collectgarbage()
      return server.ended == 1
    end))
    assert.is_true(helper.wait_until(function() return #server.requests == 2 end))
    for connection in pairs(server.open) do
      connection:respond("200 OK", "late")
    end
    assert.equal("late", waiting:await())
    collectgarbage()
  end))

  it("keeps the loop alive for a request that has no time limit", task(function()
    local url = nginx.web:url("plain", "/")
    assert.equal(200, http.get(url, { timeout = math.huge, connect_timeout = math.huge }).status)
  end))

  it("does not keep the loop alive", task(function()
    local session = http.Session()
    session:get(nginx.web:url("plain", "/"))
    local err = failure(fiber.wait, nil, "what never comes")
    assert.equal("DEADLOCK", err.code)
    session:close()
  end))

  it("stays in its process", task(function()
    local session = http.Session()
    local err = failure(session_of.Session.__aimp_send, session)
    assert.equal("ENCODE", err.code)
    assert.equal("an HTTP session belongs to one process; create it in the initializer", err.message)
    session:close()
  end))
end)
