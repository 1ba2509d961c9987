-- SPDX-License-Identifier: MIT
require("spec.helper")
local http = require("aimp.http")
local json = require("cjson")
local support = require("spec.http.support")

local task, with_server, failure = support.task, support.with_server, support.failure

local function ok(connection)
  connection:respond("200 OK", "")
end

local function header_of(request, name)
  return ("\r\n" .. request.head .. "\r\n"):lower():match("\r\n" .. name:gsub("%-", "%%-") .. ": *(.-)\r\n")
end

describe("requests", function()
  it("send what the method needs and no more", with_server(ok, function(server)
    http.get(server:url("/a?b=c#fragment"))
    http.post(server:url("/post"), { body = "payload" })
    http.post(server:url("/none"))
    http.request(server:url("/report"), { method = "REPORT", body = "with body" })
    local get, post, none, report = unpack(server.requests)
    assert.equal("GET /a?b=c HTTP/1.1", get.line)
    assert.is_nil(header_of(get, "content-length"))
    assert.same({ "POST", "payload" }, { post.method, post.body })
    assert.is_nil(header_of(post, "content-type"))
    assert.equal("0", header_of(none, "content-length"))
    assert.same({ "REPORT", "with body" }, { report.method, report.body })
  end))

  it("send large bodies without asking first", with_server(ok, function(server)
    local body = ("x"):rep(3 * 1024 * 1024)
    http.put(server:url(), { body = body })
    assert.is_nil(header_of(server.requests[1], "expect"))
    assert.is_true(server.requests[1].body == body)
  end))

  it("say who asks and what they take", with_server(ok, function(server)
    http.get(server:url())
    http.get(server:url(), { headers = { ["user-agent"] = "me/1", Accept = false, ["X-Empty"] = "" } })
    local plain, mine = unpack(server.requests)
    assert.matches("^aimp/%d", header_of(plain, "user-agent"))
    assert.matches("gzip", header_of(plain, "accept-encoding"))
    assert.equal("me/1", header_of(mine, "user-agent"))
    assert.is_nil(header_of(mine, "accept"))
    assert.equal("", header_of(mine, "x-empty"))
  end))

  it("take header values as strings, numbers and lists", with_server(ok, function(server)
    http.get(server:url(), { headers = { ["X-Number"] = 7, ["X-List"] = { "one", 2 } } })
    local head = server.requests[1].head
    assert.matches("\r\nX%-Number: 7\r\n", head .. "\r\n")
    assert.matches("\r\nX%-List: one\r\nX%-List: 2\r\n", head .. "\r\n")
  end))

  it("encode a query", with_server(ok, function(server)
    http.get(server:url("/find?a=1#here"), { query = { q = "tea & cake/ü", list = { 1, 2 }, yes = true } })
    assert.equal("/find?a=1&list=1&list=2&q=tea%20%26%20cake%2F%C3%BC&yes=true", server.requests[1].path)
  end))

  it("encode JSON both ways", with_server(function(connection, request)
    local kind = header_of(request, "content-type")
    connection:respond("200 OK", request.body, "Content-Type: " .. kind .. "\r\n")
  end, function(server)
    local value = { name = "Ada", list = { 1, 2.5, false, json.null }, deep = { { {} } } }
    local response = http.post(server:url(), { json = value })
    assert.equal("application/json", response.headers["content-type"])
    assert.same(value, response:json())
    assert.equal("false", http.post(server:url(), { json = false }).body)
    local headers = { ["content-type"] = "application/ld+json" }
    local typed = http.post(server:url(), { json = {}, headers = headers })
    assert.equal("application/ld+json", typed.headers["content-type"])
  end))

  it("go through a proxy of the environment", with_server(ok, function(proxy)
    local uv = require("luv")
    uv.os_setenv("http_proxy", proxy:url())
    local done, response = pcall(http.get, "http://host.invalid/path")
    uv.os_unsetenv("http_proxy")
    assert.is_true(done, tostring(response))
    assert.equal("GET http://host.invalid/path HTTP/1.1", proxy.requests[1].line)
  end))
end)

describe("misuse", function()
  after_each(http.close)

  local function refused(pattern, fn, ...)
    local err = failure(fn, ...)
    assert.equal("string", type(err))
    assert.matches(pattern, err)
  end

  it("is reported at the caller's line", task(function()
    local line = debug.getinfo(1, "l").currentline
    local _, err = pcall(function()
      http.get("http://127.0.0.1/", { timeot = 1 })
    end)
    assert.matches("request_spec.lua:" .. line + 2 .. ": http.get: unknown option 'timeot', "
      .. "did you mean 'timeout'%?", err)
    local session = http.Session()
    _, err = pcall(function()
      session:post("ftp://127.0.0.1/")
    end)
    assert.matches("request_spec.lua:" .. line + 8 .. ": session:post: 'ftp://127.0.0.1/' must begin", err)
    session:close()
    _, err = pcall(function()
      session:get("http://127.0.0.1/")
    end)
    assert.matches("request_spec.lua:" .. line + 13 .. ": session:get: the session is closed", err)
    _, err = pcall(function()
      session.get("http://127.0.0.1/")
    end)
    assert.matches("request_spec.lua:" .. line + 17 .. ": session:get: not a session", err)
    _, err = pcall(function()
      http.Session { max_connection = 1 }
    end)
    assert.matches("request_spec.lua:" .. line + 21 .. ": http.Session: .*'max_connections'", err)
  end))

  it("is a wait outside of a task", function()
    local err = failure(function()
      coroutine.wrap(function()
        http.get("http://127.0.0.1/")
      end)()
    end)
    assert.matches("http.get", err)
  end)

  it("is a URL that is none, or could smuggle", task(function()
    for _, url in ipairs { "", "127.0.0.1", "file:///etc/passwd", "http://", "http:///x", "gopher://h/" } do
      refused("must begin with http:// or https:// and a host", http.get, url)
    end
    for _, url in ipairs { "http://h/ HTTP/1.1\r\nX: y", "http://h/a b", "http://h/\0", "http://h/\127" } do
      refused("space or a control character", http.get, url)
    end
    refused("expected a URL, got nil", http.get)
  end))

  it("is a header that could smuggle another", task(function()
    local function get(name, value)
      http.get("http://127.0.0.1:1/", { headers = { [name] = value } })
    end
    for _, value in ipairs { "a\r\nX: y", "a\nb", "a\rb", "a\0b", "\127", { "fine", "a\nb" } } do
      refused("the value has a control character", get, "X-Name", value)
    end
    for _, name in ipairs { "", "X: y\r\nZ", "X Y", "X\n", "X:", "X\0Y", "Ü" } do
      refused("which is no header name", get, name, "value")
    end
    refused("names that are strings", get, 1, "X: y")
    refused("cannot be set", get, "content-Length", "3")
    refused("cannot be set", get, "Transfer-Encoding", "chunked")
    refused("must be a string or a number, got a boolean", get, "X", true)
    refused("which is no header name", http.Session, { headers = { ["a b"] = "c" } })
  end))

  it("is a method or an option that cannot be", task(function()
    local url = "http://127.0.0.1:1/"
    refused("is no method", http.request, url, { method = "GET / HTTP/1.1\r\nX: y\r\n\r\n" })
    refused("cannot be CONNECT", http.request, url, { method = "connect" })
    refused("unknown option 'method'", http.get, url, { method = "POST" })
    refused("takes one of 'body' and 'json'", http.post, url, { body = "", json = {} })
    refused("sends no body with HEAD", http.head, url, { body = "x" })
    refused("'json' cannot be sent: .*function", http.post, url, { json = { print } })
    refused("'timeout' must be more than 0 seconds", http.get, url, { timeout = 0 })
    refused("'timeout' must be a number", http.get, url, { timeout = "1" })
    refused("'on_body' must be a function", http.get, url, { on_body = true })
    refused("'query' cannot send a function as 'f'", http.get, url, { query = { f = print } })
    refused("'body' must be a string", http.post, url, { body = {} })
  end))
end)
