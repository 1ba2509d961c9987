-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")

local ffi = require("ffi")
local store_module = require("aimp.pool.store")

local MISSING, VALUE, FAILED, TAKEN =
  store_module.MISSING, store_module.VALUE, store_module.FAILED, store_module.TAKEN

-- A store with room for items up to `last`.
local function store_for(last)
  local store = store_module.new()
  store:reserve(last)
  return store
end

-- Stores the number 10 × index for items first .. last, each on its own.
local function put(store, first, last)
  for index = first, last do
    store:reserve(index)
    store:store_list(index, 1, { index * 10 })
  end
end

local function taken(store, index)
  local state, value, all = store:take(index)
  return { state, value, all and all.n or false }
end

describe("a store of results", function()
  it("knows nothing of items that have not come", function()
    local store = store_for(9)
    assert.equal(MISSING, store:state_of(0))
    assert.equal(MISSING, store:state_of(9))
    assert.is_nil(store:next_arrived())
  end)

  it("keeps numbers, nils and lists at their places", function()
    local store = store_for(9)
    store:store_numbers(4, 3, ffi.new("double[3]", 1.5, -2, 1e300))
    store:store_nils(0, 2)
    store:store_list(7, 3, { "a", nil, false })
    assert.same({ VALUE, 1.5, false }, taken(store, 4))
    assert.same({ VALUE, 1e300, false }, taken(store, 6))
    assert.same({ VALUE, nil, false }, taken(store, 1))
    assert.same({ VALUE, "a", false }, taken(store, 7))
    assert.same({ VALUE, nil, false }, taken(store, 8))
    assert.same({ VALUE, false, false }, taken(store, 9))
    assert.equal(MISSING, store:state_of(2))
  end)

  it("keeps all values of items with several, and none of their neighbours'", function()
    local store = store_for(3)
    store:store_list(0, 1, { "one" })
    store:store_multi(1, 2, { { n = 2, "x", "y" }, { n = 0 } })
    assert.same({ VALUE, "one", false }, taken(store, 0))
    assert.same({ VALUE, "x", 2 }, taken(store, 1))
    assert.same({ VALUE, nil, 0 }, taken(store, 2))
    put(store, 3, 3)
    assert.same({ VALUE, 30, false }, taken(store, 3))
  end)

  it("tells failures from values", function()
    local store = store_for(1)
    store:store_failure(1, "broken")
    assert.equal(FAILED, store:state_of(1))
    assert.same({ FAILED, "broken", false }, taken(store, 1))
  end)

  it("peeks without taking", function()
    local store = store_for(1)
    store:store_multi(0, 1, { { n = 2, 5, 6 } })
    local state, value, all = store:peek(0)
    assert.same({ VALUE, 5, 6 }, { state, value, all[2] })
    assert.equal(VALUE, (store:peek(0)))
    assert.same({ VALUE, 5, 2 }, taken(store, 0))
    assert.equal(MISSING, store:state_of(0))
  end)

  it("gives one list of all values when none was taken", function()
    local store = store_module.new()
    put(store, 0, 999)
    assert.equal(1000, #store.values)
    for i = 1, 1000 do
      assert(store.values[i] == (i - 1) * 10)
    end
  end)
end)

describe("a store that grows", function()
  it("keeps what it holds, whatever its kind", function()
    local store = store_for(10)
    store:store_list(0, 2, { "a", "b" })
    store:store_multi(2, 1, { { n = 3, 1, 2, 3 } })
    store:store_failure(3, "bad")
    store:store_nils(5, 1)
    store:reserve(100000)
    assert.same({ VALUE, "a", false }, taken(store, 0))
    assert.same({ VALUE, "b", false }, taken(store, 1))
    assert.same({ VALUE, 1, 3 }, taken(store, 2))
    assert.same({ FAILED, "bad", false }, taken(store, 3))
    assert.equal(MISSING, store:state_of(4))
    assert.same({ VALUE, nil, false }, taken(store, 5))
    assert.equal(MISSING, store:state_of(100000))
  end)

  it("grows while its slots are wrapped around", function()
    local store = store_module.new()
    put(store, 0, 199)
    for index = 0, 149 do
      store:take(index)
    end
    put(store, 200, 149 + 256) -- full: 150 .. 405, over the end of the first 256 slots
    store:reserve(1000)
    for index = 150, 405 do
      assert.same({ VALUE, index * 10, false }, taken(store, index))
    end
    assert.equal(MISSING, store:state_of(406))
  end)

  it("remembers what was taken out of order", function()
    local store = store_module.new()
    put(store, 0, 255)
    store:take(3)
    store:reserve(2000)
    assert.equal(TAKEN, store:state_of(3))
    put(store, 256, 2000)
    for _, index in ipairs({ 0, 1, 2 }) do
      store:take(index)
    end
    assert.equal(4, store.first)
  end)

  it("does not grow while items are taken as fast as they come", function()
    local store = store_module.new()
    for index = 0, 99999 do
      put(store, index, index)
      assert(store:take(index) == VALUE)
    end
    assert.equal(256, store.capacity)
    assert.equal(100000, store.first)
  end)

  it("leaves no trace of an item in the slot of the next lap", function()
    local store = store_module.new()
    store:store_multi(0, 256, (function()
      local lists = {}
      for i = 1, 256 do
        lists[i] = { n = 2, i, i }
      end
      return lists
    end)())
    for index = 0, 255 do
      store:take(index)
    end
    store:reserve(511)
    assert.equal(MISSING, store:state_of(256))
    store:store_nils(256, 256)
    for index = 256, 511 do
      assert.same({ VALUE, nil, false }, taken(store, index))
    end
    assert.equal(256, store.capacity)
  end)
end)

describe("arrivals", function()
  local function all_arrived(store)
    local order = {}
    for index in function() return store:next_arrived() end do
      order[#order + 1] = index
      store:take(index)
    end
    return order
  end

  it("are told in their order, also over several rounds", function()
    local store = store_for(9)
    store:track_arrivals(-1)
    store:store_list(5, 2, { 1, 2 })
    store:store_failure(9, "no")
    store:store_nils(0, 1)
    assert.same({ 5, 6, 9, 0 }, all_arrived(store))
    store:store_numbers(1, 2, ffi.new("double[2]"))
    store:store_multi(3, 1, { { n = 0 } })
    assert.same({ 1, 2, 3 }, all_arrived(store))
    assert.same({}, all_arrived(store))
  end)

  it("begin with what came before anybody asked for their order", function()
    local store = store_for(9)
    store:store_list(4, 1, { 1 })
    store:store_failure(2, "no")
    store:store_list(0, 2, { 1, 2 })
    store:take(0)
    store:take(1)
    store:track_arrivals(9)
    store:track_arrivals(9) -- a second time changes nothing
    assert.same({ 2, 4 }, all_arrived(store))
  end)

  it("leave nothing behind when they are consumed now and then, never to the end", function()
    local store = store_module.new()
    store:track_arrivals(-1)
    for index = 0, 9999 do
      put(store, index, index)
      if index > 0 then
        store:take(store:next_arrived())
      end
    end
    local kept = 0
    for _ in pairs(store.arrivals) do
      kept = kept + 1
    end
    assert.equal(1, kept)
    assert.equal(256, store.capacity)
  end)
end)
