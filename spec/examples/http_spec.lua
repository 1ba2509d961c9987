-- SPDX-License-Identifier: MIT
--- The examples that fetch: with a URL of their own, and with one that they are given.
local support = require("spec.examples.support")

local run, assert_lines, with_server = support.run, support.assert_lines, support.with_server

local MIXED = {
  "On one loop:", "All jobs done in %d+%.%d%d seconds",
  "In a pool of %d+ workers:", "All jobs done in %d+%.%d%d seconds",
}

local function three(status)
  local lines = {}
  for i = 1, 3 do
    lines[i] = ("request %d: status %d"):format(i, status)
  end
  return lines
end

local function rows(out)
  local list = {}
  for pid, url, status in out:gmatch("(%d+)\t(%S+)\t(%d+)\n") do
    list[#list + 1] = { pid = pid, url = url, status = tonumber(status) }
  end
  return list
end

local function paths(server)
  local list = {}
  for i, request in ipairs(server.requests) do
    list[i] = request.path
  end
  table.sort(list)
  return list
end

describe("the example initializer", function()
  it("uses the sessions that the initializer made", function()
    assert_lines(run("initializer"), three(200))
  end)

  it("fetches the URL that it is given", function()
    with_server(function(server, options)
      assert_lines(run("initializer", { server:url("/missing") }, options), three(404))
      assert.same({ "/missing", "/missing", "/missing" }, paths(server))
    end)
  end)
end)

describe("the example status", function()
  it("fetches six pages with two workers by turns", function()
    local child = run("status")
    local lines = {}
    for page = 1, 6 do
      lines[page] = "%d+\thttp://127%.0%.0%.1:%d+/page" .. page .. "\t200"
    end
    assert_lines(child, lines)
    local list = rows(child.out)
    assert.not_equal(list[1].pid, list[2].pid)
    for i = 3, 6 do
      assert.equal(list[i - 2].pid, list[i].pid)
    end
  end)

  it("fetches the URLs that it is given", function()
    with_server(function(server, options)
      local urls = { server:url("/a"), server:url("/missing"), server:url("/b") }
      local child = run("status", urls, options)
      assert_lines(child, { "%d+\t%S+\t200", "%d+\t%S+\t404", "%d+\t%S+\t200" })
      for i, row in ipairs(rows(child.out)) do
        assert.equal(urls[i], row.url)
      end
      assert.same({ "/a", "/b", "/missing" }, paths(server))
    end)
  end)
end)

describe("the example mixed", function()
  it("does its jobs on one loop and in a pool", function()
    assert_lines(run("mixed"), MIXED)
  end)

  it("fetches the URL that it is given, once for each job", function()
    with_server(function(server, options)
      assert_lines(run("mixed", { server:url("/page") }, options), MIXED)
      assert.equal(60, #server.requests)
      assert.equal("/page", server.requests[60].path)
    end)
  end)
end)

describe("an example's own server", function()
  it("is reached without the proxy of the environment, from any folder", function()
    with_server(function(proxy)
      local script = require("luv").fs_realpath("examples/status.lua")
      local child = require("spec.cli.support").run({ script },
        { cwd = "/", env = { http_proxy = proxy:url(), no_proxy = "example.org" } })
      assert.equal(6, #rows(child.out))
      assert.equal(0, #proxy.requests)
    end)
  end)

  it("stays while the program runs, also when garbage is collected", function()
    local child = require("spec.cli.support").run({ "-e", [[
      local http = require("aimp.http")
      local url = dofile("examples/lib/server.lua").start()
      for _ = 1, 3 do
        collectgarbage()
        print(http.get(url).body)
      end]] })
    assert.equal(("hello, client\n\n"):rep(3), child.out)
    assert.equal(0, child.status)
  end)
end)
