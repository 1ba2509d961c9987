-- SPDX-License-Identifier: MIT
require("spec.helper")
local http = require("aimp.http")
local server_of = require("spec.http.server")
local support = require("spec.http.support")

local with_server, failure = support.with_server, support.failure

--- Redirects /STATUS/… to the target of its query, and answers all else with what it got.
local function redirector(connection, request)
  local status, target = request.path:match("^/(3%d%d)/%?(.*)$")
  if status then
    connection:respond(status .. " Elsewhere", "moved", "Location: " .. target .. "\r\n")
  elseif request.path == "/loop" then
    connection:respond("302 Found", "", "Location: /loop\r\n")
  else
    connection:respond("200 OK", request.method .. " " .. request.body)
  end
end

describe("redirects", function()
  it("are followed to where they lead", with_server(redirector, function(server)
    local response = http.get(server:url("/302/?/301/?end?x=1"))
    assert.equal(200, response.status)
    assert.equal(server:url("/301/end?x=1"), response.url)
    assert.equal(1, server.accepted)
  end))

  it("keep method and body, or turn into GET, as browsers do", with_server(redirector, function(server)
    local function follow(method, status)
      local opts = { method = method, body = "data", headers = { ["Content-Type"] = "text/x" } }
      return http.request(server:url("/" .. status .. "/?/end"), opts).body
    end
    assert.equal("GET ", follow("POST", 301))
    assert.equal("GET ", follow("POST", 302))
    assert.equal("PUT data", follow("PUT", 302))
    for _, method in ipairs { "POST", "PUT", "PATCH", "DELETE" } do
      assert.equal("GET ", follow(method, 303))
      assert.equal(method .. " data", follow(method, 307))
      assert.equal(method .. " data", follow(method, 308))
    end
    assert.equal(200, http.head(server:url("/303/?/end")).status)
    local last = server.requests[#server.requests]
    assert.equal("HEAD", last.method)
    for _, request in ipairs(server.requests) do
      assert.equal(request.body ~= "", request.head:find("text/x", 1, true) ~= nil)
    end
  end))

  it("stop at the limit, also in a loop", with_server(redirector, function(server)
    local err = failure(http.get, server:url("/loop"))
    assert.equal("HTTP", err.code)
    assert.equal(("GET %s: more than 10 redirects, the last from %s"):format(
      server:url("/loop"), server:url("/loop")), err.message)
    assert.equal(11, #server.requests)
    assert.equal("HTTP", failure(http.get, server:url("/302/?/302/?/end"), { redirects = 1 }).code)
    assert.equal(200, http.get(server:url("/302/?/end"), { redirects = 1 }).status)
  end))

  it("are responses when none are wanted", with_server(redirector, function(server)
    local response = http.get(server:url("/302/?/end"), { redirects = 0 })
    assert.same({ 302, "moved", "/end" }, { response.status, response.body, response.headers.location })
  end))

  it("never go to another scheme", with_server(redirector, function(server)
    for _, target in ipairs { "file:///etc/passwd", "ftp://127.0.0.1/", "https://127.0.0.1/", "ws://h/" } do
      local err = failure(http.get, server:url("/302/?" .. target))
      assert.equal("HTTP", err.code)
      local text = "redirected to another scheme, which is refused: " .. target
      assert.is_truthy(err.message:find(text, 1, true), err.message)
    end
  end))

  it("take no credentials to another origin", with_server(redirector, function(server)
    local other = server_of.start(redirector)
    local opts = { headers = { Authorization = "Bearer secret", cookie = "id=1", ["X-Mine"] = "yes" } }
    http.get(server:url("/302/?/end"), opts)
    http.get(server:url("/302/?" .. other:url("/end")), opts)
    http.get((server:url("/302/?" .. other:url("/end")):gsub("//", "//user:secret@", 1)))
    local same, foreign, userinfo = server.requests[2], other.requests[1], other.requests[2]
    other:stop()
    assert.matches("Bearer secret", same.head)
    assert.matches("id=1", same.head)
    for _, request in ipairs { foreign, userinfo } do
      assert.is_nil(request.head:lower():find("authorization", 1, true))
      assert.is_nil(request.head:lower():find("cookie", 1, true))
    end
    assert.matches("X%-Mine: yes", foreign.head)
  end))

  it("come with a body that is not read for ever", with_server(function(connection, request)
    if request.path == "/end" then
      return connection:respond("200 OK", "arrived")
    end
    connection:write("HTTP/1.1 302 Found\r\nLocation: /end\r\nContent-Length: 1000000000\r\n\r\n")
    local function more()
      connection:write(("x"):rep(65536), more)
    end
    more()
  end, function(server)
    assert.equal("arrived", http.get(server:url("/"), { timeout = 20 }).body)
  end))

  it("to what is no URL fail", with_server(function(connection)
    connection:respond("302 Found", "", "Location: http://:99999/\r\n")
  end, function(server)
    local err = failure(http.get, server:url())
    assert.equal("HTTP", err.code)
    assert.is_truthy(err.message:find("redirected to what is no URL: http://:99999/", 1, true), err.message)
  end))

  it("without a location are responses", with_server(function(connection)
    connection:respond("302 Found", "nowhere")
  end, function(server)
    local response = http.get(server:url())
    assert.same({ 302, "nowhere" }, { response.status, response.body })
  end))
end)
