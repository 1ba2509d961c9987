-- SPDX-License-Identifier: MIT
--- The Debian package: made by CPack, looked into, unpacked and run. Installing it, with what it depends on,
--- is in CONTRIBUTING.md.
local cli = require("spec.cli.support")
local helper = require("spec.helper")
local support = require("spec.integration.support")

helper.time_limit(120)

local folder, deb

--- A field of the package's control file.
local function field(name)
  return (support.must('dpkg-deb -f "$1" "$2"', deb, name):gsub("\n$", ""))
end

--- The names of the packages in a field, without versions; of alternatives each.
local function packages(name)
  local set = {}
  for package in (", " .. field(name)):gmatch("[,|] ([%w.+-]+)") do
    set[package] = true
  end
  return set
end

describe("the Debian package", function()
  setup(function()
    folder = support.must("mktemp -d"):gsub("\n", "")
    support.must([[
      umask 077
      cd "$1"
      cpack -G DEB --config "$2/CPackConfig.cmake" -B "$1"]], folder, support.build)
    deb = support.must('echo "$1"/aimp_*.deb', folder):gsub("\n", "")
    support.must('mkdir "$1/unpacked" && dpkg-deb -x "$2" "$1/unpacked"', folder, deb)
  end)

  teardown(function()
    support.must('rm -r "$1"', folder)
  end)

  it("says what it is", function()
    assert.equal("aimp", field("Package"))
    assert.equal(support.version() .. "-1", field("Version"))
    assert.equal(support.must("dpkg --print-architecture"), field("Architecture") .. "\n")
    assert.equal("interpreters", field("Section"))
    assert.equal("optional", field("Priority"))
    assert.matches("^aimp developers <[^<>@ ]+@[^<>@ ]+>$", field("Maintainer"))
    assert.matches("^[^\n]+\n [^\n]+LuaJIT[^\n]+\n", field("Description"))
  end)

  it("needs the packages of every library that its programs are linked with", function()
    local depends, count = packages("Depends"), 0
    for library in support.must([[
      readelf -d "$1/unpacked/usr/bin/aimprun" "$1/unpacked/usr/lib/lua/5.1/aimp/http/core.so"]], folder)
      :gmatch("%(NEEDED%)[^%[]*%[([^%]]+)%]") do
      count = count + 1
      local owners = support.must('dpkg -S "*/$1"', library)
      local found = false
      for owner in ("\n" .. owners):gmatch("\n([%w.+-]+)") do
        found = found or depends[owner]
      end
      assert.is_true(found, library .. " is of " .. owners)
    end
    assert.is_true(count > 6)
  end)

  it("needs what is loaded by name", function()
    assert.is_true(packages("Depends")["lua-cjson"])
    assert.is_true(packages("Recommends")["ca-certificates"])
    -- What has neither string.buffer nor this bytecode will not do.
    assert.matches("libluajit-5.1-2 (>= 2.1.0~beta3+git20220320)", field("Depends"), 1, true)
  end)

  it("has the documents where Debian looks for them", function()
    local doc = folder .. "/unpacked/usr/share/doc/aimp"
    assert.equal("README.md\nchangelog.Debian.gz\nchangelog.gz\ncopyright\n",
      support.must('cd "$1" && find . -maxdepth 1 -type f -printf "%f\\n" | LC_ALL=C sort', doc))
    support.must([[
      cmp LICENSE "$1/copyright"
      zcat "$1/changelog.gz" | cmp CHANGELOG.md
      zcat "$1/../../man/man1/aimprun.1.gz" | cmp docs/man/aimprun.1]], doc)
    local changelog = support.must('zcat "$1/changelog.Debian.gz"', doc)
    local version = field("Version"):gsub("%p", "%%%0")
    assert.matches("^aimp %(" .. version .. "%) %l+; urgency=%l+\n\n  %* ", changelog)
    assert.equal(field("Maintainer"),
      changelog:match("\n %-%- (.->)  %a%a%a, %d%d %a%a%a %d%d%d%d %S+ %+0000\n$"))
  end)

  it("has files of root's that everyone can read, below /usr", function()
    local count = 0
    for mode, owner, path in support.must('dpkg-deb -c "$1"', deb)
      :gmatch("(%S+) (%S+) +%d+ %S+ %S+ (%S+)\n") do
      count = count + 1
      local expected = mode:sub(1, 1) == "d" and "drwxr-xr-x"
        or path == "./usr/bin/aimprun" and "-rwxr-xr-x" or "-rw-r--r--"
      assert.equal(expected, mode, path)
      assert.equal("root/root", owner)
      assert.matches("^%./usr/", path)
    end
    assert.is_true(count > 100)
  end)

  it("has no settings to keep, and runs nothing when it is installed", function()
    assert.equal("control\nmd5sums\n",
      support.must('dpkg-deb -e "$1" "$2/control" && ls "$2/control"', deb, folder))
    support.must('cd "$1/unpacked" && md5sum --quiet -c ../control/md5sums', folder)
  end)

  it("runs when it is unpacked: a pool, HTTP, JSON", function()
    support.assert_whole(folder .. "/unpacked/usr")
    local child = cli.run({ "--version" }, { program = folder .. "/unpacked/usr/bin/aimprun" })
    assert.equal(cli.run({ "--version" }).out, child.out)
  end)

  it("keeps line numbers in a package of their own", function()
    local function has_lines(file)
      return support.must('readelf -SW "$1"', file):find(" .debug_line ", 1, true) ~= nil
    end
    assert.is_false(has_lines(folder .. "/unpacked/usr/bin/aimprun"))
    support.must('dpkg-deb -x "$1"/aimp-dbgsym_*.ddeb "$1/debug"', folder)
    local files = support.must('find "$1/debug/usr/lib/debug/.build-id" -name "*.debug"', folder)
    local count = 0
    for file in files:gmatch("[^\n]+") do
      count = count + 1
      assert.is_true(has_lines(file), file)
    end
    assert.equal(2, count)
  end)
end)
