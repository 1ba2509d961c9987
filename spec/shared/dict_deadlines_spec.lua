-- SPDX-License-Identifier: MIT
local deadlines = require("aimp.shared.dict.deadlines")

describe("aimp.shared.dict.deadlines", function()
  local heap, model, random

  before_each(function()
    heap, model, random = deadlines.new(), {}, 12345
  end)

  local function next_random(n)
    random = (random * 1103515245 + 12345) % 2 ^ 31
    return math.floor(random / 2 ^ 31 * n)
  end

  local function check()
    local count, earliest = 0, nil
    for key, due in pairs(model) do
      count = count + 1
      earliest = math.min(earliest or due, due)
      assert(heap:of(key) == due)
    end
    local due, key = heap:first()
    assert(heap.size == count and due == earliest and model[key] == earliest)
  end

  it("has none at first", function()
    assert.is_nil(heap:first())
    assert.is_nil(heap:of("k"))
    heap:drop("k")
    assert.equal(0, heap.size)
  end)

  it("always knows the earliest, whatever is put, moved and dropped", function()
    for _ = 1, 10000 do
      local key = next_random(100)
      if next_random(3) == 0 then
        heap:drop(key)
        model[key] = nil
      else
        model[key] = next_random(1000)
        heap:put(key, model[key])
      end
      check()
    end
    while heap.size > 0 do
      local _, key = heap:first()
      heap:drop(key)
      model[key] = nil
      check()
    end
    assert.same({ size = 0, due = {}, keys = {}, place = {} }, heap)
  end)
end)
