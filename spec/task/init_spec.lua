-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local support = require("spec.task.support")

describe("the aimp module", function()
  it("tells the process id", function()
    assert.equal(require("luv").os_getpid(), aimp.pid())
  end)

  it("asks the core for the number of cores", function()
    local core = package.loaded["aimp.core"]
    package.loaded["aimp.core"] = { cpu_count = function() return 7 end }
    local count = aimp.cpu_count()
    package.loaded["aimp.core"] = core
    assert.equal(7, count)
  end)

  it("knows a worker from the parent", function()
    local context = package.loaded["aimp.worker.context"]
    package.loaded["aimp.worker.context"] = nil
    assert.is_nil(aimp.worker())
    package.loaded["aimp.worker.context"] = {}
    assert.is_nil(aimp.worker())
    package.loaded["aimp.worker.context"] = { id = 2, pid = 99, pool = "p" }
    local worker = aimp.worker()
    package.loaded["aimp.worker.context"] = context
    assert.same({ id = 2, pid = 99, pool = "p" }, worker)
  end)

  it("loads the other names when they are used", function()
    local output = support.luajit([[
      package.preload["aimp.pool"] = function()
        print("loading pool")
        return { Pool = "the Pool", set_start_method = "its setter" }
      end
      package.preload["aimp.http"] = function() return { get = "http.get" } end
      local aimp = require("aimp")
      print("loaded")
      print(aimp.Pool, aimp.Pool, aimp.set_start_method, aimp.http.get, aimp.no_such_name)
    ]])
    assert.equal("loaded\nloading pool\nthe Pool\tthe Pool\tits setter\thttp.get\tnil\n", output)
  end)

  it("loads without the rest of the runtime", function()
    local output = support.luajit([[
      require("aimp")
      for name in pairs(package.loaded) do
        if name:match("^aimp.pool$") or name:match("^aimp.http") or name:match("^aimp.core") then
          print(name)
        end
      end
    ]])
    assert.equal("", output)
  end)
end)
