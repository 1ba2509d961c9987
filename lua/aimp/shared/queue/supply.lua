--- Lots that a process was given by the owner of a queue: items to get, or places to put items in.
---
--- The same for both, in the process that is not the owner's: fibers stand in line; for those that wait the
--- owner is asked, and, when lots are used up quickly, for some besides. What comes is claimed by those in
--- line, one after the other; the rest lies here until it is claimed, the owner takes it back, or this
--- process is about to sleep and gives it back. Used by stub.lua.
---
---   claim ──nothing here──► wait, WANT ──a lot──► called ──► claim, and the next is called
---
--- Invariant: while fibers are in line there is nothing here to claim, or one is called.
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local aimp_ffi = require("aimp.ffi")
local loop = require("aimp.loop")
local protocol = require("aimp.shared.queue.protocol")
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
---@field came number           seconds
---@field demand integer        of it, for fibers that waited when it was given
---@field claimed integer
---@field ends_later? boolean   an item's: who claimed the last tells the owner
---@field unsent? integer       a place's: those that were claimed, and whose items are not sent yet
---@field is_over? boolean      a place's: the owner is to be told when those are sent

---@param link aimp.shared.Link
---@param number integer   of the queue
---@param what string      for messages: "an item of a queue"
---@param ops { want: integer, unwant: integer, done: integer, give_back?: integer }  protocol.lua
---@return aimp.shared.Supply
function M.new(link, number, what, ops)
  return setmetatable({
    link = link, number = number, ops = ops,
    line = waiting.new(what),
    lots = {}, first = 1, last = 0,
    over = nil,     -- a lot of which all is claimed, and the owner has not been told
    is_listed = false, -- with the link, as one that may have lots
    wanted = 0,     -- as the owner counts it, or will; protocol.lua
    is_called = false, -- one has left the line to claim, and has not run yet
    last_word = nil,   -- what `take` gives from now on
    epoch = 0,      -- how often all was given back
    ahead = 0, is_asked_ahead = false,
    has_quit = false, -- somebody gave up for whom something may be on its way
  }, Supply)
end

local function post(self, op, count, aux)
  self.link:post(op, self.number, count, 0, aux, nil, 0)
end

--- Tells the owner that a lot is done with.
function Supply:done(lot)
  self.link:post_cell(self.ops.done, self.number, lot.cell, lot.generation, 0, nil, 0)
end

-- The same, when the items of its places are sent.
local function done_when_sent(self, lot)
  if (lot.unsent or 0) > 0 then
    lot.is_over = true
  else
    self:done(lot)
  end
end

--- The item of a place was sent.
function Supply:sent(lot)
  lot.unsent = lot.unsent - 1
  if lot.is_over and lot.unsent == 0 then
    self:done(lot)
  end
end

local function drop_first(self)
  self.lots[self.first] = nil
  self.first = self.first + 1
  self.is_asked_ahead = false
end

-- All of it was claimed.
local function exhaust(self, lot)
  drop_first(self)
  if (loop.now() - lot.came) / lot.count < FAST_S then
    self.ahead = math.min(math.max(self.ahead * 2, AHEAD_MIN), AHEAD_MAX)
  else
    self.ahead = 0
  end
  if not (lot.ends_later or lot.unsent) then -- the item of the last place says it
    self.over = lot
  end
end

local function tell_over(self)
  if self.over then
    self:done(self.over)
    self.over = nil
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
      lot.unsent, lot.claimed = lot.unsent and lot.unsent + 1, index
      if index < lot.count then
        ask_ahead(self, index, lot)
      else
        exhaust(self, lot)
      end
      return lot, index
    end
    drop_first(self) -- the owner has taken the rest back
    done_when_sent(self, lot)
  end
end

--- The same for one who has not waited, if nobody else does.
---@return aimp.shared.GivenLot? lot
---@return integer? index
function Supply:claim_if_free()
  if self.line:count() == 0 and not self.is_called then
    local lot, index = self:claim()
    tell_over(self)
    return lot, index
  end
end

-- Of those in line, so many that what is here was given for.
local function granted(self)
  local count = 0
  for i = self.first, self.last do
    local lot = self.lots[i]
    count = count + math.max(lot.demand - lot.claimed, 0)
  end
  return count
end

-- The owner is told how many wait for more than what was given for them, if it believes otherwise and that
-- matters.
local function balance(self, more)
  local count = self.line:count() + (self.is_called and 1 or 0) + more - granted(self)
  local missing = count - self.wanted
  if missing > 0 and count > 0 then
    self.wanted = count
    post(self, self.ops.want, missing, self.ahead)
  elseif missing < 0 then
    self.wanted = count
    post(self, self.ops.unwant, -missing, 0)
  end
end

--- Gives back what is here, and what is on its way.
function Supply:give_back()
  if self.first > self.last then
    return
  elseif self.ops.give_back then
    self.epoch = (self.epoch + 1) % protocol.EPOCHS
    post(self, self.ops.give_back, 0, 0)
  end
  self.ahead = 0
  for i = self.first, self.last do
    done_when_sent(self, self.lots[i])
    drop_first(self)
  end
end

--- A lot has come.
---@param lot aimp.shared.GivenLot
---@param demand integer   of it, for fibers that waited when it was given
---@param epoch? integer
---@return boolean is_ours  false: it was given back before it came
function Supply:add(lot, demand, epoch)
  self.wanted = self.wanted - demand
  if epoch and epoch ~= self.epoch then
    self:done(lot)
    return false
  end
  lot.came, lot.demand, lot.claimed = loop.now(), demand, 0
  self.last = self.last + 1
  self.lots[self.last] = lot
  self.link:holds_lots(self)
  return true
end

--- Calls the first of those who wait to claim what is here, who then calls the next. So nothing is claimed
--- that its fiber does not get at once: neither another fiber nor this process's end can come between. What
--- came for one who gave up goes back, as others may wait for it.
---
--- That a lot is over is told last: then the owner forgets for how many it was (wish.lua).
function Supply:serve()
  if self.is_called then
    return
  elseif self.first <= self.last and self.line:count() > 0 then
    self.is_called = true
    self.line:wake("called")
  elseif self.has_quit then
    self.has_quit = false
    self:give_back()
  end
  if self.over or not self.is_called then
    balance(self, 0)
  end
  tell_over(self)
end

--- Nothing will come any more.
---@param word string  for those who wait, and will
function Supply:finish(word)
  self.last_word = word
  self.line:wake_all(word)
end

--- Waits in `line` as one for whom an answer of the owner's is awaited.
---@async
---@param tag any
---@param is_back? boolean
function Supply:wait_in(line, timeout, tag, is_back)
  local executor = self.link.executor
  executor.awaited = executor.awaited + 1
  local ok, word = pcall(line.wait, line, timeout, true, tag, is_back)
  executor.awaited = executor.awaited - 1
  if not ok then
    self.has_quit = true
    balance(self, 0)
    error(word, 0)
  end
  return word
end

-- Was called.
local function claim_in_turn(self)
  self.is_called = false
  local lot, index = self:claim()
  if lot then
    self:serve()
  end
  return lot, index
end

--- Claims one, or waits for it.
---@async
---@param timeout? number  seconds
---@return aimp.shared.GivenLot|string lot  or what `finish` says
---@return integer? index
function Supply:take(timeout)
  local lot, index = self:claim_if_free()
  local deadline = timeout and not lot and loop.now() + timeout
  local is_back = false
  while not lot and not self.last_word do
    balance(self, 1)
    local word = self:wait_in(self.line, deadline and math.max(deadline - loop.now(), 0), nil, is_back)
    if word == "called" then
      lot, index = claim_in_turn(self)
      is_back = true
    end
  end
  return lot or self.last_word, index
end

return M
