-- SPDX-License-Identifier: MIT
--- What `cmake --install` puts down works on its own, wherever it is moved.
local cli = require("spec.cli.support")
local helper = require("spec.helper")
local support = require("spec.integration.support")
local uv = require("luv")

helper.time_limit(120)

--- Calls fn with the prefix of a fresh installation. It was made for /usr, so it has been moved.
local function installed(fn)
  support.with_folder(function(folder)
    support.must([[
      DESTDIR="$1/root" cmake --install "$2" --prefix /usr
      mv "$1/root/usr" "$1/moved"]], folder, support.build)
    fn(folder .. "/moved", folder)
  end)
end

-- Those of the folder, if there is one.
local function files(folder, pattern)
  return support.must('cd "$1" || exit 0; find . -type f -path "$2" | sort', folder, pattern or "*")
end

describe("the installation", function()
  it("runs from a prefix of its own, moved, without the tree", function()
    installed(support.assert_whole)
  end)

  it("has the modules, the documents, the examples and nothing of the build", function()
    installed(function(prefix)
      assert.equal(files("lua", "./aimp/*.lua"), files(prefix .. "/share/lua/5.1"))
      assert.equal(files("examples"), files(prefix .. "/share/doc/aimp/examples"))
      assert.equal(files("types"), files(prefix .. "/share/aimp/types"))
      assert.equal(files("docs", "./[!m]*"), files(prefix .. "/share/doc/aimp/docs"))
      assert.equal("./CHANGELOG.md\n./LICENSE\n./README.md\n",
        support.must('cd "$1" && find . -maxdepth 1 -name "[A-Z]*" | sort', prefix .. "/share/doc/aimp"))
      assert.equal("./aimprun\n", files(prefix .. "/bin"))
      assert.equal("./man1/aimprun.1\n", files(prefix .. "/share/man"))
      support.must([[
        diff -r lua/aimp "$1/share/lua/5.1/aimp"
        cmp docs/man/aimprun.1 "$1/share/man/man1/aimprun.1"]], prefix)
    end)
  end)

  it("runs its examples from any folder, through a link", function()
    installed(function(prefix, folder)
      assert(uv.fs_symlink(prefix .. "/bin/aimprun", folder .. "/link"))
      local child = cli.run({ prefix .. "/share/doc/aimp/examples/status.lua" },
        { program = folder .. "/link", cwd = "/", env = { no_proxy = "127.0.0.1" } })
      assert.equal("", child.err)
      assert.equal(0, child.status)
    end)
  end)

  it("brings the modules of its own version, whatever lies on the path", function()
    installed(function(prefix, folder)
      support.must([==[
        mkdir "$1/aimp"
        echo "error([[another]])" | tee "$1/aimp/init.lua" > "$1/aimp/errors.lua"]==], folder)
      local child = cli.run({ "-e", "print(require('aimp').pid() > 0, require('aimp.errors').new ~= nil)" }, {
        program = prefix .. "/bin/aimprun", cwd = folder,
        env = { LUA_PATH = folder .. "/?/init.lua;" .. folder .. "/?.lua;;" },
      })
      assert.equal("true\ttrue\n", child.out .. child.err)
    end)
  end)

  it("has every module that is installed in the executable too", function()
    local count = 0
    for path in files("lua", "./aimp/*.lua"):gmatch("%./([^\n]+)%.lua\n") do
      count = count + 1
      assert.is_function(package.preload[path:gsub("/init$", ""):gsub("/", ".")], path)
    end
    assert.is_true(count > 50)
  end)
end)

describe("aimp's version", function()
  it("is project()'s, everywhere", function()
    local version = support.version()
    assert.matches("^aimp " .. version:gsub("%.", "%%.") .. " %-%- ", cli.run({ "--version" }).out)
    assert.equal(version, support.read("CHANGELOG.md"):match("\n## ([%d.]+)"))
  end)
end)
