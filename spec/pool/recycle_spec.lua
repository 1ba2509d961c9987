-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local aimp = require("aimp")
local support = require("spec.pool.support")

local pooled = support.pooled

-- Tasks by the process that ran them, from a list of pids.
local function per_process(pids)
  local counts = {}
  for _, pid in ipairs(pids) do
    counts[pid] = (counts[pid] or 0) + 1
  end
  return counts
end

local function check_each(pids, quota, total)
  assert.equal(total, #pids)
  local processes = 0
  for pid, count in pairs(per_process(pids)) do
    processes = processes + 1
    assert(count <= quota, ("process %d ran %d tasks"):format(pid, count))
  end
  return processes
end

local function pid_now()
  return require("aimp").pid()
end

local function pid_after_wait()
  require("aimp").sleep(0.001)
  return require("aimp").pid()
end

local function many(pool, n, fn)
  local tasks = {}
  for i = 1, n do
    tasks[i] = pool:apply(fn)
  end
  return aimp.gather(tasks)
end

describe("maxtasksperchild", function()
  for _, fn in ipairs({ pid_now, pid_after_wait }) do
    local kind = fn == pid_now and "that never wait" or "that wait"

    it("of 1 gives each task a process of its own, with a backlog " .. kind, pooled({
      processes = 2, maxtasksperchild = 1, childconcurrency = 16,
    }, function(pool)
      assert.equal(40, check_each(many(pool, 40, fn), 1, 40))
    end))

    it("of 5 is exact for tasks " .. kind, pooled({
      processes = 2, maxtasksperchild = 5,
    }, function(pool)
      local processes = check_each(many(pool, 60, fn), 5, 60)
      assert.is_true(processes >= 12 and processes <= 13)
    end))
  end

  it("counts the items of a map, whatever its chunks", pooled({
    processes = 2, maxtasksperchild = 7,
  }, function(pool)
    for _, chunksize in ipairs({ 1, 5, 7, 8, 100 }) do
      local pids = pool:map(pid_now, support.numbers(70), { chunksize = chunksize }):await()
      assert.is_true(check_each(pids, 7, 70) >= 10)
    end
    check_each(pool:map(pid_after_wait, support.numbers(70)):await(), 7, 70)
  end))

  it("of 1 makes progress with a map, its results in order", pooled({
    processes = 2, maxtasksperchild = 1,
  }, function(pool)
    local last = 0
    for i, value in pool:map(function(x) return x * 2 end, support.numbers(20), { chunksize = 10 }) do
      assert.equal(last + 1, i)
      assert.equal(i * 2, value)
      last = i
    end
    assert.equal(20, last)
  end))

  it("counts tasks that fail", pooled({ processes = 1, maxtasksperchild = 2 }, function(pool)
    local pids = {}
    for i = 1, 6 do
      local ok, err = pool:apply(function() error(require("aimp").pid()) end):pawait()
      assert.is_false(ok)
      pids[i] = err.pid
    end
    assert.equal(3, check_each(pids, 2, 6))
  end))

  it("runs the finalizer of each process, and the initializer before its first task", function()
    local path = os.tmpname()
    local function append(text)
      local file = assert(io.open(path, "a"))
      file:write(text)
      file:close()
    end
    local is_ready
    pooled({
      processes = 1, maxtasksperchild = 2,
      initializer = function()
        is_ready = true
        append("(")
      end,
      finalizer = function() append(")") end,
    }, function(pool)
      for _ = 1, 6 do
        assert.is_true((pool:apply(function()
          append("t")
          return is_ready
        end):await()))
      end
    end)()
    local file = assert(io.open(path))
    local text = file:read("*a")
    file:close()
    os.remove(path)
    assert.matches("^%(tt%)%(tt%)%(tt%)", text)
    assert.matches("^%(?%)?$", text:sub(13)) -- the next one may be there already when the pool closes
  end)

  it("is told in the figures, and nothing is lost when a backlog closes", function()
    local tasks = {}
    pooled({ processes = 2, maxtasksperchild = 3 }, function(pool)
      for i = 1, 30 do
        tasks[i] = pool:apply(pid_now)
      end
      pool:close()
    end)()
    local pids = {}
    for i = 1, 30 do
      pids[i] = tasks[i]:result()
    end
    check_each(pids, 3, 30)
  end)

  it("counts a worker's replacements", pooled({ processes = 1, maxtasksperchild = 1 }, function(pool)
    many(pool, 4, pid_now)
    support.eventually(function() return pool:stats().workers[1].state == "ready" end, "the fifth process")
    assert.equal(4, pool:stats().workers[1].restarts)
    assert.equal(4, pool:stats().workers[1].done)
  end))
end)
