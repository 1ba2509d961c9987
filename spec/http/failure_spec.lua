-- SPDX-License-Identifier: MIT
local helper = require("spec.helper")
local aimp = require("aimp")
local http = require("aimp.http")
local support = require("spec.http.support")

local task, with_server, failure = support.task, support.with_server, support.failure

--- Sends for as long as the client reads.
local function endless(connection, data)
  local function more()
    connection:write(data, more)
  end
  more()
end

local function assert_http(err, curl_code, pattern)
  assert.is_table(err)
  assert.equal("HTTP", err.code)
  assert.equal(curl_code, err.curl_code)
  assert.matches(pattern, err.message)
end

describe("an HTTP error", function()
  after_each(http.close)

  it("says that nobody listens", task(function()
    local err = failure(http.get, "http://127.0.0.1:1/x")
    assert_http(err, "COULDNT_CONNECT", "^GET http://127.0.0.1:1/x: connection refused %(COULDNT_CONNECT: ")
    assert.equal("http://127.0.0.1:1/x", err.url)
    assert.equal("GET", err.method)
  end))

  it("says that there is no such host", task(function()
    assert_http(failure(http.get, "http://nobody.invalid/"), "COULDNT_RESOLVE_HOST", "nobody.invalid")
  end))

  it("never shows a password", task(function()
    local err = failure(http.get, "http://me:secret@127.0.0.1:1/")
    assert.equal("http://127.0.0.1:1/", err.url)
    assert.is_nil(err.message:find("secret", 1, true))
  end))

  it("comes when the server resets, before and amid the body", with_server(function(connection, request)
    if request.path == "/before" then
      return connection:reset()
    end
    connection:write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", function() connection:reset() end)
  end, function(server)
    assert_http(failure(http.get, server:url("/before")), "RECV_ERROR", "connection reset by peer")
    assert_http(failure(http.get, server:url("/amid")), "RECV_ERROR", "connection reset by peer")
  end))

  it("comes when the server ends too early", with_server(function(connection, request)
    if request.path == "/nothing" then
      return connection:finish()
    end
    connection:write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", function() connection:finish() end)
  end, function(server)
    assert_http(failure(http.get, server:url("/nothing")), "GOT_NOTHING", "Empty reply")
    assert_http(failure(http.get, server:url("/half")), "PARTIAL_FILE", "96 bytes remaining")
  end))

  it("comes when what arrives is no HTTP", with_server(function(connection, request)
    local answers = {
      ["/garbage"] = "\0\255\1garbage that is no HTTP at all\r\n\r\n",
      ["/gzip"] = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip",
      ["/chunk"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    }
    connection:write(answers[request.path], function() connection:finish() end)
  end, function(server)
    assert_http(failure(http.get, server:url("/garbage")), "UNSUPPORTED_PROTOCOL", "HTTP/0.9")
    assert_http(failure(http.get, server:url("/gzip")), "BAD_CONTENT_ENCODING", "incorrect header check")
    assert_http(failure(http.get, server:url("/chunk")), "RECV_ERROR", "chunk")
  end))

  it("comes when the headers or the body are late", with_server(function(connection, request)
    if request.path == "/body" then
      connection:write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome of it")
    elseif request.path == "/headers" then
      connection:write("HTTP/1.1 200 OK\r\nX-Slow:")
    end
  end, function(server)
    for _, path in ipairs { "/nothing", "/headers", "/body" } do
      local err = failure(http.get, server:url(path), { timeout = 0.05 })
      assert_http(err, "OPERATION_TIMEDOUT", "^GET .*: not done within 0.05 s %(OPERATION_TIMEDOUT%)$")
    end
    assert.is_true(helper.wait_until(function() return server.ended == 3 end))
  end))

  it("comes when redirects together take too long", with_server(function(connection, request)
    if request.path == "/1" then
      connection:respond("302 Found", "", "Location: /2\r\n")
    end
  end, function(server)
    assert_http(failure(http.get, server:url("/1"), { timeout = 0.05 }), "OPERATION_TIMEDOUT", "/2: not done")
    assert.equal(2, #server.requests)
  end))

  it("comes when the body never ends", with_server(function(connection)
    connection:write("HTTP/1.1 200 OK\r\n\r\n")
    endless(connection, ("x"):rep(65536))
  end, function(server)
    local opts = { timeout = 0.1, on_body = function() end }
    assert_http(failure(http.get, server:url(), opts), "OPERATION_TIMEDOUT", "not done")
    assert_http(failure(http.get, server:url(), { max_body = 1000000 }), nil,
      "longer than max_body %(1000000 bytes%)")
  end))

  it("comes when the headers never end", with_server(function(connection)
    connection:write("HTTP/1.1 200 OK\r\n")
    endless(connection, ("X-More: and more\r\n"):rep(1000))
  end, function(server)
    assert.equal("HTTP", failure(http.get, server:url(), { timeout = 20 }).code)
    assert.is_nil(failure(http.get, server:url(), { timeout = 20 }).message:find("not done", 1, true))
  end))

  it("comes at the byte behind max_body, and not at the last", with_server(function(connection)
    connection:respond("200 OK", "12345")
  end, function(server)
    assert.equal("12345", http.get(server:url(), { max_body = 5 }).body)
    assert_http(failure(http.get, server:url(), { max_body = 4 }), nil, "max_body %(4 bytes%)")
    assert_http(failure(http.get, server:url(), { max_body = 0 }), nil, "max_body %(0 bytes%)")
  end))

  it("counts max_body after decompression", support.with_server(function(connection)
    -- 1 MiB of zeros by gzip -9: 1,055 bytes, of which the first ones are enough.
    local file = assert(io.popen("head -c 1048576 /dev/zero | gzip -9n"))
    local bomb = file:read("*a")
    file:close()
    connection:respond("200 OK", bomb, "Content-Encoding: gzip\r\n")
  end, function(server)
    assert.equal(1048576, #http.get(server:url()).body)
    assert_http(failure(http.get, server:url(), { max_body = 100000 }), nil, "max_body")
  end))

  it("leaves the session usable", with_server(function(connection, request)
    if request.path == "/reset" then
      return connection:reset()
    end
    connection:respond("200 OK", "fine")
  end, function(server)
    for _ = 1, 20 do
      failure(http.get, server:url("/reset"))
      assert.equal("fine", http.get(server:url("/")).body)
    end
  end))
end)

describe("a cancelled request", function()
  it("closes its connection at once", with_server(function() end, function(server)
    local waiting = aimp.spawn(function()
      http.get(server:url())
    end)
    assert.is_true(helper.wait_until(function() return #server.requests == 1 end))
    waiting:cancel()
    local ok, err = waiting:pawait()
    assert.is_false(ok)
    assert.equal("CANCELLED", err.code)
    assert.is_true(helper.wait_until(function() return server.ended == 1 end))
  end))

  it("need not have begun", with_server(function(connection)
    connection:respond("200 OK", "")
  end, function(server)
    local waiting = aimp.spawn(function()
      http.get(server:url())
    end)
    waiting:cancel()
    assert.equal("CANCELLED", select(2, waiting:pawait()).code)
    assert.equal(0, #server.requests)
  end))

  it("is one that aimp.timeout ends, too", with_server(function() end, function(server)
    assert.equal("TIMEOUT", failure(aimp.timeout, 0.05, http.get, server:url()).code)
    assert.is_true(helper.wait_until(function() return server.ended == 1 end))
  end))

  it("may be caught, and another made", with_server(function(connection, request)
    if request.path == "/answer" then
      connection:respond("200 OK", "answer")
    end
  end, function(server)
    local waiting = aimp.spawn(function()
      pcall(http.get, server:url("/silence"))
      return http.get(server:url("/answer")).body
    end)
    assert.is_true(helper.wait_until(function() return #server.requests == 1 end))
    waiting:cancel()
    assert.equal("answer", waiting:await())
  end))
end)
