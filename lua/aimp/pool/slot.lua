--- The place of one worker in a pool: which process is in it, and how far that is.
---
---            launch ok        HELLO, init ok          quota used up, resize, close
---   vacant ──► launching ──► starting ──► ready ──► draining ──► stopping ──► vacant
---      ▲            └───────────┴───────────┴─ process ended, or never came up ──┘
---
--- Used by the supervisor (supervisor.lua, starting.lua, ending.lua), which decides on the moves.
-- SPDX-License-Identifier: MIT
local M = {}

local moves = {
  vacant = { launching = true },
  launching = { starting = true, vacant = true },
  starting = { ready = true, vacant = true },
  ready = { draining = true, vacant = true },
  draining = { stopping = true, vacant = true },
  stopping = { vacant = true },
}

---@class aimp.WorkerSlot
---@field slot integer        0 ..
---@field number integer      slot + 1, as users see it
---@field label string        what it is called in messages: "worker 1"
---@field state string        a key of `moves`
---@field pid? integer
---@field launch_id integer
---@field restarts integer    -1 before the first start
---@field exit_status integer that it is to end with when it is stopped
---@field was_ready boolean   of the present process
---@field dismissed boolean   it was killed before it was ready, as it is not wanted any more
---@field killed boolean      it was sent a signal by its supervisor
---@field must_die? integer   a signal that it gets as soon as there is a process
---@field round integer       failures that had counted when it was started
---@field failure? aimp.Error its initializer's error
---@field timer? { stop: fun(self) }    waits for HELLO
---@field backoff? { stop: fun(self) }  before the next start

---@param supervisor aimp.Supervisor
---@param slot integer
---@return aimp.WorkerSlot
function M.new(supervisor, slot)
  return {
    supervisor = supervisor, slot = slot, number = slot + 1, state = "vacant", restarts = -1,
    was_ready = false, exit_status = 0,
    label = supervisor.host.label or ("worker %d"):format(slot + 1),
  }
end

---@param worker aimp.WorkerSlot
---@param state string
function M.move(worker, state)
  if not moves[worker.state][state] then
    error(("internal: %s cannot go from %s to %s"):format(worker.label, worker.state, state))
  end
  local supervisor = worker.supervisor
  if worker.state == "draining" then
    supervisor.draining = supervisor.draining - 1
  elseif state == "draining" then
    supervisor.draining = supervisor.draining + 1
  end
  worker.state = state
end

--- Nobody waits for its HELLO any more.
---@param worker aimp.WorkerSlot
function M.stop_timer(worker)
  if worker.timer then
    worker.timer:stop()
    worker.timer = nil
  end
end

return M
