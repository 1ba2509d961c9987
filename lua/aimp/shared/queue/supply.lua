--- Lots that a process was given by the owner of a queue: items to get, or places to put items in.
---
--- The same for both, in the process that is not the owner's: fibers stand in line; for those that wait the
--- owner is asked, and, when lots are used up quickly, for some ahead. What comes is claimed for those in line
--- at once; the rest lies here until it is claimed, or the owner takes it back. Used by stub.lua.
---
---   claim ──nothing here──► wait, WANT ──a lot──► claimed for those in line
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local loop = require("aimp.loop")
local waiting = require("aimp.shared.waiting")

local C = aimp_ffi.C

local M = {}

local AHEAD_MIN, AHEAD_MAX = 16, 256
--- Lots of which one is used up faster than this are asked for ahead.
local FAST_S = 50e-6

local one = ffi.new("uint32_t[1]")

---@class aimp.shared.Supply
local Supply = {}
Supply.__index = Supply

---@class aimp.shared.GivenLot
---@field cell integer
---@field generation integer
---@field count integer
---@field came number      seconds

---@param link aimp.shared.Link
---@param number integer   of the queue
---@param what string      for messages: "an item of a queue"
---@param ops { want: integer, unwant: integer, done: integer }
---@return aimp.shared.Supply
function M.new(link, number, what, ops)
  return setmetatable({
    link = link, number = number, ops = ops,
    line = waiting.new(what),
    lots = {}, first = 1, last = 0,
    wanted = 0,     -- asked for, for fibers in line, and not come
    ahead = 0, is_asked_ahead = false,
  }, Supply)
end

local function post(self, op, count, aux)
  self.link:post(op, self.number, count, 0, aux, nil, 0)
end

-- All of it was claimed, or taken back.
local function exhaust(self, lot)
  self.lots[self.first] = nil
  self.first = self.first + 1
  if (loop.now() - lot.came) / lot.count < FAST_S then
    self.ahead = math.min(math.max(self.ahead * 2, AHEAD_MIN), AHEAD_MAX)
  else
    self.ahead = 0
  end
  self.is_asked_ahead = false
end

local function done(self, lot)
  exhaust(self, lot)
  if self.ops.done then
    self.link:post_cell(self.ops.done, self.number, lot.cell, lot.generation, 0, nil, 0)
  end
end

-- The next is asked for before this one is used up.
local function ask_ahead(self, index, lot)
  if self.ahead > 0 and not self.is_asked_ahead and 2 * index >= lot.count and self.first == self.last then
    self.is_asked_ahead = true
    post(self, self.ops.want, 0, self.ahead)
  end
end

--- Claims the next that is here.
---@return aimp.shared.GivenLot? lot
---@return integer? index  1 .. count
function Supply:claim()
  while self.first <= self.last do
    local lot = self.lots[self.first]
    if C.aimp_port_claim(self.link.port, lot.cell, lot.generation, 1, one) == 1 then
      local index = one[0] + 1
      if index < lot.count then
        ask_ahead(self, index, lot)
      elseif self.ops.ends_by_itself then
        exhaust(self, lot)
      else
        done(self, lot)
      end
      return lot, index
    end
    done(self, lot)
  end
end

--- The owner is told how many wait, if it believes otherwise.
function Supply:balance()
  local missing = self.line:count() - self.wanted
  self.wanted = self.wanted + missing
  if missing > 0 then
    post(self, self.ops.want, missing, self.ahead)
  elseif missing < 0 then
    post(self, self.ops.unwant, -missing, 0)
  end
end

--- A lot has come.
---@param lot aimp.shared.GivenLot
function Supply:add(lot)
  lot.came = loop.now()
  self.last = self.last + 1
  self.lots[self.last] = lot
end

--- Hands what is here to those who wait.
function Supply:serve(came)
  self.wanted = math.max(self.wanted - came, 0)
  while self.line:count() > 0 do
    local lot, index = self:claim()
    if not lot then
      return self:balance()
    end
    self.line:wake(lot, index)
  end
end

--- Waits in `line` as one for whom an answer of the owner's is awaited.
---@async
function Supply:wait_in(line, timeout)
  local executor = self.link.executor
  executor.awaited = executor.awaited + 1
  local ok, lot, index = pcall(line.wait, line, timeout, true)
  executor.awaited = executor.awaited - 1
  if not ok then
    self:balance()
    error(lot, 0)
  end
  return lot, index
end

--- Claims one, or waits for it.
---@async
---@param timeout? number  seconds
---@return aimp.shared.GivenLot|string lot  or what `wake_all` says
---@return integer? index
function Supply:take(timeout)
  if self.line:count() == 0 then
    local lot, index = self:claim()
    if lot then
      return lot, index
    end
  end
  self.wanted = self.wanted + 1
  post(self, self.ops.want, 1, self.ahead)
  return self:wait_in(self.line, timeout)
end

return M
