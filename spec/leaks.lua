-- SPDX-License-Identifier: MIT
--- What a spec can leave behind in its process, counted: uv handles, child
--- processes, open files and shared mappings. Used by spec/helper.lua.
local ffi = require("ffi")
local uv = require("luv")

local M = {}

---@alias spec.Counts table<string, integer>

---@class spec.Snapshot
---@field handles spec.Counts    type of uv handle → how many
---@field processes spec.Counts  title and pid → 1
---@field files spec.Counts      link target of the fd, sockets and pipes without number
---@field mappings spec.Counts   memfd or file of /dev/shm → mapped regions

M.kinds = { "handles", "processes", "files", "mappings" }

-- uv.walk of luv trusts that every handle on the loop is one of luv's; those of
-- the C runtime are not. The asm names leave the real ones to other users.
ffi.cdef([[
typedef void (*spec_walk_cb)(void *handle, void *arg);
void spec_uv_walk(void *loop, spec_walk_cb visit, void *arg) __asm__("uv_walk");
void *spec_uv_loop_of(const void *handle) __asm__("uv_handle_get_loop");
int spec_uv_type(const void *handle) __asm__("uv_handle_get_type");
const char *spec_uv_type_name(int type) __asm__("uv_handle_type_name");
int spec_uv_is_active(const void *handle) __asm__("uv_is_active");
int spec_uv_is_closing(const void *handle) __asm__("uv_is_closing");
]])
local libuv = ffi.load("libuv.so.1")

-- Only memory while they are stopped; modules keep such ones for the next use.
local costs_nothing_stopped = { timer = true, idle = true, prepare = true, check = true }

local function count(counts, key)
  counts[key] = (counts[key] or 0) + 1
end

local function loop_of_luv()
  local probe = assert(uv.new_timer())
  local loop = libuv.spec_uv_loop_of(ffi.cast("void **", probe)[0])
  probe:close()
  return loop
end

local loop = loop_of_luv()
local walked
local visit = ffi.cast("spec_walk_cb", function(handle)
  local name = ffi.string(libuv.spec_uv_type_name(libuv.spec_uv_type(handle)))
  local is_open = libuv.spec_uv_is_closing(handle) == 0
  if is_open and (libuv.spec_uv_is_active(handle) ~= 0 or not costs_nothing_stopped[name]) then
    count(walked, name)
  end
end)

---@return spec.Counts
function M.handles()
  walked = {}
  libuv.spec_uv_walk(loop, visit, nil)
  return walked
end
-- A compiled call cannot call back into Lua.
jit.off(M.handles)

local function read(path)
  local file = io.open(path)
  if not file then
    return ""
  end
  local text = file:read("*a") or ""
  file:close()
  return text
end

local function names_in(folder)
  local scan = uv.fs_scandir(folder)
  return function()
    return scan and uv.fs_scandir_next(scan)
  end
end

--- "sleep 60 (pid 17)", "aimp: worker 1 (pid 18)"; a process that nobody reaped says so.
local function title_of(pid)
  local name, state = read("/proc/" .. pid .. "/stat"):match("%((.*)%) (%a)")
  local title = name or "?"
  if state == "Z" then
    title = title .. " [zombie]"
  elseif not title:find("^aimp: ") then
    local command = read("/proc/" .. pid .. "/cmdline"):gsub("%z+$", ""):gsub("%z", " ")
    title = command ~= "" and command or title
  end
  return ("%s (pid %s)"):format(title, pid)
end

local function add_children(counts, pid)
  for thread in names_in("/proc/" .. pid .. "/task") do
    for child in read(("/proc/%s/task/%s/children"):format(pid, thread)):gmatch("%d+") do
      counts[title_of(child)] = 1
      add_children(counts, child)
    end
  end
end

---@return spec.Counts  all descendants of this process
function M.processes()
  local counts = {}
  add_children(counts, tostring(uv.os_getpid()))
  return counts
end

---@return spec.Counts
function M.files()
  local counts = {}
  for fd in names_in("/proc/self/fd") do
    -- nil for the fd that the listing itself used.
    local target = uv.fs_readlink("/proc/self/fd/" .. fd)
    if target then
      count(counts, (target:gsub("^(%a+):%[%d+%]$", "%1")))
    end
  end
  return counts
end

---@return spec.Counts
function M.mappings()
  local counts = {}
  for line in read("/proc/self/maps"):gmatch("[^\n]+") do
    local name = line:match("/memfd:.*") or line:match("/dev/shm/.*")
    if name then
      count(counts, name)
    end
  end
  return counts
end

---@return spec.Snapshot
function M.snapshot()
  local taken = {}
  for _, kind in ipairs(M.kinds) do
    taken[kind] = M[kind]()
  end
  return taken
end

assert(read("/proc/self/stat") ~= "" and uv.fs_stat("/proc/self/task/" .. uv.os_getpid() .. "/children"),
  "the specs look for left processes in /proc/*/task/*/children; this kernel has no such file")

return M
