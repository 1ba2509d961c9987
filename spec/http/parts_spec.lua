-- SPDX-License-Identifier: MIT
require("spec.helper")
local fields = require("aimp.http.fields")
local headers = require("aimp.http.headers")
local url_of = require("aimp.http.url")

describe("aimp.http.headers", function()
  local parsed, reason = headers.parse("HTTP/1.1 404 Not  Found\r\nContent-Type: text/html \r\nX-None:\r\n"
    .. "Set-Cookie: a=1\r\nset-cookie:b=2\r\nX-Folded: one\r\n  two\r\n: no name\r\nget_all: mine\r\n\r\n")

  it("takes a head apart", function()
    assert.equal("Not  Found", reason)
    assert.equal("text/html", parsed["content-type"])
    assert.equal("text/html", parsed["CONTENT-Type"])
    assert.equal("", parsed["X-None"])
    assert.equal("a=1, b=2", parsed["Set-Cookie"])
    assert.equal("one two", parsed["x-folded"])
    assert.is_nil(parsed["x-missing"])
    assert.is_nil(parsed[1])
    assert.equal("mine", parsed:get("Get_All"))
  end)

  it("has every value", function()
    assert.same({ "a=1", "b=2" }, parsed:get_all("SET-COOKIE"))
    assert.same({}, parsed:get_all("x-missing"))
  end)

  it("shows headers only to pairs", function()
    local names = {}
    for name in pairs(parsed) do
      names[#names + 1] = name
    end
    table.sort(names)
    assert.same({ "content-type", "set-cookie", "x-folded", "x-none" }, names)
  end)

  it("survives being sent", function()
    local copy = headers.Headers.__aimp_recv(headers.Headers.__aimp_send(parsed))
    assert.same({ "a=1", "b=2" }, copy:get_all("set-cookie"))
    assert.equal("text/html", copy["Content-Type"])
  end)

  it("has no reason where the server gave none", function()
    assert.equal("", select(2, headers.parse("HTTP/2 200 \r\n\r\n")))
    assert.equal("", select(2, headers.parse("")))
  end)
end)

describe("aimp.http.fields", function()
  it("merges without regard to case, the last wins", function()
    local merged = fields.merge({ A = 1, B = 2 }, nil, { b = 3, C = false, D = "" })
    assert.same({ "A: 1", "b: 3", "C:", "D;" }, fields.lines(merged))
    fields.merge_missing(merged, { a = 9, E = 5 })
    assert.same({ "A: 1", "b: 3", "C:", "D;", "E: 5" }, fields.lines(merged))
  end)

  it("knows what must not travel", function()
    local secret = { Authorization = "x", COOKIE = "y", Host = "h" }
    local merged = fields.merge(secret, { ["Content-Type"] = "t", A = 1 })
    assert.same({ "A: 1", "Content-Type: t" }, fields.lines(fields.without_private(merged)))
    assert.is_nil(fields.without_body(merged)["content-type"])
  end)
end)

describe("aimp.http.url", function()
  it("tells origins apart", function()
    assert.equal("http://h:80", url_of.origin("HTTP://H/path"))
    assert.equal("http://h:80", url_of.origin("http://user:pass@h:/x"))
    assert.equal("https://h:443", url_of.origin("https://h?x"))
    assert.equal("https://[::1]:443", url_of.origin("https://[::1]/"))
    assert.equal("https://[::1]:8443", url_of.origin("https://[::1]:8443/"))
    assert.not_equal(url_of.origin("http://h:8080"), url_of.origin("http://h"))
    assert.equal("", url_of.origin("mailto:x"))
  end)

  it("hides passwords, wherever the host ends", function()
    assert.equal("http://h/@x", url_of.redact("http://user:p@ss@h/@x"))
    assert.equal("http://h/a@b", url_of.redact("http://h/a@b"))
  end)

  it("joins a base and adds a query", function()
    assert.equal("http://h/v1/users", url_of.join("http://h/v1/", "/users"))
    assert.equal("http://h/v1/users", url_of.join("http://h/v1", "users"))
    assert.equal("https://other/", url_of.join("http://h/v1", "https://other/"))
    assert.equal("http://h/?a=1&b=%26#f", url_of.with_query("http://h/#f", { b = "&", a = 1 }))
    assert.equal("http://h/?x&a=true", url_of.with_query("http://h/?x", { a = true }))
    assert.equal("http://h/", url_of.with_query("http://h/", {}))
  end)
end)
