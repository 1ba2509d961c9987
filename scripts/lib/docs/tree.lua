--- Folders of text files: listed, read, written, compared.
-- SPDX-License-Identifier: MIT
local uv = require("luv")
local lists = require("scripts.lib.docs.lists")

local M = {}

local function walk(root, path, found)
  local full = root .. "/" .. path
  for name, kind in uv.fs_scandir_next, uv.fs_scandir(full) or error("no folder " .. full) do
    local below = path == "" and name or path .. "/" .. name
    if kind == "directory" then
      walk(root, below, found)
    else
      found[#found + 1] = below
    end
  end
  return found
end

--- The files below root/path, or that file alone with ".lua", as paths from root, sorted.
---@param root string
---@param path string
---@return string[]
function M.list(root, path)
  local found = {}
  if uv.fs_stat(root .. "/" .. path) then
    walk(root, path, found)
  end
  if uv.fs_stat(root .. "/" .. path .. ".lua") then
    found[#found + 1] = path .. ".lua"
  end
  table.sort(found)
  return found
end

---@param path string
---@return string
function M.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function make_folder(path)
  if not uv.fs_stat(path) then
    make_folder(path:match("^(.*)/[^/]*$"))
    assert(uv.fs_mkdir(path, 493)) -- 0755
  end
end

--- Makes a folder hold these files and no others.
---@param folder string
---@param texts table<string, string>  by path below it
function M.write(folder, texts)
  make_folder(folder)
  for _, path in ipairs(M.list(folder, "")) do
    if not texts[path] then
      assert(uv.fs_unlink(folder .. "/" .. path))
    end
  end
  for path, text in pairs(texts) do
    make_folder((folder .. "/" .. path):match("^(.*)/[^/]*$"))
    local file = assert(io.open(folder .. "/" .. path, "wb"))
    file:write(text)
    file:close()
  end
end

--- Adds a problem for each file that is not as `write` would make it.
---@param folder string
---@param texts table<string, string>
---@param problems string[]
function M.compare(folder, texts, problems)
  local there = {}
  for _, path in ipairs(uv.fs_stat(folder) and M.list(folder, "") or {}) do
    there[path] = true
    if not texts[path] then
      problems[#problems + 1] = ("%s/%s: nothing makes this page; run scripts/docs"):format(folder, path)
    end
  end
  for _, path in ipairs(lists.keys(texts)) do
    if not there[path] then
      problems[#problems + 1] = ("%s/%s: is missing; run scripts/docs"):format(folder, path)
    elseif M.read(folder .. "/" .. path) ~= texts[path] then
      problems[#problems + 1] = ("%s/%s: is not what the sources say; run scripts/docs"):format(folder, path)
    end
  end
end

return M
