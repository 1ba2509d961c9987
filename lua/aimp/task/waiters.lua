-- SPDX-License-Identifier: MIT
--- Who waits for a task: the first in `_w1`, so that the usual single waiter costs nothing; the others in
--- `_more`.
---
--- A waiter is one of: a fiber (woken), a function (called with the task from the ready queue), an object
--- with `_child_done(task)` (likewise), an object with `_settled_now(task)` (called at once, inside the
--- settling: it may only count and wake fibers; the groups of gather and wait are such).
local fiber = require("aimp.fiber")

local M = {}

function M.add(task, w)
  local more = task._more
  if not more then
    if not task._w1 then
      task._w1 = w
      return
    end
    more = { n = 0, at = {} }
    task._more = more
  end
  more.n = more.n + 1
  more[more.n] = w
  more.at[w] = more.n
end

--- Takes one registration back; a waiter that is not registered is left alone.
function M.remove(task, w)
  local more = task._more
  if task._w1 == w then
    task._w1 = false
  elseif more and more.at[w] then
    more[more.at[w]] = false
    more.at[w] = nil
  end
end

local function tell(w, task)
  if type(w) == "function" then
    fiber.soon(w, task)
  elseif w._settled_now then
    w:_settled_now(task)
  elseif w.co then
    fiber.wake(w)
  else
    fiber.soon(w._child_done, w, task)
  end
end

local function tell_more(task, more)
  task._more = nil
  for i = 1, more.n do
    if more[i] then
      tell(more[i], task)
    end
  end
end

--- Tells and forgets all, in the order in which they came.
function M.notify(task)
  local w = task._w1
  if w then
    task._w1 = false
    tell(w, task)
  end
  if task._more then
    tell_more(task, task._more)
  end
end

return M
