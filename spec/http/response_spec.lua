-- SPDX-License-Identifier: MIT
require("spec.helper")
local http = require("aimp.http")
local support = require("spec.http.support")

local task, with_server, failure = support.task, support.with_server, support.failure

local servers = [[
server {
  listen 127.0.0.1:$PORT_plain;
  gzip on; gzip_min_length 1; gzip_types text/plain;
  location /teapot { return 418 "short and stout"; }
  location /broken { return 503; }
  location /empty { return 204; }
  location /method { return 200 "$request_method"; }
  location /dav/ { alias $DIR/www/; dav_methods PUT DELETE; create_full_put_path on; client_max_body_size 0; }
}
]]

describe("responses", function()
  local nginx = support.use_nginx({ "plain" }, servers)

  it("have status, reason, headers, body, url and elapsed", task(function()
    nginx.web:put("hello.txt", "hello\n")
    local url = nginx.web:url("plain", "/hello.txt")
    local response = http.get(url)
    assert.equal(200, response.status)
    assert.equal("OK", response.reason)
    assert.equal("text/plain", response.headers["Content-Type"])
    assert.equal("hello\n", response.body)
    assert.equal(url, response.url)
    assert.equal("GET", response.method)
    assert.is_true(response.elapsed > 0 and response.elapsed < 30)
  end))

  it("are responses whatever the status", task(function()
    local function get(path)
      return http.get(nginx.web:url("plain", path))
    end
    local teapot, empty = get("/teapot"), get("/empty")
    assert.same({ 418, "short and stout" }, { teapot.status, teapot.body })
    assert.same({ 204, "" }, { empty.status, empty.body })
    assert.equal(503, get("/broken").status)
    assert.equal(404, get("/nowhere").status)
  end))

  it("come to every method", task(function()
    local url = nginx.web:url("plain", "/method")
    for _, name in ipairs { "get", "post", "put", "patch", "delete" } do
      assert.equal(name:upper(), http[name](url).body)
    end
    assert.equal("OPTIONS", http.request(url, { method = "options" }).body)
    assert.equal("GET", http.request(url).body)
    local head = http.head(url)
    assert.same({ 200, "" }, { head.status, head.body })
  end))

  it("tell of files put, got and deleted", task(function()
    local url = nginx.web:url("plain", "/dav/new.bin")
    local data = ("\0\1\2binary\r\n"):rep(100000)
    assert.equal(201, http.put(url, { body = data }).status)
    assert.is_true(http.get(url).body == data)
    assert.equal(204, http.delete(url).status)
    assert.equal(404, http.get(url).status)
  end))

  it("are decompressed", task(function()
    local text = ("squeeze me "):rep(10000)
    nginx.web:put("big.txt", text)
    local response = http.get(nginx.web:url("plain", "/big.txt"))
    assert.equal("gzip", response.headers["content-encoding"])
    assert.is_true(response.body == text)
  end))

  it("keep every value of a repeated header", with_server(function(connection)
    connection:respond("200 Fine with me", "", "Set-Cookie: a=1; Expires=Wed, 01 Jan 2031\r\n"
      .. "set-cookie: b=2\r\nX-Many: 1\r\nX-Many: 2\r\n")
  end, function(server)
    local response = http.get(server:url())
    assert.equal("Fine with me", response.reason)
    assert.equal("1, 2", response.headers["x-many"])
    assert.same({ "a=1; Expires=Wed, 01 Jan 2031", "b=2" }, response.headers:get_all("SET-COOKIE"))
  end))

  it("have the final head only, without trailers", with_server(function(connection)
    connection:write("HTTP/1.1 103 Early Hints\r\nLink: </early>\r\n\r\n"
      .. "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Head: yes\r\n\r\n"
      .. "3\r\nabc\r\n0\r\nX-Trailer: smuggled\r\nX-Head: no\r\nHTTP/1.1 200 Forged: yes\r\n\r\n")
  end, function(server)
    local response = http.get(server:url())
    assert.equal("abc", response.body)
    assert.equal("OK", response.reason)
    assert.equal("yes", response.headers["x-head"])
    assert.is_nil(response.headers.link)
    assert.is_nil(response.headers["x-trailer"])
  end))

  it("decode JSON", with_server(function(connection, request)
    connection:respond("200 OK", request.path == "/bad" and "{" or '{"list":[1,2,{"deep":true}]}')
  end, function(server)
    assert.same({ list = { 1, 2, { deep = true } } }, http.get(server:url("/good")):json())
    local err = failure(function() http.get(server:url("/bad")):json() end)
    assert.equal("DECODE", err.code)
    assert.matches("JSON of http://127.0.0.1:%d+/bad: ", err.message)
  end))
end)
