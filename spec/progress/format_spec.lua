-- SPDX-License-Identifier: MIT
local format = require("aimp.progress.format")
local uv = require("luv")

local function view(fields)
  local all = { count = 42, total = 100, elapsed = 10, is_ascii = false }
  for name, value in pairs(fields or {}) do
    all[name] = value
  end
  return all
end

local function unknown(fields)
  local all = view(fields)
  all.total = nil
  return all
end

describe("a duration", function()
  it("has hours only when there are any", function()
    for seconds, text in pairs({
      [0] = "0:00", [0.99] = "0:00", [7] = "0:07", [59.9] = "0:59", [754] = "12:34", [3599] = "59:59",
      [3600] = "1:00:00", [3723] = "1:02:03", [360000] = "100:00:00", [1e15] = "277777777777:46:40",
    }) do
      assert.equal(text, format.duration(seconds))
    end
  end)
end)

describe("a terminal's line", function()
  it("has description, percentage, bar, count, total, time gone and left, and rate", function()
    assert.equal("load  42%|████▌      | 42/100 [0:10<0:13, 4.20/s]",
      format.bar(view({ description = "load" }), 49))
    assert.equal(" 42%|#######           | 42/100 [0:10<0:13, 4.20/s]",
      format.bar(view({ is_ascii = true }), 51))
  end)

  it("shows each eighth of a block", function()
    local right = "1/8 [0:01<0:07, 1.00/s]"
    for count, block in ipairs({ "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█" }) do
      local line = format.bar(view({ count = count, total = 8, elapsed = 1 }), #"  0%|" + 1 + #"| " + #right)
      assert.equal("|" .. block .. "| ", line:match("|.-| "))
    end
  end)

  it("is exactly as wide as it may be", function()
    for columns = 42, 120 do
      for _, is_ascii in ipairs({ true, false }) do
        local line = format.bar(view({ is_ascii = is_ascii, description = "größe" }), columns)
        assert.equal(columns, select(2, line:gsub("[^\128-\191]", "")), line)
      end
    end
  end)

  it("leaves out the bar, then cuts the description, then the figures", function()
    local named = view({ description = "größe" })
    assert.equal("größe 42/100 [0:10<0:13, 4.20/s]", format.bar(named, 37))
    assert.equal("größe 42/100 [0:10<0:13, 4.20/s]", format.bar(named, 32))
    assert.equal("grö42/100 [0:10<0:13, 4.20/s]", format.bar(named, 29))
    assert.equal("42/100 [0:10<0:13, 4.20/s]", format.bar(named, 26))
    assert.equal("42/100 [0:", format.bar(named, 10))
    assert.equal("", format.bar(named, 0))
  end)

  it("without a total has count, time and rate", function()
    assert.equal("42 [0:10, 4.20/s]", format.bar(unknown(), 80))
    assert.equal("load 42 [0:10, 4.20/s]", format.bar(unknown({ description = "load" }), 80))
  end)

  it("forgets a total that was exceeded", function()
    assert.equal("101 [0:10, 10.1/s]", format.bar(view({ count = 101 }), 80))
    assert.equal("1 [0:10, 10.0 s each]", format.bar(view({ count = 1, total = 0 }), 80))
  end)

  it("is complete where there is nothing to do", function()
    assert.equal("100%|█████| 0/0 [0:10<?, ?/s]", format.bar(view({ count = 0, total = 0 }), 29))
  end)

  it("knows neither rate nor time left before the first item", function()
    assert.matches("0/100 %[0:10<%?, %?/s%]$", format.bar(view({ count = 0 }), 60))
    assert.matches("42/100 %[0:00<0:00, %?/s%]$", format.bar(view({ elapsed = 0 }), 60))
  end)

  it("shortens large and small rates", function()
    for rate, text in pairs({
      [0.25] = "4.00 s each", [0.01] = "100 s each", [1] = "1.00/s", [9.994] = "9.99/s", [99.94] = "99.9/s",
      [99999] = "99999/s", [1e5] = "100k/s", [123456789] = "123M/s",
    }) do
      assert.matches(", " .. text:gsub("%.", "%%.") .. "%]$", format.bar(unknown({ count = rate * 10 }), 80))
    end
  end)
end)

describe("a plain line", function()
  it("says the same in words", function()
    assert.equal("load: 42/100 (42%), 4.20/s, 0:10 elapsed, 0:13 left",
      format.line(view({ description = "load" })))
    assert.equal("100/100 (100%), 10.0/s, 0:10 elapsed", format.line(view({ count = 100 })))
    assert.equal("0/100 (0%), ?/s, 0:10 elapsed", format.line(view({ count = 0 })))
    assert.equal("42, 4.20/s, 0:10 elapsed", format.line(unknown()))
  end)
end)

describe("a description", function()
  it("has nothing that moves the cursor or changes colours", function()
    assert.equal("a b c [31m d e", format.printable("a\nb\tc\27[31m\127d\194\155e"))
    assert.equal("größe 日本", format.printable("größe 日本"))
  end)
end)

describe("the locale", function()
  local names = { "LC_ALL", "LC_CTYPE", "LANG" }
  local kept

  before_each(function()
    kept = {}
    for _, name in ipairs(names) do
      kept[name] = os.getenv(name)
      uv.os_unsetenv(name)
    end
  end)

  after_each(function()
    for _, name in ipairs(names) do
      uv.os_unsetenv(name)
      if kept[name] then
        uv.os_setenv(name, kept[name])
      end
    end
  end)

  it("has UTF-8 where the first variable that is set says so", function()
    assert.is_true(format.is_ascii_locale())
    uv.os_setenv("LANG", "de_DE.UTF-8")
    assert.is_false(format.is_ascii_locale())
    uv.os_setenv("LC_CTYPE", "C")
    assert.is_true(format.is_ascii_locale())
    uv.os_setenv("LC_ALL", "en_GB.utf8")
    assert.is_false(format.is_ascii_locale())
    uv.os_setenv("LC_ALL", "")
    assert.is_true(format.is_ascii_locale())
  end)
end)
