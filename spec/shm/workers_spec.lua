-- SPDX-License-Identifier: MIT
--- Shared arrays in workers: how they get there, and what the other processes see.
local describe, it, after_each, assert = describe, it, after_each, require("luassert")

local aimp = require("aimp")
local ffi = require("ffi")
local blocks = require("spec.shm.support").blocks
local support = require("spec.pool.support")
local uv = require("luv")

local failure = support.failure

ffi.cdef([[
struct shm_pair { int32_t a; double b; };
struct shm_growing { double a; };
]])

after_each(jit.flush) -- a compiled trace may hold the array that it was compiled for

local function with_pool(name, options, body)
  it(name, support.pooled(options, body))
end

local one, two = { processes = 1 }, { processes = 2 }

-- Until then nothing in this process answers a worker.
local function block_until(signal)
  local deadline = uv.hrtime() + 20e9
  while signal[0] == 0 do
    assert.is_true(uv.hrtime() < deadline, "no signal came")
    uv.sleep(1)
  end
end

describe("a shared array", function()
  with_pool("sent as an argument is the same memory in every process", two, function(pool)
    local array = aimp.shm.array("double", 1000)
    array[0] = 1
    local tasks = {}
    for i = 1, 2 do
      tasks[i] = pool:submit(function(a, place)
        a[place] = a[0] + place
        a:set(900 + place, #a)
        return a:get(0), a:length(), tostring(a), tostring(a.ptr):match("<.*>")
      end, { array, i }, { key = i })
    end
    for i = 1, 2 do
      assert.same({ 1, 1000, "aimp.shm.array('double', 1000)", "<double *>" }, { tasks[i]:await() })
      assert.same({ 1 + i, 1000 }, { array[i], array[900 + i] })
    end
    array[7] = 77
    assert.same({ 77, 3 }, { pool:apply(function(a) return a[7], a[2] end, array):await() })
  end)

  with_pool("may be a captured variable, also one that functions share", one, function(pool)
    local array = aimp.shm.array("int32_t", 3)
    local function bump(i)
      array[i] = array[i] + 1
      return array[i]
    end
    local function sum()
      return array[0] + array[1] + array[2]
    end
    assert.same({ 1, 1, 2 }, { pool:apply(bump, 0):await(), pool:apply(bump, 1):await(),
      pool:apply(bump, 0):await() })
    assert.equal(3, pool:apply(sum):await())
    assert.equal(3, sum())
    array = aimp.shm.array("int32_t", 3) -- the variable's new value travels with the next call
    assert.equal(1, pool:apply(bump, 2):await())
    assert.equal(1, sum())
  end)

  with_pool("is one object in each process, wherever it stands", one, function(pool)
    local array = aimp.shm.array("double", 2)
    local function keep(a)
      _G.kept = a -- luacheck: ignore 122
    end
    pool:apply(keep, array):await()
    local same = { pool:apply(function(t, again)
      return t.a == again, t.list[2] == again, t[again], rawequal(t.a, _G.kept)
    end, { a = array, list = { 1, array }, [array] = "key" }, array):await() }
    assert.same({ true, true, "key", true }, same)
    local back, inside = pool:apply(function(a) return a, { a } end, array):await()
    assert.is_true(rawequal(array, back) and rawequal(array, inside[1]))
  end)

  with_pool("goes through a queue, both ways", two, function(pool)
    local queue, array = aimp.Queue(), aimp.shm.array("double", 2)
    local taker = pool:apply(function(q)
      local a = q:get()
      a[0] = 5
      q:put({ a })
    end, queue)
    queue:put(array)
    taker:await()
    local item = queue:get()
    assert.is_true(rawequal(array, item[1]))
    assert.equal(5, array[0])
    pool:apply(function(q, a) q:put(a) end, queue, array):await()
    assert.equal(5, pool:apply(function(q) return q:get()[0] end, queue):await())
  end)

  with_pool("is an item of a map", two, function(pool)
    local arrays = {}
    for i = 1, 50 do
      arrays[i] = aimp.shm.array("int64_t", i)
    end
    local results = pool:map(function(a)
      a:fill(#a)
      return a
    end, arrays):await()
    for i = 1, 50 do
      assert.is_true(rawequal(arrays[i], results[i]))
      assert.is_true(arrays[i][i - 1] == ffi.cast("int64_t", i))
    end
  end)

  with_pool("comes although more descriptors are on their way than find a place", one, function(pool)
    local arrays, signal = {}, aimp.shm.array("int32_t", 1)
    for i = 1, 600 do
      arrays[i] = aimp.shm.array("int32_t", 1)
      arrays[i][0] = i
    end
    pool:apply(function(s) return s[0] end, signal):await() -- this one it has
    local task = pool:apply(function(list, s)
      require("aimp").sleep(0)
      while s[0] == 0 do -- takes none of them
        require("luv").sleep(1)
      end
      local total = 0
      for i = #list, 1, -1 do -- the last ones are those that found none
        total = total + list[i][0]
      end
      return total
    end, arrays, signal)
    support.eventually(function() -- the socket is full, and so is the line of those that wait for it
      return select(2, blocks()) == 601 + 64
    end, "some find no place")
    signal[0] = 1
    assert.equal(180300, task:await())
  end)

  with_pool("of structs has the same elements where the type is declared", one, function(pool)
    local array = aimp.shm.array("struct shm_pair", 4)
    array[2] = { a = 7, b = 0.5 }
    local cause = failure("REMOTE", function()
      return nil, pool:apply(function(a) return a[2].a end, array):await()
    end).cause
    assert.equal("DECODE", cause.code)
    assert.matches("a shared array of 'struct shm_pair': unknown C type .* declare it with ffi.cdef",
      cause.message)
    local got = { pool:apply(function(a)
      require("ffi").cdef("struct shm_pair { int32_t a; double b; };")
      a[3] = { a = a[2].a + 1, b = a[2].b }
      a[2].a = 100
      return #a, a:get(2).a, a[3].b
    end, array):await() }
    assert.same({ 4, 100, 0.5 }, got)
    assert.same({ 100, 8 }, { array[2].a, array[3].a })
  end)

  with_pool("of a type that has another size in the worker is refused there", one, function(pool)
    local array = aimp.shm.array("struct shm_growing", 4)
    local cause = failure("REMOTE", function()
      return nil, pool:apply(function(a)
        require("ffi").cdef("struct shm_growing { double a, b; };")
        a[0].a = 1
      end, array):await()
    end).cause
    assert.equal("DECODE", cause.code)
    assert.matches("'struct shm_growing': the type has another size here", cause.message)
  end)

  with_pool("of structs without a name travels when the type was given as text", one, function(pool)
    local array = aimp.shm.array("struct { float x, y; }", 4)
    pool:apply(function(a) a[1].y = 2.5 end, array):await()
    assert.equal(2.5, array[1].y)
    local nameless = aimp.shm.array(ffi.typeof("struct { float x; }"), 4)
    local err = failure("ENCODE", function() return nil, pool:apply(print, 1, { n = nameless }) end)
    assert.matches("type without a name: give the type as a string.* at argument 2 → n", err.message)
  end)

  with_pool("holds 64-bit integers exactly across processes", one, function(pool)
    local array = aimp.shm.array("uint64_t", 2)
    array[0] = 0xfedcba9876543210ULL
    local seen = pool:apply(function(a)
      a[1] = a[0] + 1
      return a[0]
    end, array):await()
    assert.is_true(seen == 0xfedcba9876543210ULL and array[1] == 0xfedcba9876543211ULL)
  end)

  with_pool("that is closed cannot be sent", one, function(pool)
    local array = aimp.shm.array("double", 1)
    array:close()
    local err = failure("ENCODE", function() return nil, pool:apply(print, array) end)
    assert.matches("the shared array is closed.* at argument 1", err.message)
  end)

  with_pool("that is closed after it was sent is still there for who gets it", one, function(pool)
    local array = aimp.shm.array("double", 10)
    array[3] = 4
    local task = pool:apply(function(a) return a[3] end, array)
    array:close()
    assert.equal(4, task:await())
  end)

  with_pool("that a worker closed comes again when it is sent again", one, function(pool)
    local array = aimp.shm.array("double", 10)
    local function use_and_close(a)
      a[0] = a[0] + 1
      a:close()
      local ok, err = pcall(function() return a[0] end)
      return ok, err:match("the shared array is closed")
    end
    for i = 1, 3 do
      assert.same({ false, "the shared array is closed" }, { pool:apply(use_and_close, array):await() })
      assert.equal(i, array[0])
    end
  end)

  with_pool("waits for its memory in a task only: elsewhere that is misuse", one, function(pool)
    local message, later = pool:apply(function(a)
      local _, err = coroutine.wrap(function() return pcall(function() return nil, a[0] end) end)()
      local value = a[0]
      return err, coroutine.wrap(function() return a[0] + value end)()
    end, aimp.shm.array("double", 1)):await()
    assert.matches("workers_spec.lua:%d+: the first use of a shared array cannot wait inside a coroutine",
      message)
    assert.equal(0, later)
  end)

  with_pool("is mapped once although several tasks wait for it", one, function(pool)
    local array, signal = aimp.shm.array("double", 1), aimp.shm.array("int32_t", 1)
    array[0] = 3
    local pid = pool:apply(function(s) return require("aimp").pid(), s[0] end, signal):await()
    local task = pool:apply(function(a, s)
      collectgarbage("stop") -- a second mapping would stay
      local inside, tasks = require("aimp"), {}
      for i = 1, 3 do
        tasks[i] = inside.spawn(function() return nil, a[0], a.ptr end)
      end
      inside.sleep(0)
      s:add(0, 1)
      local sum, pointer = 0, a.ptr
      for i = 1, 3 do
        local _, value, p = tasks[i]:await()
        sum = sum + (rawequal(p, pointer) and value or 1000)
      end
      return sum
    end, array, signal)
    block_until(signal)
    assert.equal(9, task:await())
    assert.same({ 2, 2 }, { blocks(pid) })
  end)

  with_pool("may be closed, or the task cancelled, while that waits for the memory", one, function(pool)
    local closed, kept = aimp.shm.array("double", 1), aimp.shm.array("double", 1)
    local signal = aimp.shm.array("int32_t", 1)
    kept[0] = 3
    pool:apply(function(s) return s[0] end, signal):await() -- this one it has
    local task = pool:apply(function(a, b, s)
      local inside = require("aimp")
      local one_waits = inside.spawn(function() return nil, a[0] end)
      local other_waits = inside.spawn(function() return nil, b[0] end)
      inside.sleep(0)
      a:close()
      other_waits:cancel()
      s:add(0, 1)
      local _, misuse = one_waits:pawait()
      local _, cancelled = other_waits:pawait()
      return misuse.message, cancelled.code, b[0]
    end, closed, kept, signal)
    block_until(signal)
    local message, code, value = task:await()
    assert.matches("workers_spec.lua:%d+: the shared array is closed", message)
    assert.same({ "CANCELLED", 3 }, { code, value })
  end)

  with_pool("has misuse in a worker at the caller's line there", one, function(pool)
    local messages = pool:apply(function(a)
      local list = {}
      for i, use in ipairs({
        function() return nil, a[3] end, function() a[0] = "x" end, function() a:set(0, {}) end,
        function() a:add(0, 0.5) end,
      }) do
        list[i] = select(2, pcall(use))
      end
      return list
    end, aimp.shm.array("int32_t", 3)):await()
    local patterns = { "index 3 is no integer", "cannot convert", "cannot convert", "expected an integer" }
    for i, pattern in ipairs(patterns) do
      assert.matches("workers_spec.lua:%d+: .*" .. pattern, messages[i])
    end
  end)
end)

describe("a worker's own shared array", function()
  with_pool("is used there, and in the worker's own pools", one, function(pool)
    local function inner()
      local a = require("aimp").shm.array("int32_t", 2)
      a[0] = 6
      local nested = require("aimp").Pool({ processes = 1 })
      nested:apply(function(x) x[1] = x[0] * 7 end, a):await()
      nested:close()
      nested:join()
      return a[1]
    end
    assert.equal(42, pool:apply(inner):await())
  end)

  it("is nothing that a worker can make up", function()
    local class = aimp.shm.Class
    for _, value in ipairs({ 5, "x", {}, { {} }, { aimp.Event() }, { aimp.shm } }) do
      local ok, err = pcall(class.__aimp_recv, value)
      assert.same({ false, "no shared array" }, { ok, err })
    end
  end)

  with_pool("cannot be sent to the process that made the worker", one, function(pool)
    local err = failure("ENCODE", function()
      return nil, pool:apply(function()
        return 1, { own = require("aimp").shm.array("int32_t", 2) }
      end):await()
    end)
    assert.matches("an aimp.shm.array that was made in a worker cannot be sent to the process that made the "
      .. "worker; make it there", err.message)
    assert.matches("at result 2 → own", err.message)
  end)
end)

describe("a parent's shared array", function()
  with_pool("goes through a worker to the worker's own workers, and back", one, function(pool)
    local array = aimp.shm.array("double", 3)
    local function outer(a)
      local nested = require("aimp").Pool({ processes = 1 })
      local back = nested:apply(function(x) -- the worker may not have used it yet itself
        x[1] = 5
        return x
      end, a):await()
      nested:apply(function(x) x[2] = x[1] + 1 end, a):await()
      nested:close()
      nested:join()
      return back == a, a[1], back
    end
    local is_same, seen, back = pool:apply(outer, array):await()
    assert.same({ true, 5 }, { is_same, seen })
    assert.is_true(rawequal(array, back))
    assert.same({ 5, 6 }, { array[1], array[2] })
  end)

  with_pool("comes to a worker's worker also when the worker closed its own", one, function(pool)
    local array = aimp.shm.array("double", 1)
    array[0] = 8
    local value, message = pool:apply(function(a)
      local nested = require("aimp").Pool({ processes = 1 })
      local first = a[0]
      local task = nested:apply(function(x) return x[0] end, a)
      a:close()
      local result = task:await() + first
      nested:close()
      nested:join()
      return result, select(2, pcall(function() return nil, a[0] end))
    end, array):await()
    assert.equal(16, value)
    assert.matches("closed", message)
  end)

  with_pool("comes to a worker's worker also when that asks before the worker has it", one, function(pool)
    local array, signal = aimp.shm.array("double", 1), aimp.shm.array("int32_t", 1)
    array[0] = 8
    pool:apply(function(s) return s[0] end, signal):await() -- this one it has
    local task = pool:apply(function(a, s)
      local inside = require("aimp")
      local nested = inside.Pool({ processes = 1 })
      local value = nested:apply(function(x, y, counter)
        local reader = require("aimp").spawn(function() return x[0] end)
        require("aimp").sleep(0)
        counter:add(1) -- asks this worker's worker, which has heard of x before
        y:add(0, 1)
        return reader:await()
      end, a, s, inside.Counter()):await()
      nested:close()
      nested:join()
      return value
    end, array, signal)
    block_until(signal)
    assert.equal(8, task:await())
  end)

  with_pool("outlives a worker that is killed while it uses it", two, function(pool)
    local array = aimp.shm.array("int32_t", 4)
    local pids = support.pids(pool)
    local victim = pool:submit(function(a)
      a[0] = require("aimp").pid()
      while true do
        a:add(1, 1)
      end
    end, { array }, { key = 1 })
    support.eventually(function() return array:add(1, 0) > 1000 end, "the worker is at work")
    uv.kill(array[0], "sigkill")
    failure("WORKER_DIED", victim.await, victim)
    local count = array[1]
    array[2] = count
    for key = 1, 4 do
      assert.same({ count, true }, { pool:submit(function(a)
        a:add(3, 1)
        return a[2], a[1] == a[2]
      end, { array }, { key = key }):await() })
    end
    assert.equal(4, array[3])
    assert.is_true(array[0] == pids[1] or array[0] == pids[2])
  end)

  with_pool("is refused with a reason while a worker may open no files, and then comes", one, function(pool)
    local array = aimp.shm.array("double", 2)
    array[1] = 9
    local code, message, value = pool:apply(function(a)
      local C = require("ffi")
      C.cdef("struct shm_limit { unsigned long soft, hard; };"
        .. "int shm_getrlimit(int what, struct shm_limit *limit) __asm__(\"getrlimit\");"
        .. "int shm_setrlimit(int what, const struct shm_limit *limit) __asm__(\"setrlimit\");")
      local old, none = C.new("struct shm_limit"), C.new("struct shm_limit")
      C.C.shm_getrlimit(7, old)
      none.soft, none.hard = 0, old.hard
      C.C.shm_setrlimit(7, none)
      local _, err = pcall(function() return nil, a[1] end)
      C.C.shm_setrlimit(7, old)
      return err.code, err.message, a[1]
    end, array):await()
    assert.same({ "STATE", 9 }, { code, value })
    assert.matches("this process may open no more files", message)
  end)
end)
