-- SPDX-License-Identifier: MIT
--- Both ends of a codec for the specs: `pair` has parent and worker in this state, `recorder` replays what
--- the parent sent in a process of its own, where globals and modules are really apart.
local buffer = require("string.buffer")
local codec = require("aimp.codec")

local M = {}

local Pair = {}
Pair.__index = Pair

--- Specs run in an environment of busted's, which no function that travels may have.
function M.plain(fn)
  return setfenv(fn, _G)
end

local function new_log()
  local log = {}
  return log, function(key, blob)
    log[#log + 1] = { key = key, blob = blob }
    return #log
  end
end

function M.pair()
  local self = setmetatable({ forgotten = {}, applied = 0 }, Pair)
  local log, define = new_log()
  self.log = log
  self.sender = codec.sender({
    define = define,
    forget = function(key) self.forgotten[#self.forgotten + 1] = key end,
  })
  self.receiver = codec.receiver({ from_worker = false })
  self.worker_sender = codec.sender({ from_worker = true, peer = self.receiver })
  self.parent_receiver = codec.receiver({ from_worker = true, peer = self.sender })
  return self
end

function Pair:sync(needs)
  while self.applied < needs do
    self.applied = self.applied + 1
    local entry = self.log[self.applied]
    self.receiver:define(entry.key, entry.blob)
  end
end

--- The values as they arrive in the worker.
function Pair:send(...)
  local n, buf = select("#", ...), buffer.new()
  local format, needs = self.sender:pack(buf, n, ...)
  self:sync(needs)
  return self.receiver:unpack(buf, format, n)
end

--- The function as it is in the worker.
function Pair:fn(fn)
  local key, needs = self.sender:prepare(fn)
  self:sync(needs)
  return self.receiver:fn(key)
end

--- Calls the function in the worker; its results stay what they are there.
function Pair:call(fn, ...)
  return self:fn(fn)(self:send(...))
end

--- The values of the worker as they arrive in the parent.
function Pair:back(...)
  local n, buf = select("#", ...), buffer.new()
  local format = self.worker_sender:pack(buf, n, ...)
  return self.parent_receiver:unpack(buf, format, n)
end

--- A worker that starts now: it is told the last definition of every key that is not forgotten, in order.
function Pair:restart()
  local last, gone = {}, {}
  for position, entry in ipairs(self.log) do
    last[entry.key] = position
  end
  for _, key in ipairs(self.forgotten) do
    gone[key] = true
  end
  self.receiver = codec.receiver({ from_worker = false })
  for position, entry in ipairs(self.log) do
    if last[entry.key] == position and not gone[entry.key] then
      self.receiver:define(entry.key, entry.blob)
    end
  end
  self.applied = #self.log
end

-- ---- a process of its own ----

local Recorder = {}
Recorder.__index = Recorder

function M.recorder()
  local self = setmetatable({ messages = {} }, Recorder)
  self.sender = codec.sender({
    define = function(key, blob)
      self.messages[#self.messages + 1] = { define = key, blob = blob }
      return #self.messages
    end,
  })
  return self
end

--- Notes a call for `run`.
function Recorder:call(fn, ...)
  local n, buf = select("#", ...), buffer.new()
  local key = self.sender:prepare(fn)
  local format = self.sender:pack(buf, n, ...)
  self.messages[#self.messages + 1] = { call = key, format = format, n = n, payload = buf:tostring() }
end

local function write_file(name, text)
  local file = assert(io.open(name, "wb"))
  file:write(text)
  file:close()
end

local function read_file(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

--- Replays the definitions and calls in another process; the first result of each call, or
--- { error = text } for one that failed.
---@return table
function Recorder:run()
  local input, output = os.tmpname(), os.tmpname()
  write_file(input, buffer.encode({ path = package.path, cpath = package.cpath, messages = self.messages }))
  local status = os.execute(("luajit spec/codec/replay.lua %s %s"):format(input, output))
  local text = read_file(output)
  os.remove(input)
  os.remove(output)
  assert(status == 0 or status == true, "the worker process failed")
  return buffer.decode(text)
end

-- ---- comparing ----

local function same(a, b, pairs_seen)
  if type(a) ~= type(b) then
    return false
  elseif a ~= a then
    return b ~= b
  elseif type(a) == "number" then
    return a == b and (a ~= 0 or 1 / a == 1 / b)
  elseif type(a) == "cdata" then
    return tostring(a) == tostring(b)
  elseif type(a) ~= "table" then
    return a == b
  elseif pairs_seen[a] or pairs_seen[b] then
    return pairs_seen[a] == b and pairs_seen[b] == a
  end
  pairs_seen[a], pairs_seen[b] = b, a
  return nil
end

local function size_of(t)
  local size = 0
  for _ in pairs(t) do
    size = size + 1
  end
  return size
end

--- Whether two values are alike, with the same sharing and cycles in them. Tables that are keys must also
--- occur as values, or nobody could tell which is which.
function M.is_alike(first, second)
  local pairs_seen, queue, by_table = {}, { { first, second } }, {}
  local function compare(a, b)
    local verdict = same(a, b, pairs_seen)
    if verdict ~= nil then
      return verdict
    end
    for key, value in pairs(a) do
      if type(key) == "table" then
        by_table[#by_table + 1] = { key, value, b }
      else
        queue[#queue + 1] = { value, b[key] }
      end
    end
    return size_of(a) == size_of(b)
  end
  local at = 0
  while at < #queue or #by_table > 0 do
    at = at + 1
    if at > #queue then
      local entry = table.remove(by_table)
      queue[at] = { entry[2], entry[3][pairs_seen[entry[1]]] }
    end
    if not compare(queue[at][1], queue[at][2]) then
      return false
    end
  end
  return true
end

return M
