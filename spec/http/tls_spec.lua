-- SPDX-License-Identifier: MIT
require("spec.helper")
local aimp = require("aimp")
local certificates = require("spec.http.certificates")
local http = require("aimp.http")
local server_of = require("spec.http.server")
local support = require("spec.http.support")

local task, failure = support.task, support.failure

local server = [[
server {
  listen 127.0.0.1:$PORT_tls%s ssl %s;
  ssl_certificate $DIR/%s.crt; ssl_certificate_key $DIR/%s.key;
  location = /big { }
  location / { return 200 "$server_protocol $connection"; }
}
]]

local servers = server:format("good", "", "good", "good") .. server:format("other", "", "other", "other")
  .. server:format("expired", "", "expired", "expired") .. server:format("two", "http2", "good", "good")

describe("TLS", function()
  local names = { "tlsgood", "tlsother", "tlsexpired", "tlstwo" }
  local nginx = support.use_nginx(names, servers, certificates.make)

  local function get(name, host, verify)
    return http.get(nginx.web:url(name, "/", host),
      { ca_file = nginx.web.dir .. "/ca.crt", verify = verify, timeout = 20 })
  end

  local function assert_refused(pattern, ...)
    local err = failure(...)
    assert.equal("HTTP", err.code)
    assert.equal("PEER_FAILED_VERIFICATION", err.curl_code)
    assert.matches(pattern, err.message)
  end

  it("takes a certificate of a known authority", task(function()
    assert.equal(200, get("tlsgood").status)
    assert.equal(200, get("tlsgood", "localhost").status)
  end))

  it("refuses one of an unknown authority", task(function()
    assert_refused("unable to get local issuer certificate", http.get, nginx.web:url("tlsgood", "/"))
  end))

  it("refuses one of another name", task(function()
    assert_refused("no alternative certificate subject name matches", get, "tlsother")
  end))

  it("refuses one that expired", task(function()
    assert_refused("certificate has expired", get, "tlsexpired")
  end))

  it("does so also when a connection that did not verify is there", task(function()
    assert.equal(200, http.get(nginx.web:url("tlsgood", "/"), { verify = false }).status)
    assert_refused("unable to get local issuer", http.get, nginx.web:url("tlsgood", "/"))
  end))

  it("can be told not to verify", task(function()
    for _, name in ipairs { "tlsgood", "tlsother", "tlsexpired" } do
      assert.equal(200, get(name, nil, false).status)
    end
    local session = http.Session { verify = false }
    assert.equal(200, session:get(nginx.web:url("tlsother", "/")).status)
    session:close()
  end))

  it("says so when the file of authorities is missing", task(function()
    local err = failure(http.get, nginx.web:url("tlsgood", "/"), { ca_file = nginx.web.dir .. "/none" })
    assert.equal("SSL_CACERT_BADFILE", err.curl_code)
  end))

  it("fails where the server does not speak it", task(function()
    local plain = server_of.start(function() end)
    plain.on_bytes = function(connection)
      connection:write("HTTP/1.1 400 Bad Request\r\n\r\n")
    end
    local err = failure(http.get, (plain:url():gsub("^http", "https")), { timeout = 20 })
    plain:stop()
    assert.equal("SSL_CONNECT_ERROR", err.curl_code)
  end))

  it("speaks HTTP/2, many requests on one connection", task(function()
    local bodies = {}
    local tasks = {}
    for i = 1, 20 do
      tasks[i] = aimp.spawn(function() return get("tlstwo").body end)
    end
    for _, body in ipairs(aimp.gather(tasks)) do
      bodies[body] = true
    end
    local only = next(bodies)
    assert.matches("^HTTP/2.0 %d+$", only)
    assert.is_nil(next(bodies, only))
    assert.equal("", get("tlstwo").reason)
  end))

  it("streams over HTTP/2 to a reader that waits", task(function()
    local data = ("0123456789abcdef"):rep(100000)
    nginx.web:put("big", data)
    local chunks = {}
    http.get(nginx.web:url("tlstwo", "/big"), {
      verify = false, timeout = 20,
      on_body = function(chunk)
        chunks[#chunks + 1] = chunk
        aimp.sleep(0)
      end,
    })
    assert.is_true(table.concat(chunks) == data)
  end))
end)
