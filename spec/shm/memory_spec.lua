-- SPDX-License-Identifier: MIT
--- When the memory of shared arrays is freed, here and in workers.
local describe, it, after_each, assert = describe, it, after_each, require("luassert")

local aimp = require("aimp")
local support = require("spec.shm.support")
local pool_support = require("spec.pool.support")
local uv = require("luv")

local blocks, collect_all, eventually = support.blocks, support.collect_all, pool_support.eventually

after_each(jit.flush) -- a compiled trace may hold the array that it was compiled for

local function with_pool(name, body)
  it(name, pool_support.pooled({ processes = 2 }, body))
end

local function collect()
  jit.flush()
  collectgarbage()
  collectgarbage()
end

-- Calls fn in both workers; returns both results.
local function in_both(pool, fn, ...)
  local tasks = {}
  for key = 1, 2 do
    tasks[key] = pool:submit(fn, { ... }, { key = key })
  end
  return unpack(aimp.gather(tasks))
end

local function touch(array)
  return array[0]
end

describe("the memory of a shared array", function()
  it("is freed when the array was collected", function()
    local function use()
      local array = aimp.shm.array("double", 100000)
      array[99999] = 1
      assert.same({ 1, 1 }, { blocks() })
    end
    use()
    collect()
    assert.same({ 0, 0 }, { blocks() })
  end)

  it("stays mapped while a pointer or a reference into it is held", function()
    local function pointer_to(value)
      local array = aimp.shm.array("struct { double x; }", 1000)
      array[999].x = value
      return array.ptr
    end
    local function reference_to(value)
      local array = aimp.shm.array("struct { double x; }", 1000)
      array[7].x = value
      return array[7]
    end
    local held = { p = pointer_to(3), r = reference_to(4) }
    collect()
    assert.equal(2, (blocks()))
    assert.same({ 3, 4 }, { held.p[999].x, held.r.x })
    held.p = nil
    collect()
    assert.equal(1, (blocks()))
    assert.equal(4, held.r.x)
    held.r = nil
    collect()
    assert.same({ 0, 0 }, { blocks() })
  end)

  it("is freed by close at once, and the array's place is used again", function()
    for i = 1, 50 do
      local array = aimp.shm.array("int32_t", 1000)
      array[0] = i
      assert.same({ 1, 1 }, { blocks() })
      array:close()
      assert.same({ 0, 0 }, { blocks() })
    end
  end)

  it("is freed although nobody runs the collector, when much of it is unused", function()
    local most = 0
    for i = 1, 60 do
      local array = aimp.shm.array("double", 2 ^ 20) -- 8 MiB
      array[i] = i
      most = math.max(most, select(2, blocks()))
    end
    assert.is_true(most < 30, most .. " blocks were held")
    collect()
  end)

  with_pool("is freed in all processes when it was collected in all", function(pool)
    for _ = 1, 5 do
      local array = aimp.shm.array("double", 1000)
      in_both(pool, touch, array)
    end
    local pids = pool_support.pids(pool)
    for _, pid in ipairs(pids) do
      assert.is_true((blocks(pid)) >= 1)
    end
    collect_all(pool)
  end)

  with_pool("is mapped once in each process, however often it is sent", function(pool)
    local array = aimp.shm.array("double", 1000)
    array[0] = 1
    pool:broadcast(function() collectgarbage("stop") end)
    for _ = 1, 20 do
      in_both(pool, touch, array)
      in_both(pool, function(list) return list[1][0] + list[2].a[0] end, { array, { a = array } })
    end
    for _, pid in ipairs(pool_support.pids(pool)) do
      assert.same({ 1, 1 }, { blocks(pid) })
    end
    assert.same({ 1, 1 }, { blocks() })
    pool:broadcast(function() collectgarbage("restart") end)
  end)

  with_pool("stays for the others when one process closes its array", function(pool)
    local array = aimp.shm.array("double", 1000)
    array[5] = 5
    in_both(pool, function(a) _G.kept = a; return a[5] end, array) -- luacheck: ignore 122
    array:close()
    assert.equal(0, (blocks()))
    local one, other = in_both(pool, function()
      local value = _G.kept[5]
      _G.kept:close() -- luacheck: ignore 143
      return value
    end)
    assert.same({ 5, 5 }, { one, other })
    for _, pid in ipairs(pool_support.pids(pool)) do
      assert.same({ 0, 0 }, { blocks(pid) })
    end
    collect_all(pool)
  end)

  with_pool("is freed after a worker died that had it", function(pool)
    local pids = pool_support.pids(pool)
    local function use()
      local array = aimp.shm.array("double", 1000)
      in_both(pool, function(a) _G.kept = a; return a[0] end, array) -- luacheck: ignore 122
    end
    use()
    collect()
    assert.equal(1, select(2, blocks())) -- the workers have it
    for _, pid in ipairs(pids) do
      uv.kill(pid, "sigkill")
    end
    eventually(function()
      collect()
      return select(2, blocks()) == 0
    end, "the block is freed")
  end)

  with_pool("is freed soon after all that have it have closed it, without anybody's collector", function(pool)
    local function use()
      local array = aimp.shm.array("double", 2 ^ 18)
      in_both(pool, function(a) a[0] = 1; a:close() end, array)
      array:close()
    end
    use()
    eventually(function() return select(2, blocks()) == 0 end, "the block is freed")
    for _, pid in ipairs(pool_support.pids(pool)) do
      assert.same({ 0, 0 }, { blocks(pid) })
    end
    local array = aimp.shm.array("double", 2 ^ 18)
    array[0] = 2
    local task = pool:apply(touch, array) -- on its way when this process closes it
    array:close()
    assert.equal(2, task:await())
    collect_all(pool)
  end)

  with_pool("in workers is freed although nobody runs the collector, too", function(pool)
    local most = 0
    for i = 1, 60 do
      local array = aimp.shm.array("double", 2 ^ 20)
      array[0] = i
      assert.equal(i, pool:submit(touch, { array }, { key = 1 }):await())
      for _, pid in ipairs(pool_support.pids(pool)) do
        most = math.max(most, select(2, blocks(pid)))
      end
      most = math.max(most, select(2, blocks()))
    end
    assert.is_true(most < 40, most .. " blocks were held")
    collect_all(pool)
  end)
end)
