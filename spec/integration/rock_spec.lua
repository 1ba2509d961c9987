-- SPDX-License-Identifier: MIT
--- The rockspec: it fits the tree, and CMake puts the files where LuaRocks takes them from. Building the rock
--- is in CONTRIBUTING.md.
local support = require("spec.integration.support")

local FILE = "aimp-scm-1.rockspec"

local rock = {}
setfenv(assert(loadfile(FILE)), rock)()

describe("the rockspec", function()
  it("describes aimp", function()
    assert.equal(FILE, ("%s-%s.rockspec"):format(rock.package, rock.version))
    assert.equal(support.read("CMakeLists.txt"):match('project%(.- DESCRIPTION "([^"]+)"%)'),
      rock.description.summary)
    assert.equal(rock.description.license, support.read("LICENSE"):match("^(%S+) License"))
    assert.same({ "lua == 5.1" }, rock.dependencies)
  end)

  it("uses fields that LuaRocks knows, and no others", function()
    local known = {
      rockspec_format = "string", package = "string", version = "string", source = "table",
      description = "table", supported_platforms = "table", dependencies = "table", build = "table",
    }
    for name, value in pairs(rock) do
      assert.equal(known[name], type(value), name)
    end
    assert.equal("cmake", rock.build.type)
    assert.is_string(rock.source.url)
  end)

  it("has files put where LuaRocks takes them from, with options that CMake knows", function()
    local words = {}
    local rock_dirs = { PREFIX = "/rock", LUADIR = "/rock/lua", LIBDIR = "/rock/lib" }
    for name, value in pairs(rock.build.variables) do
      words[#words + 1] = ("-D%s=%s"):format(name, value:gsub("%$%((%u+)%)", rock_dirs))
    end
    support.with_folder(function(folder)
      local out = support.must('cmake -G Ninja -S . -B "$@" 2>&1', folder, unpack(words))
      assert.is_nil(out:find("Warning", 1, true), out)
      local install = support.must('cat $(find "$1" -name cmake_install.cmake)', folder)
      local targets = {}
      for target in install:gmatch('file%(INSTALL DESTINATION "([^"]+)"') do
        targets[target:gsub("${CMAKE_INSTALL_PREFIX}", "/rock")] = true
      end
      for _, target in ipairs({ "/rock/bin", "/rock/lua", "/rock/lib/aimp/http", "/rock/doc" }) do
        assert.is_true(targets[target], target)
      end
    end)
  end)
end)
