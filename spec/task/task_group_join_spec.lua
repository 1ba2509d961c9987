-- SPDX-License-Identifier: MIT
local aimp = require("aimp")
local support = require("spec.task.support")

local turns = support.turns

local function misuse(pattern, fn)
  local ok, message = pcall(fn)
  assert.is_false(ok, "no error was raised")
  assert.matches("task_group_join_spec.lua:%d+: " .. pattern, message)
end

local function for_ever()
  aimp.sleep(1000)
end

describe("a task group without aimp.with", function()
  local function in_task(name, body)
    it(name, support.task(body))
  end

  in_task("is closed and joined", function()
    local group, ended = aimp.TaskGroup(), 0
    for _ = 1, 3 do
      group:spawn(function()
        aimp.sleep(0)
        ended = ended + 1
      end)
    end
    misuse("group:join: the group is still open; call close", function() group:join() end)
    group:close()
    group:close()
    misuse("group:spawn: the group is closed", function() group:spawn(print) end)
    group:join()
    assert.equal(3, ended)
    group:join()
  end)

  in_task("raises the first error to all who join it", function()
    local group = aimp.TaskGroup()
    local sibling = group:spawn(for_ever)
    group:spawn(error, "boom", 0)
    group:close()
    local joiners = { aimp.spawn(group.join, group), aimp.spawn(group.join, group) }
    for _, joiner in ipairs(joiners) do
      local ok, err = joiner:pawait()
      assert.is_false(ok)
      assert.equal("boom", err.message)
    end
    assert.is_true(sibling:cancelled())
  end)

  in_task("is terminated", function()
    local group = aimp.TaskGroup()
    local task = group:spawn(for_ever)
    local reason
    local heeds = group:spawn(function()
      reason = select(2, pcall(for_ever))
      return "cleaned"
    end)
    turns()
    group:terminate("enough")
    group:join()
    assert.is_true(task:cancelled())
    assert.equal("cleaned", heeds:await())
    assert.equal("cancelled: enough", reason.message)
  end)

  in_task("terminated in its function lets that go on", function()
    local task
    assert.equal("went on", aimp.with(aimp.TaskGroup(), function(group)
      task = group:spawn(for_ever)
      group:terminate()
      aimp.sleep(0)
      return "went on"
    end))
    assert.is_true(task:cancelled())
  end)

  in_task("is not joined by its own tasks", function()
    local group = aimp.TaskGroup()
    group:spawn(function()
      misuse("group:join: a task of the group cannot wait for the group", function() group:join() end)
    end)
    group:close()
    group:join()
  end)

  in_task("refuses misuse at the caller's line", function()
    local group = aimp.TaskGroup()
    misuse("aimp.TaskGroup: unknown option 'name'", function() aimp.TaskGroup({ name = 1 }) end)
    misuse("bad argument #1 to 'group:spawn' %(expected a function", function() group:spawn(5) end)
    misuse("bad argument #1 to 'group:add' %(expected a task, got a number", function() group:add(5) end)
    misuse("group:add: a group cannot wait for the task", function()
      local self = aimp.current()
      group:add(self or error("no task"))
    end)
    misuse("bad argument #1 to 'group:terminate'", function() group:terminate(5) end)
    for _, method in ipairs { "spawn", "add", "close", "terminate", "join", "count" } do
      misuse(method .. ": not a task group; call it as group:" .. method, function() group[method]({}) end)
    end
    misuse("aimp.with: the task group is in use", function()
      aimp.with(group, function()
        aimp.with(group, print)
        return nil
      end)
      return nil
    end)
    assert.matches("^aimp.TaskGroup: 0x%x+ %(0 tasks%)$", tostring(group))
  end)
end)
