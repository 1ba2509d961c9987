--- scripts/bench [--json] [--runs N]: what handing work to other processes costs on this machine.
---
--- Method. Every figure is the median of N runs (5) in one process, after one run that is thrown away (it
--- warms the JIT and the workers); the garbage of earlier figures is collected before each run, not in
--- it. Functions are no-ops, so what is measured is aimp itself. Time is monotonic wall time. Machines are
--- shared and noisy: compare figures of one run of this script only, and prefer ratios.
---
---   map           pool:map of 1,000,000 numbers with automatic chunks, two workers, awaited as a list
---   apply         100,000 pool:apply, gathered, two workers
---   apply closure the same with a function that captures a number
---   round_trip    pool:apply(f, x):await() one after the other, one worker that is awake
---   cold          the same, 5 ms after the worker fell asleep
---   stream        100,000 results of a map, in order, through the iterator
---   first_result  from aimp.Pool{processes=2} to the first result, the template running already;
---                 first_result_cold: without it, as in a program's first pool
---   idle_cpu      CPU time of two idle workers in one second, as a share of one core
---   mixed         the Pool part of examples/mixed.lua, as it says itself
-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local launcher = require("aimp.pool.launcher")

local options = { runs = 5, json = false }

local figures = {}

local function median(values)
  table.sort(values)
  return values[math.ceil(#values / 2)]
end

--- Runs fn some times after a warm-up; keeps the median of what it returns.
local function figure(name, unit, fn)
  fn()
  local values = {}
  for i = 1, options.runs do
    collectgarbage()
    values[i] = fn()
  end
  figures[#figures + 1] = { name = name, unit = unit, value = median(values) }
end

local function elapsed(fn, ...)
  local begin = aimp.now()
  fn(...)
  return aimp.now() - begin
end

local function identity(x)
  return x
end

local function bench_map(pool)
  local items = {}
  for i = 1, 1000000 do
    items[i] = i
  end
  figure("map", "items/s", function()
    return 1000000 / elapsed(function() pool:map(identity, items):await() end)
  end)
  figure("stream", "results/s", function()
    return 100000 / elapsed(function()
      local next_item = 0
      local function source()
        next_item = next_item + 1
        return next_item <= 100000 and next_item or nil
      end
      for _ in pool:map(identity, source) do end
    end)
  end)
end

local function gathered(pool, fn)
  return 100000 / elapsed(function()
    local tasks = {}
    for i = 1, 100000 do
      tasks[i] = pool:apply(fn, i)
    end
    aimp.gather(tasks)
  end)
end

local function bench_apply(pool)
  local factor = 2
  figure("apply", "tasks/s", function() return gathered(pool, identity) end)
  figure("apply_closure", "tasks/s", function()
    return gathered(pool, function(x) return x * factor end)
  end)
end

local function bench_round_trip(pool)
  local count, times, p99 = 20000, {}, {}
  figure("round_trip_p50", "us", function()
    for i = 1, count do
      local begin = aimp.now()
      pool:apply(identity, i):await()
      times[i] = aimp.now() - begin
    end
    local middle = median(times) -- which sorts them
    p99[#p99 + 1] = times[math.ceil(count * 0.99)]
    return middle * 1e6
  end)
  table.remove(p99, 1) -- the warm-up's
  figures[#figures + 1] = { name = "round_trip_p99", unit = "us", value = median(p99) * 1e6 }
  figure("cold_p50", "us", function()
    local cold = {}
    for i = 1, 50 do
      aimp.sleep(0.005)
      local begin = aimp.now()
      pool:apply(identity, i):await()
      cold[i] = aimp.now() - begin
    end
    return median(cold) * 1e6
  end)
end

-- Items that the script puts and a worker gets.
local function queued(pool, maxsize)
  local count = 200000
  return count / elapsed(function()
    local queue = aimp.Queue({ maxsize = maxsize })
    local task = pool:apply(function()
      local n = 0
      for _ in queue:iter() do
        n = n + 1
      end
      return n
    end)
    for i = 1, count do
      queue:put(i)
    end
    queue:close()
    assert(task:await() == count)
  end)
end

local function bench_queue(pool)
  figure("queue", "items/s", function() return queued(pool, 0) end)
  figure("queue_bounded", "items/s", function() return queued(pool, 1000) end)
  figure("queue_echo_p50", "us", function()
    local there, back, times = aimp.Queue(), aimp.Queue(), {}
    local echo = pool:apply(function()
      for item in there:iter() do
        back:put(item)
      end
    end)
    for i = 1, 5000 do
      local begin = aimp.now()
      there:put(i)
      back:get()
      times[i] = aimp.now() - begin
    end
    there:close()
    echo:await()
    return median(times) * 1e6
  end)
end

local function first_result()
  local begin = aimp.now()
  local pool = aimp.Pool({ processes = 2 })
  pool:apply(identity, 1):await()
  local seconds = aimp.now() - begin
  pool:terminate()
  pool:join()
  return seconds * 1e3
end

local function bench_start()
  figure("first_result", "ms", first_result)
  figure("first_result_cold", "ms", function()
    launcher.close()
    return first_result()
  end)
end

--- CPU seconds that a process has used; fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms.
local function cpu_seconds(pid)
  local file = assert(io.open(("/proc/%d/stat"):format(pid)))
  local after_name = file:read("*a"):match("%) (.*)")
  file:close()
  local fields = {}
  for field in after_name:gmatch("%S+") do
    fields[#fields + 1] = field
  end
  return (tonumber(fields[12]) + tonumber(fields[13])) / 100
end

local function bench_idle(pool)
  local pids = pool:broadcast(function() return require("aimp").pid() end)
  figure("idle_cpu", "cores", function()
    local before = cpu_seconds(pids[1]) + cpu_seconds(pids[2])
    aimp.sleep(1)
    return cpu_seconds(pids[1]) + cpu_seconds(pids[2]) - before
  end)
end

local function bench_mixed()
  local folder = arg[0]:match("^(.*)/scripts/lib/[^/]*$") or "."
  local command = ("'%s' '%s/examples/mixed.lua'"):format(require("luv").exepath(), folder)
  figure("mixed", "s", function()
    local output = assert(io.popen(command))
    local text = output:read("*a")
    output:close()
    return tonumber(text:match(".*All jobs done in ([%d.]+) seconds"))
  end)
end

local function machine()
  local file = assert(io.open("/proc/cpuinfo"))
  local model = file:read("*a"):match("model name%s*:%s*([^\n]+)") or "unknown"
  file:close()
  local kernel = require("luv").os_uname().release
  return { cpu = model, cores = aimp.cpu_count(), jit = jit.version, kernel = kernel }
end

local function print_table(host)
  print(("%s, %d cores, %s, Linux %s"):format(host.cpu, host.cores, host.jit, host.kernel))
  for _, row in ipairs(figures) do
    print(("%-18s %14.4g %s"):format(row.name, row.value, row.unit))
  end
end

for i = 1, #arg do
  if arg[i] == "--json" then
    options.json = true
  elseif arg[i] == "--runs" and tonumber(arg[i + 1]) then
    options.runs = math.max(1, math.floor(tonumber(arg[i + 1])))
  elseif arg[i - 1] ~= "--runs" then
    io.stderr:write("usage: scripts/bench [--json] [--runs N]\n")
    os.exit(2)
  end
end

aimp.with(aimp.Pool({ processes = 2 }), function(pool)
  bench_map(pool)
  bench_apply(pool)
  bench_idle(pool)
end)
aimp.with(aimp.Pool({ processes = 1 }), function(pool)
  bench_round_trip(pool)
  bench_queue(pool)
end)
bench_start()
bench_mixed()
if options.json then
  print(require("cjson").encode({ machine = machine(), runs = options.runs, figures = figures }))
else
  print_table(machine())
end
