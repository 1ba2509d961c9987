-- SPDX-License-Identifier: MIT
local helper = require("spec.helper")
local aimp = require("aimp")
local http = require("aimp.http")
local support = require("spec.http.support")

local task, with_server, failure = support.task, support.with_server, support.failure

local servers = [[
server { listen 127.0.0.1:$PORT_plain; gzip on; gzip_types text/plain; }
]]

describe("on_body", function()
  local nginx = support.use_nginx({ "plain" }, servers)

  it("gets the whole body in pieces", task(function()
    local data = {}
    for i = 1, 200000 do
      data[i] = ("line %d\n"):format(i)
    end
    data = table.concat(data)
    nginx.web:put("long.txt", data)
    for _, encoding in ipairs { "gzip", "identity" } do
      local chunks = {}
      local response = http.get(nginx.web:url("plain", "/long.txt"), {
        headers = { ["Accept-Encoding"] = encoding },
        on_body = function(chunk) chunks[#chunks + 1] = chunk end,
      })
      assert.equal(200, response.status)
      assert.is_nil(response.body)
      assert.is_true(#chunks > 1)
      assert.is_true(table.concat(chunks) == data)
    end
  end))

  it("gets each piece as it comes", with_server(function(connection, request)
    if request.path == "/next" then
      connection:respond("200 OK", "")
      return connection._server.first:finish_with("second")
    end
    connection._server.first = connection
    function connection:finish_with(text)
      self:write(text, function() self:finish() end)
    end
    connection:write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfirst")
  end, function(server)
    local chunks = {}
    http.get(server:url("/"), { on_body = function(chunk)
      chunks[#chunks + 1] = chunk
      if chunk == "first" then
        http.get(server:url("/next")) -- the server goes on only now
      end
    end })
    assert.same({ "first", "second" }, chunks)
  end))

  it("holds the server up while it waits", with_server(function(connection)
    local server, piece = connection._server, ("x"):rep(65536)
    server.sent = 0
    connection:write("HTTP/1.1 200 OK\r\nContent-Length: " .. 65536 * 1000 .. "\r\n\r\n")
    local function more()
      server.sent = server.sent + 1
      if server.sent < 1000 then
        connection:write(piece, more)
      end
    end
    connection:write(piece, more)
  end, function(server)
    local total, stalled_at = 0, nil
    http.get(server:url(), { on_body = function(chunk)
      if total == 0 then
        local before
        repeat
          before = server.sent
          aimp.sleep(0.05)
        until server.sent == before
        stalled_at = before
      end
      total = total + #chunk
    end })
    assert.equal(65536 * 1000, total)
    assert.is_true(stalled_at < 500, stalled_at .. " pieces were sent to a client that does not read")
  end))

  it("ends the request by raising, and the error is its own", with_server(function(connection)
    connection:write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegin")
  end, function(server)
    local mine = { "an error of my own" }
    assert.equal(mine, failure(http.get, server:url(), { on_body = function() error(mine) end }))
    assert.is_true(helper.wait_until(function() return server.ended == 1 end))
    local spawned = aimp.spawn(function()
      http.get(server:url(), { on_body = function() error("plain text") end })
    end)
    local err = select(2, spawned:pawait())
    assert.matches("stream_spec.lua:%d+: plain text", err.message)
    assert.matches("on_body", err.traceback)
  end))

  it("can be cancelled in its own wait", with_server(function(connection)
    connection:write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegin")
  end, function(server)
    local waits = false
    local reader = aimp.spawn(function()
      http.get(server:url(), { on_body = function()
        waits = true
        aimp.sleep(3600)
      end })
    end)
    assert.is_true(helper.wait_until(function() return waits end))
    reader:cancel()
    assert.equal("CANCELLED", select(2, reader:pawait()).code)
    assert.is_true(helper.wait_until(function() return server.ended == 1 end))
  end))

  it("is bounded by max_body only when that is given", with_server(function(connection)
    connection:respond("200 OK", ("x"):rep(100000))
  end, function(server)
    local total = 0
    local function count(chunk)
      total = total + #chunk
    end
    http.get(server:url(), { on_body = count })
    assert.equal(100000, total)
    total = 0
    local err = failure(http.get, server:url(), { on_body = count, max_body = 50000 })
    assert.matches("max_body", err.message)
    assert.is_true(total <= 50000)
  end))

  it("sees no body of a redirect that is followed", with_server(function(connection, request)
    if request.path == "/end" then
      connection:respond("200 OK", "end")
    else
      connection:respond("302 Found", "gone", "Location: /end\r\n")
    end
  end, function(server)
    local chunks = {}
    http.get(server:url("/"), { on_body = function(chunk) chunks[#chunks + 1] = chunk end })
    assert.same({ "end" }, chunks)
  end))

  it("is told of a failure behind the last piece", with_server(function(connection)
    connection:write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", function() connection:finish() end)
  end, function(server)
    local chunks = {}
    local err = failure(http.get, server:url(), { on_body = function(chunk) chunks[#chunks + 1] = chunk end })
    assert.equal("PARTIAL_FILE", err.curl_code)
    assert.same({ "half" }, chunks)
  end))
end)
