--- The headings of the pages of docs/api, and where links to them lead.
-- SPDX-License-Identifier: MIT
local M = {}

--- As GitHub makes an anchor of a heading.
---@param heading string
---@return string
function M.anchor(heading)
  return (heading:lower():gsub("[^%w _-]", ""):gsub(" ", "-"))
end

--- A class and the function that makes its objects have the same name.
---@param item docs.Item
---@return string
function M.of_item(item)
  return (item.class and not item.name:find("Options$") and "Class " or "") .. item.name
end

---@param entry docs.Entry
---@return string
function M.of_method(entry)
  if entry.key == "__call" then
    return ("for … in %s"):format(entry.call)
  end
  return entry.key == "__len" and "#" .. entry.call or entry.call
end

--- Where the names in types lead: by name, the page and the anchor.
---@param layout docs.PageOf[]
---@return table<string, { page: string, anchor: string }>
function M.links(layout)
  local links = {}
  for _, page in ipairs(layout) do
    for _, item in ipairs(page.items) do
      -- of a class and its constructor the class is what types mean
      if not links[item.name] or item.kind == "class" then
        links[item.name] = { page = page.page.name, anchor = M.anchor(M.of_item(item)) }
      end
    end
  end
  return links
end

return M
