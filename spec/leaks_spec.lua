-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local uv = require("luv")
local helper = require("spec.helper")
local leaks = require("spec.leaks")

ffi.cdef([[
int memfd_create(const char *name, unsigned flags);
int ftruncate(int fd, long length);
int close(int fd);
void *mmap(void *at, size_t length, int protection, int flags, int fd, long offset);
int munmap(void *at, size_t length);
]])
local PROT_READ, MAP_SHARED = 1, 1

local function counted(kind, name)
  return leaks[kind]()[name] or 0
end

describe("spec.leaks", function()
  it("counts open handles", function()
    local before = counted("handles", "udp")
    local udp = uv.new_udp()
    assert.equal(before + 1, counted("handles", "udp"))
    udp:close()
    assert.equal(before, counted("handles", "udp"))
  end)

  it("counts timers only while they run", function()
    local before = counted("handles", "timer")
    local timer = uv.new_timer()
    assert.equal(before, counted("handles", "timer"))
    timer:start(60000, 0, function() end)
    assert.equal(before + 1, counted("handles", "timer"))
    timer:close()
    assert.equal(before, counted("handles", "timer"))
  end)

  it("counts open files by what they lead to", function()
    local before = counted("files", "pipe")
    local pipe = uv.pipe()
    assert.equal(before + 2, counted("files", "pipe"))
    uv.fs_close(pipe.read)
    uv.fs_close(pipe.write)
    assert.equal(before, counted("files", "pipe"))
  end)

  it("counts shared mappings", function()
    local name = "/memfd:leaks_spec (deleted)"
    local fd = ffi.C.memfd_create("leaks_spec", 0)
    assert.equal(0, ffi.C.ftruncate(fd, 4096))
    local at = ffi.C.mmap(nil, 4096, PROT_READ, MAP_SHARED, fd, 0)
    ffi.C.close(fd)
    assert.equal(1, counted("mappings", name))
    ffi.C.munmap(at, 4096)
    assert.equal(0, counted("mappings", name))
  end)

  it("finds children and their children until they are reaped", function()
    local has_ended = false
    local child, pid
    child, pid = uv.spawn("sh", { args = { "-c", "sleep 60; true" } }, function()
      has_ended = true
      child:close()
    end)
    local function titles()
      local list = {}
      for title in pairs(leaks.processes()) do
        list[#list + 1] = title
      end
      return table.concat(list, "\n")
    end
    local grandchild = helper.wait_until(function()
      return titles():match("sleep 60 %(pid (%d+)%)")
    end)
    assert.is_truthy(grandchild)
    assert.is_truthy(titles():find(("(pid %d)"):format(pid), 1, true))
    uv.kill(pid, "sigkill")
    uv.kill(tonumber(grandchild), "sigkill")
    assert.is_truthy(helper.wait_until(function()
      return has_ended
    end))
    assert.is_nil(titles():find(("(pid %d)"):format(pid), 1, true))
  end)
end)
