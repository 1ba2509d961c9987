-- SPDX-License-Identifier: MIT
--- What a worker sends may be anything. The parent's receiver gives a value or a DECODE error, in bounded
--- memory, and never runs code or changes what is not its own.
local buffer = require("string.buffer")
local generate = require("spec.codec.generate")
local support = require("spec.codec.support")

local PLAIN, GRAPH = 0, 1

describe("bytes from a worker", function()
  local pair, receiver

  before_each(function()
    pair = support.pair()
    receiver = pair.parent_receiver
  end)

  -- Also returns how many bytes were allocated.
  local function read(text, format, n, as_list)
    local buf = buffer.new():set(text)
    collectgarbage("stop")
    local before = collectgarbage("count")
    local ok, value = pcall(as_list and receiver.unpack_list or receiver.unpack, receiver, buf, format, n)
    local grown = (collectgarbage("count") - before) * 1024
    collectgarbage("restart")
    return ok, value, grown
  end

  local function try(text, format, n)
    for _, as_list in ipairs({ false, true }) do
      local ok, value, grown = read(text, format, n, as_list)
      if grown >= 20000 + 500 * #text then -- LuaJIT's table of strings may have grown just then
        ok, value, grown = read(text, format, n, as_list)
      end
      assert.is_true(ok or value.code == "DECODE")
      assert.is_true(grown < 20000 + 500 * #text, "took " .. grown .. " bytes for " .. #text)
    end
  end

  local function payload_of(value)
    local buf = buffer.new()
    local format = pair.worker_sender:pack(buf, 1, value)
    return buf:tostring(), format
  end

  local function flip(text, at, bit_number)
    local byte = text:byte(at)
    local mask = 2 ^ bit_number
    local flipped = math.floor(byte / mask) % 2 == 0 and byte + mask or byte - mask
    return text:sub(1, at - 1) .. string.char(flipped) .. text:sub(at + 1)
  end

  it("truncated", function()
    for seed = 1, 60 do
      local there = pair:send(generate.value(seed, { sharing = seed % 2 == 0, classes = seed % 3 == 0 }))
      local text, format = payload_of(there)
      local random = generate.new_random(seed)
      for _ = 1, 15 do
        try(text:sub(1, random(#text) - 1), format, 1)
      end
    end
  end)

  it("with flipped bits", function()
    for seed = 1, 120 do
      local there = pair:send(generate.value(seed, { sharing = seed % 2 == 0, classes = seed % 3 == 0 }))
      local text, format = payload_of(there)
      local random = generate.new_random(seed)
      for _ = 1, 25 do
        local bad = text
        for _ = 1, random(3) do
          bad = flip(bad, random(#bad), random(8) - 1)
        end
        try(bad, format, 1)
      end
    end
  end)

  it("with flipped bits everywhere in small graphs", function()
    local bank = require("spec.codec.modules.bank")
    local handle = require("spec.codec.modules.handle")
    local Class = {}
    Class.__index = Class
    local there = { pair:send(setmetatable({}, Class), support.plain(function() end)) }
    there[3], there[4] = bank.open(3), handle.new(4)
    there[5], there[6] = require("ffi").new("double[2]"), { [there[1]] = there[2], [there] = 1 }
    local text, format = payload_of(there)
    assert.equal(GRAPH, format)
    for at = 1, #text do
      for bit_number = 0, 7 do
        try(flip(text, at, bit_number), format, 1)
      end
    end
  end)

  it("of no sense at all", function()
    local random = generate.new_random(1)
    for _ = 1, 3000 do
      local bytes = {}
      for i = 1, random(30) do
        bytes[i] = string.char(random(256) - 1)
      end
      try(table.concat(bytes), random(2) - 1, random(3))
    end
    for _ = 1, 500 do
      local out = buffer.new()
      for _ = 1, random(12) do
        local ops = { "t", "n", "f", "k", "c", "o", "F", "K", "P", "M", "C", "." }
        out:encode(({ ops[random(12)], random(4), {}, { 1, 2, 3 }, "os", true })[random(6)])
      end
      try(out:tostring(), GRAPH, 1)
    end
  end)

  for what, text in pairs({
    ["an array of 2^32 values"] = "\10\255\255\255\255\255",
    ["an array of 2^27 values"] = "\10\255\0\0\0\8",
    ["a hash of 2^31 pairs"] = "\9\255\255\255\255\127",
    ["arrays in arrays"] = ("\10\255\0\0\1\0"):rep(100),
    ["a string of 2^32 bytes"] = "\255\255\255\255\255",
    ["an array without slots"] = "\12\0", ["an array with slot 0 only that it does not have"] = "\12\1",
    ["an address"] = "\5abcdefgh", ["a dictionary"] = "\14\1", ["a number cut off"] = "\7abc",
    ["a table in the long form of a tag"] = "\255\12\0\0\0\255\255\255\255\255",
    ["a boolean in the long form of a tag"] = "\255\1\0\0\0",
    ["nothing"] = "", ["a table with the key nil"] = "\9\1\0\1",
    ["a table with a key twice"] = "\9\2\33a\1\33a\2",
  }) do
    it("that are " .. what, function()
      local ok, err, grown = read(text, PLAIN, 1)
      assert.is_false(ok)
      assert.equal("DECODE", err.code)
      assert.is_true(grown < 20000)
      try(buffer.new():encode("t"):put(text):tostring(), GRAPH, 1)
    end)
  end

  it("that claim to be millions of values", function()
    for _, format in ipairs({ PLAIN, GRAPH }) do
      local ok, err = read(payload_of(setmetatable({}, {})), format, 2 ^ 24 - 1)
      assert.is_false(ok)
      assert.equal("DECODE", err.code)
    end
  end)

  it("of an unknown format", function()
    try("\1", 2, 1)
    try("\1", 255, 1)
    assert.is_false((read("\1", 7, 1)))
  end)

  -- The instructions of wire.lua, by hand.
  local function graph(...)
    local out = buffer.new()
    for i = 1, select("#", ...) do
      out:encode((select(i, ...)))
    end
    return out:tostring()
  end

  it("cannot write to what is not theirs", function()
    for _, path in ipairs({ "_G", "string", "spec.codec.modules.bank" }) do
      require("spec.codec.modules.bank")
      local ok, err = read(graph("t", {}, "n", path, "t", {}, "F", 2, { hacked = 3 }, "."), GRAPH, 1)
      assert.is_false(ok)
      assert.equal("DECODE", err.code)
      ok = read(graph("t", {}, "n", path, "t", {}, "M", 2, 3, "."), GRAPH, 1)
      assert.is_false(ok)
    end
    assert.is_nil(rawget(_G, "hacked"))
    assert.is_nil(getmetatable(_G) and getmetatable(_G).hacked)
  end)

  it("cannot call what is no class", function()
    local text = graph("t", {}, "n", "os\0exit", "t", {}, "F", 3, { __aimp_recv = 2 },
      "o", "C", 4, 3, false, 3, ".")
    local ok, err = read(text, GRAPH, 1)
    assert.is_false(ok)
    assert.equal("DECODE", err.code)
  end)

  it("cannot load modules", function()
    package.preload["spec.codec.loaded_by_worker"] = function() error("was loaded") end
    local ok, err = read(graph("t", {}, "n", "spec.codec.loaded_by_worker", "F", 1, { 2 }, "."), GRAPH, 1)
    package.preload["spec.codec.loaded_by_worker"] = nil
    assert.is_false(ok)
    assert.matches("'spec.codec.loaded_by_worker' is not known in this process", err.message, 1, true)
  end)

  it("cannot define", function()
    local ok, err = pcall(receiver.define, receiver, 1, buffer.encode("p"))
    assert.is_false(ok)
    assert.equal("DECODE", err.code)
  end)

  it("cannot name functions that were not sent, or as what they are not", function()
    local fn = support.plain(function() end)
    local key = pair.sender:prepare(fn)
    assert.is_true((read(graph("t", {}, "f", key, "F", 1, { 2 }, "."), GRAPH, 1)))
    for _, text in ipairs({
      graph("t", {}, "f", key + 100, "F", 1, { 2 }, "."), graph("t", {}, "k", key, "F", 1, { 2 }, "."),
      graph("t", {}, "f", 0 / 0, "F", 1, { 2 }, "."), graph("t", {}, "f", "1", "F", 1, { 2 }, "."),
    }) do
      assert.is_false((read(text, GRAPH, 1)))
    end
  end)
end)

describe("malformed bytes in a worker", function()
  it("are DECODE errors", function()
    local pair = support.pair()
    for _, text in ipairs({ "", "\7abc", "\19", "\9\1\0\1" }) do
      local ok, err = pcall(pair.receiver.unpack, pair.receiver, buffer.new():set(text), PLAIN, 1)
      assert.is_false(ok)
      assert.equal("DECODE", err.code)
    end
  end)

  it("as definitions are errors of who needs them", function()
    local pair = support.pair()
    local code = buffer.encode("p") .. "\34xx\8"
    for _, blob in ipairs({ "", "\1", buffer.encode("z"), buffer.encode("f"), code }) do
      pair.receiver:define(77, blob)
      local ok, err = pcall(pair.receiver.fn, pair.receiver, 77)
      assert.is_false(ok)
      assert.equal("DECODE", err.code)
    end
    pair.receiver:forget(77)
    assert.equal(1, pair:call(support.plain(function() return 1 end)))
  end)
end)
