-- SPDX-License-Identifier: MIT
local check = require("aimp.check")

describe("aimp.check", function()
  local function here(level)
    return "check_spec.lua:" .. debug.getinfo((level or 1) + 1, "l").currentline
  end

  describe("arg", function()
    local function public(value, kind)
      check.arg(1, "public", 2, value, kind)
    end

    local function fault(value, kind)
      local ok, message = pcall(function() public(value, kind) end)
      return not ok and message or nil
    end

    it("blames the caller of the public function", function()
      local at
      local _, message = pcall(function() at = here() public("x", "integer") end)
      assert.matches(at .. ": bad argument #2 to 'public'", message)
      assert.matches("%(expected an integer, got the string 'x'%)$", message)
    end)

    it("knows kinds beyond Lua's types", function()
      assert.is_nil(fault(3, "integer"))
      assert.is_nil(fault(-3, "integer"))
      for _, bad in ipairs { 1.5, 0 / 0, math.huge, 2 ^ 60, "3", {} } do
        assert.is_string(fault(bad, "integer"))
      end
      assert.is_nil(fault(0, "seconds"))
      for _, bad in ipairs { -1, 0 / 0, math.huge, "1" } do
        assert.is_string(fault(bad, "seconds"))
      end
      assert.is_nil(fault(print, "callable"))
      assert.is_nil(fault(setmetatable({}, { __call = print }), "callable"))
      assert.is_string(fault({}, "callable"))
      assert.is_string(fault(nil, "callable"))
      assert.is_nil(fault("x", "string"))
      assert.is_nil(fault({}, "any"))
      assert.is_string(fault(0 / 0, "number"))
    end)

    it("lets optional ones be nil", function()
      assert.is_nil(fault(nil, "string?"))
      assert.is_nil(fault("x", "string?"))
      assert.matches("expected a string, got 5", fault(5, "string?"))
    end)
  end)

  describe("options", function()
    local schema = {
      processes = { type = "integer", min = 1, max = 64, default = 4 },
      name = { type = "string" },
      mode = { choices = { "ALL", "ANY" } },
      odd = { check = function(v) return v % 2 == 0 and "must be odd" or nil end },
    }

    local function public(opts)
      local options = check.options(1, "public", opts, schema)
      return options
    end

    local function fault(opts)
      local ok, message = pcall(function() public(opts) end)
      return not ok and message or nil
    end

    it("fills in defaults and copies", function()
      local given = { name = "x" }
      local options = public(given)
      assert.same({ processes = 4, name = "x" }, options)
      assert.are_not.equal(given, options)
      assert.same({ processes = 4 }, public(nil))
    end)

    it("names the nearest known option at the caller's line", function()
      local at
      local _, message = pcall(function() at = here() public { proceses = 1 } end)
      assert.matches(at .. ": public: unknown option 'proceses', did you mean 'processes'%?", message)
    end)

    it("lists the options where none is near", function()
      assert.matches("unknown option 'qqqqqqq' %(known: mode, name, odd, processes%)", fault { qqqqqqq = 1 })
      local _, message = pcall(check.options, 0, "f", { 1 }, {})
      assert.matches("unknown option '1' %(there are none%)", message)
      assert.matches("unknown option '1'", fault { 5 })
    end)

    it("checks values", function()
      assert.matches("'processes' must be an integer, got 1.5", fault { processes = 1.5 })
      assert.matches("'processes' must be at least 1, got 0", fault { processes = 0 })
      assert.matches("'processes' must be at most 64, got 65", fault { processes = 65 })
      assert.matches("one of ALL, ANY, got the string 'AL', did you mean 'ALL'", fault { mode = "AL" })
      assert.matches("'odd' must be odd", fault { odd = 2 })
      assert.matches("options must be a table, got 5", fault(5))
      assert.is_nil(fault { odd = 3, mode = "ANY", processes = 64 })
    end)
  end)
end)
