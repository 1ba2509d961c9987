-- SPDX-License-Identifier: MIT
--- What aimp.http knows of URLs; taking them apart for the connection is curl's.
local M = {}

-- LuaJIT 2.1 of March 2022 miscompiles loops that it knows by name to be over pairs().
local each = pairs

--- What is wrong with a URL, or nil.
---@param url string
---@return string?
function M.fault(url)
  if url:find("[%z\1-\32\127]") then
    return string.format("%q has a space or a control character; encode it", url)
  elseif not url:lower():find("^https?://[^/?#]") then
    return string.format("'%s' must begin with http:// or https:// and a host", url)
  end
end

---@param url string
---@return string scheme  lower case, without ":"; "" when there is none
function M.scheme(url)
  return (url:match("^(%a[%w+.-]*):") or ""):lower()
end

--- Where credentials may go: scheme, host and port.
---@param url string
---@return string
function M.origin(url)
  local scheme, authority = url:lower():match("^(%a[%w+.-]*)://([^/?#]*)")
  if not scheme then
    return ""
  end
  local host = authority:gsub("^.*@", ""):gsub(":$", "")
  local default = scheme == "https" and ":443" or ":80"
  return scheme .. "://" .. (host:find(":%d+$") and host or host .. default)
end

--- For messages: without user and password.
---@param url string
---@return string
function M.redact(url)
  return (url:gsub("^(%a[%w+.-]*://)[^/?#]*@", "%1"))
end

--- Puts a relative URL behind a session's base.
---@param base? string
---@param url string
---@return string
function M.join(base, url)
  if not base or url:find("^%a[%w+.-]*://") then
    return url
  end
  return base:match("^(.-)/*$") .. "/" .. url:match("^/*(.*)$")
end

local function escape(text)
  return (tostring(text):gsub("[^%w%-._~]", function(c)
    return string.format("%%%02X", c:byte())
  end))
end

local function add_pairs(parts, name, value)
  if type(value) == "table" then
    for _, item in ipairs(value) do
      parts[#parts + 1] = escape(name) .. "=" .. escape(item)
    end
  else
    parts[#parts + 1] = escape(name) .. "=" .. escape(value)
  end
end

local function encode(query)
  local names, parts = {}, {}
  for name in each(query) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    add_pairs(parts, name, query[name])
  end
  return table.concat(parts, "&")
end

--- Adds a table as the query, encoded, sorted by name; a list gives a name several times.
---@param url string
---@param query table<string, string|number|boolean|(string|number|boolean)[]>
---@return string
function M.with_query(url, query)
  local text = encode(query)
  if text == "" then
    return url
  end
  local before, fragment = url:match("^([^#]*)(.*)$")
  return before .. (before:find("?", 1, true) and "&" or "?") .. text .. fragment
end

return M
