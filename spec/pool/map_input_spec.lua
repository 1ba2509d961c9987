-- SPDX-License-Identifier: MIT
local describe, it, assert = describe, it, require("luassert")
setfenv(1, getfenv(0)) -- functions with busted's environment cannot be sent

local support = require("spec.pool.support")

local failure, misuse, numbers = support.failure, support.misuse, support.numbers

local two = { processes = 2 }
local one = { processes = 1 }

local function with_pool(name, options, body)
  it(name, support.pooled(options, body))
end

local function double(x) return x * 2 end
local function same(x) return x end

describe("pool:starmap", function()
  with_pool("spreads lists, with holes if they have n", two, function(pool)
    local function describe_all(...)
      local text = select("#", ...) .. ":"
      for i = 1, select("#", ...) do
        text = text .. " " .. tostring((select(i, ...)))
      end
      return text
    end
    assert.same({ n = 5, "2: 1 2", "0:", "3: nil b nil", "1: table", "0:" }, pool:starmap(describe_all, {
      { 1, 2 }, {}, { n = 3, nil, "b", nil }, { "table" }, { n = 0, 5 },
    }):await())
  end)

  with_pool("reads lists from an iterator", two, function(pool)
    local i = 0
    local function lists()
      i = i + 1
      return i <= 300 and { i, i } or nil
    end
    local list = pool:starmap(function(a, b) return a * b end, lists):await()
    assert.equal(300, list.n)
    assert.equal(90000, list[300])
  end)

  with_pool("names an item that is no list", two, function(pool)
    misuse("pool:starmap: item 2 is a number", function() pool:starmap(double, { { 1 }, 2 }) end)
    local left = { { 1 }, { 2 }, "text" }
    local err = failure("REMOTE", function()
      pool:starmap(double, function() return table.remove(left, 1) end):await()
    end)
    assert.matches("item 3 is a string; each must be a list", err.message)
  end)
end)

describe("pool:map refuses", function()
  with_pool("bad input, at the caller's line", one, function(pool)
    misuse("bad argument #1 to 'pool:map'", function() pool:map(nil, {}) end)
    misuse("bad argument #1 to 'pool:map'", function() pool:map("print", {}) end)
    misuse("bad argument #2 to 'pool:map'", function() pool:map(double) end)
    misuse("bad argument #2 to 'pool:map'", function() pool:map(double, 5) end)
    misuse("bad argument #2 to 'pool:map'", function() pool:map(double, "abc") end)
    misuse("bad argument #2 to 'pool:map'", function() pool:map(double, { n = "3" }) end)
    misuse("bad argument #2 to 'pool:map'", function() pool:map(double, { n = 1.5 }) end)
    misuse("bad argument #2 to 'pool:map'", function() pool:map(double, { n = -1 }) end)
    misuse("bad argument #2 to 'pool:starmap'", function() pool:starmap(double, 5) end)
    misuse("unknown option 'chunk_size', did you mean 'chunksize'", function()
      pool:map(double, {}, { chunk_size = 1 })
    end)
    misuse("'chunksize' must be at least 1", function() pool:map(double, {}, { chunksize = 0 }) end)
    misuse("'window' must be at least 1", function() pool:map(double, {}, { window = 0 }) end)
    misuse("options must be a table", function() pool:map(double, {}, 5) end)
    assert.same({ n = 1, 2 }, pool:map(double, { 1 }):await())
  end)

  with_pool("an item that cannot be sent, at the call, with its path", one, function(pool)
    local file = io.tmpfile()
    local err = failure("ENCODE", function() pool:map(same, { "a", { "b", { fh = file } } }) end)
    assert.matches("userdata at item 1", (failure("ENCODE", function() pool:map(same, { file }) end)).message)
    assert.matches("cannot send userdata at item 2.*fh", err.message)
    err = failure("ENCODE", function() pool:starmap(same, { { 1 }, { 2, file } }) end)
    assert.matches("item 2", err.message)
    file:close()
    assert.same({ n = 1, 2 }, pool:map(double, { 1 }):await())
  end)

  with_pool("an item of an iterator that cannot be sent, with its place in the input", one, function(pool)
    local file, i = io.tmpfile(), 0
    local err = failure("ENCODE", function()
      pool:map(same, function()
        i = i + 1
        return i == 700 and { file } or i
      end):await()
    end)
    file:close()
    assert.matches("userdata at item 700", err.message)
  end)

  with_pool("a result that cannot be sent, which fails only its item", one, function(pool)
    local got, result = {}, pool:map(function(x)
      if x == 3 then return io.tmpfile() end
      return x
    end, numbers(5), { chunksize = 5 })
    local err = failure("ENCODE", function()
      for i, value in result do
        got[i] = value
      end
    end)
    assert.matches("userdata", err.message)
    assert.equal(3, err.item)
    assert.same({ 1, 2 }, got)
  end)
end)
