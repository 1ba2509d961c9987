-- SPDX-License-Identifier: MIT
--- The headers of a response.
---
--- A plain table with lower-case names, so `pairs` works; looking up ignores case. A header that came more
--- than once is joined with ", "; `get_all` has the single values, which matters for Set-Cookie.
---
--- ```lua
--- print(response.headers["Content-Type"])
--- for _, cookie in ipairs(response.headers:get_all("Set-Cookie")) do … end
--- ```
local M = {}

--- The headers of a response: a plain table with lower-case names, so `pairs` works; looking up ignores
--- case. A header that came more than once is joined with ", ".
---@class aimp.http.Headers
---@field [string] string  a header's value
local Headers = {}
M.Headers = Headers

---@class aimp.http.Headers
local methods = {}

--- What came, in order: name, value, name, value. Beside the object, so that `pairs` shows headers only.
local lists = setmetatable({}, { __mode = "k" })

function Headers.__index(self, name)
  local method = methods[name]
  if method or type(name) ~= "string" then
    return method
  end
  return rawget(self, name:lower())
end

--- All values of a header, in the order in which they came, which matters for Set-Cookie.
---
--- Raises nothing but misuse.
---
--- Example:
---     for _, cookie in ipairs(response.headers:get_all("Set-Cookie")) do
---       print(cookie)
---     end
---@param name string  in any case
---@return string[] values  empty when there is none
function methods:get_all(name)
  local list, values = lists[self] or {}, {}
  for i = 1, #list, 2 do
    if list[i]:lower() == name:lower() then
      values[#values + 1] = list[i + 1]
    end
  end
  return values
end

--- A header by its name, also one that is called as a method here ("get").
---
--- Raises nothing but misuse.
---
--- Example: `local kind = response.headers:get("Content-Type")`
---@param name string  in any case
---@return string? value  nil: there is none
function methods:get(name)
  local values = self:get_all(name)
  return values[1] and table.concat(values, ", ")
end

--- Headers from a flat list: name, value, name, value.
---@param list string[]
---@return aimp.http.Headers
function M.new(list)
  local self = {}
  for i = 1, #list, 2 do
    local name = list[i]:lower()
    if not methods[name] then -- a server must not be able to hide a method
      self[name] = self[name] and self[name] .. ", " .. list[i + 1] or list[i + 1]
    end
  end
  lists[self] = list
  return setmetatable(self, Headers)
end

function Headers.__aimp_send(self)
  return lists[self]
end

function Headers.__aimp_recv(list)
  return M.new(list)
end

--- Takes the lines of a response's head apart.
---@param head string  as curl gave them: the status line first
---@return aimp.http.Headers headers
---@return string reason
function M.parse(head)
  local list, reason = {}, head:match("^HTTP/%S+ %d+ ([^\r\n]*)") or ""
  for line in head:gmatch("[^\n]+") do
    local name, value = line:match("^([^%s:]+)[ \t]*:[ \t]*(.-)%s*$")
    local folded = line:match("^[ \t]+(.-)%s*$")
    if name then
      list[#list + 1], list[#list + 2] = name, value
    elseif folded and folded ~= "" and #list > 0 then
      list[#list] = list[#list] .. " " .. folded
    end
  end
  return M.new(list), reason
end

return M
