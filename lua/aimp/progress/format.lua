--- What a progress bar says, as text: one line of a terminal, or one plain line. Knows no terminal and no
--- clock.
-- SPDX-License-Identifier: MIT
local M = {}

---@class aimp.progress.View  a bar as it is at one moment
---@field description? string  printable
---@field count number         items done
---@field total? number        nil: not known
---@field elapsed number       seconds
---@field is_ascii boolean

local BAR_MIN = 6 -- columns; a shorter bar says less than the room is worth to the description
local EIGHTHS = { [0] = "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" }

--- Hours are shown when there are any: 0:07, 12:34, 1:02:03.
---@param seconds number
---@return string
function M.duration(seconds)
  local whole = math.floor(seconds)
  local minutes = math.floor(whole / 60)
  if minutes < 60 then
    return ("%d:%02d"):format(minutes, whole % 60)
  end
  return ("%.0f:%02d:%02d"):format(math.floor(minutes / 60), minutes % 60, whole % 60)
end

local function short(number)
  if number < 10 then
    return ("%.2f"):format(number)
  elseif number < 100 then
    return ("%.1f"):format(number)
  elseif number < 1e5 then
    return ("%.0f"):format(number)
  end
  return number < 1e8 and ("%.0fk"):format(number / 1e3) or ("%.0fM"):format(number / 1e6)
end

--- Items a second, or what one takes where that is more than a second.
local function rate(view)
  if view.count == 0 or view.elapsed == 0 then
    return "?/s"
  elseif view.count < view.elapsed then
    return short(view.elapsed / view.count) .. " s each"
  end
  return short(view.count / view.elapsed) .. "/s"
end

local function remaining(view, total)
  if view.count == 0 then
    return nil
  end
  return M.duration(view.elapsed / view.count * (total - view.count))
end

--- A total that turned out to be too small is none.
local function total_of(view)
  return view.total and view.count <= view.total and view.total or nil
end

local function share_of(view, total)
  return total > 0 and view.count / total or 1
end

-- ---- a terminal's line ----

--- Columns that a text takes, if each of its characters takes one.
local function width(text)
  return select(2, text:gsub("[^\128-\191]", ""))
end

--- The first characters of a text.
local function cut(text, columns)
  local out, count = {}, 0
  for character in text:gmatch("[^\128-\191][\128-\191]*") do
    count = count + 1
    if count > columns then
      break
    end
    out[count] = character
  end
  return table.concat(out)
end

local function blocks(share, columns)
  local eighths = math.floor(share * columns * 8)
  local full = math.floor(eighths / 8)
  local text = ("█"):rep(full) .. EIGHTHS[eighths % 8]
  return text .. (" "):rep(columns - width(text))
end

local function signs(share, columns)
  local full = math.floor(share * columns)
  return ("#"):rep(full) .. (" "):rep(columns - full)
end

--- The description and a bar, or as much of them as there is room for.
local function left_part(view, total, columns)
  local text = view.description and view.description .. " " or ""
  local free = columns - width(text)
  if free < 0 then
    return cut(text, columns)
  elseif not total or free < BAR_MIN then
    return text
  end
  local share = share_of(view, total)
  local percent = ("%3d%%|"):format(math.floor(share * 100))
  local cells = free - #percent - #"| "
  if cells < 1 then
    return text
  end
  return text .. percent .. (view.is_ascii and signs or blocks)(share, cells) .. "| "
end

local function right_part(view, total)
  if not total then
    return ("%.14g [%s, %s]"):format(view.count, M.duration(view.elapsed), rate(view))
  end
  return ("%.14g/%.14g [%s<%s, %s]"):format(view.count, total, M.duration(view.elapsed),
    remaining(view, total) or "?", rate(view))
end

--- A line for a terminal: `description  42%|███▍    | 42/100 [0:12<0:17, 3.41/s]`.
---@param view aimp.progress.View
---@param columns integer  it is no longer than that
---@return string
function M.bar(view, columns)
  local total = total_of(view)
  local right = right_part(view, total)
  return left_part(view, total, math.max(0, columns - #right)) .. right:sub(1, columns)
end

-- ---- a plain line ----

--- A line for a file: `description: 42/100 (42%), 3.41/s, 0:12 elapsed, 0:17 left`.
---@param view aimp.progress.View
---@return string
function M.line(view)
  local total = total_of(view)
  local parts = { ("%.14g"):format(view.count) }
  if total then
    parts[1] = ("%.14g/%.14g (%d%%)"):format(view.count, total, math.floor(share_of(view, total) * 100))
  end
  parts[#parts + 1] = rate(view)
  parts[#parts + 1] = M.duration(view.elapsed) .. " elapsed"
  if total and view.count < total and view.count > 0 then
    parts[#parts + 1] = remaining(view, total) .. " left"
  end
  return (view.description and view.description .. ": " or "") .. table.concat(parts, ", ")
end

--- The text without what would move the cursor or change colours.
---@param text string
---@return string
function M.printable(text)
  return (text:gsub("%c", " "):gsub("\194[\128-\159]", " "))
end

--- Whether the locale of this process has no UTF-8.
---@return boolean
function M.is_ascii_locale()
  for _, name in ipairs({ "LC_ALL", "LC_CTYPE", "LANG" }) do
    local value = os.getenv(name)
    if value and value ~= "" then
      return not value:lower():find("utf%-?8")
    end
  end
  return true
end

return M
