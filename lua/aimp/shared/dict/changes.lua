--- Subscriptions to a dictionary's changes, in the process that subscribed.
---
--- The core knows a subscription by its id and tells the front (`_told`), which looks for the function here.
--- So one that was cancelled is never called again, whatever is still on its way.
-- SPDX-License-Identifier: MIT
local errors = require("aimp.errors")
local fiber = require("aimp.fiber")
local shared = require("aimp.shared")
local uv = require("aimp.uv")

local M = {}

local last_number = 0
-- A stub's front would be collected although somebody waits to be told; the owner's is held by its core.
local pinned = {} -- luacheck: ignore 241 (it only holds them)

--- What `dict:on_change` returns. It lasts until `cancel`, or until this process or the dictionary's ends.
---@class aimp.DictSubscription
local Subscription = {}
Subscription.__index = Subscription
Subscription.__name = "aimp.DictSubscription"
M.Subscription = Subscription

local function forget(front, id)
  front._subscriptions[id] = nil
  if next(front._subscriptions) == nil then
    pinned[front] = nil
  end
end

local function remember(front, subscription)
  if not front._subscriptions then
    rawset(front, "_subscriptions", {})
  end
  front._subscriptions[subscription._id] = subscription
  if front._core.link then
    pinned[front] = true
  end
end

-- A process in the middle hands news on to all workers that have the dictionary, so no two may use one id.
local function new_id()
  last_number = last_number + 1
  return uv.os_getpid() .. "." .. last_number
end

--- Has fn called for each change from now on.
---@async
---@param front aimp.Dict
---@param fn function
---@return aimp.DictSubscription
function M.subscribe(front, fn)
  if front._core.link then
    fiber.waiter(2, "dict:on_change") -- refused here, as what is raised below has lost the caller's line
  end
  local subscription = setmetatable({ _front = front, _fn = fn, _id = new_id() }, Subscription)
  remember(front, subscription) -- before the core knows of it, as it may tell before it answers
  local ok, err = pcall(front._core.subscribe, front._core, shared.LOCAL, subscription._id)
  if not ok then
    forget(front, subscription._id)
    error(err, 0)
  end
  return subscription
end

--- Ends the subscription: once this has returned its function is not called any more. Again does nothing.
---
--- Raises nothing but misuse.
---
--- Example: `local watch = dict:on_change(print); watch:cancel()`
function Subscription:cancel()
  if getmetatable(self) ~= Subscription then
    errors.raise_misuse(2, "not a subscription; call it with a colon, as in subscription:cancel()")
  end
  local front = self._front
  if front then
    self._front, self._fn = false, false
    forget(front, self._id)
    front._core:unsubscribe(shared.LOCAL, self._id)
  end
end

--- Called by the core from the ready queue, or by the hub for it in a task. If the function could wait there,
--- changes would overtake one another.
---@param front aimp.Dict
function M.told(front, id, key, new, old)
  local subscription = front._subscriptions and front._subscriptions[id]
  if subscription then
    local ok, err = fiber.outside(xpcall, subscription._fn, errors.handler, key, new, old)
    if not ok then
      fiber.on_error(err)
    end
  end
end

return M
