-- SPDX-License-Identifier: MIT
local deaths = require("aimp.pool.deaths")
local errors = require("aimp.errors")

describe("deaths.describe", function()
  it("reads an exit status", function()
    local death = deaths.describe(3, 77, 255 * 256)
    assert.same({ worker = 3, pid = 77, status = 255, how = "exited with status 255" }, death)
    assert.equal("exited with status 0", deaths.describe(1, 77, 0).how)
  end)

  it("reads a signal, with its name, also with a core dump", function()
    assert.same({ worker = 1, pid = 5, signal = 9, how = "was killed by signal 9 (SIGKILL)" },
      deaths.describe(1, 5, 9))
    local dumped = deaths.describe(1, 5, 128 + 11)
    assert.same({ 11, "was killed by signal 11 (SIGSEGV)" }, { dumped.signal, dumped.how })
    assert.is_nil(dumped.status)
  end)

  it("names the usual signals as the system does", function()
    for number, name in pairs({
      [2] = "INT", [4] = "ILL", [6] = "ABRT", [7] = "BUS", [8] = "FPE", [13] = "PIPE", [15] = "TERM",
      [24] = "XCPU", [31] = "SYS",
    }) do
      local how = ("was killed by signal %d (SIG%s)"):format(number, name)
      assert.equal(how, deaths.describe(1, 5, number).how)
    end
    assert.equal("was killed by signal 40", deaths.describe(1, 5, 40).how)
  end)

  it("has no status for one that was lost with the template", function()
    local death = deaths.describe(2, 5, nil)
    assert.same({ worker = 2, pid = 5, how = "was lost with the template process" }, death)
  end)
end)

describe("deaths.worker_died", function()
  it("is an error that tells who, how and what it ran", function()
    local err = deaths.worker_died(deaths.describe(4, 99, 3 * 256), "resize photo")
    assert.is_true(errors.is(err, "WORKER_DIED"))
    assert.equal("worker 4 (pid 99) exited with status 3 while it ran resize photo", err.message)
    assert.same({ 99, 3 }, { err.pid, err.status })
    assert.is_nil(err.signal)
    assert.equal("resize photo", err.task)
  end)

  it("knows a process that never was", function()
    local err = deaths.worker_died(deaths.describe(4, nil, 9), "a task")
    assert.matches("^worker 4 %(pid unknown%) was killed by signal 9", err.message)
  end)
end)
