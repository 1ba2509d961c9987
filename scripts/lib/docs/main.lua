--- scripts/docs [--check]: writes docs/api and types/ from the comments in lua/aimp.
---
---   --check   writes nothing; fails when they are not as they would be written
---
--- Either way it fails when something public is not documented, or not as it is: one line for each problem
--- on stderr. Runs in the checkout's root, in an aimprun that was built from it.
-- SPDX-License-Identifier: MIT
local folder = arg[0]:match("^(.*)/scripts/lib/docs/[^/]*$") or "."
package.path = folder .. "/?.lua;" .. package.path
local project = require("scripts.lib.docs.project")
local tree = require("scripts.lib.docs.tree")

local is_check = arg[1] == "--check"
if #arg > (is_check and 1 or 0) then
  io.stderr:write("usage: scripts/docs [--check]\n")
  os.exit(2)
end

local problems, texts = project.document({
  module = "aimp", folder = "lua/", root = folder, pages = require("scripts.lib.docs.pages"),
})
for _, output in ipairs(texts and { { "docs/api", texts.pages }, { "types", texts.types } } or {}) do
  local path = folder .. "/" .. output[1]
  if is_check then
    tree.compare(path, output[2], problems)
  else
    tree.write(path, output[2])
  end
end
for _, problem in ipairs(problems) do
  io.stderr:write(problem, "\n")
end
if #problems > 0 then
  io.stderr:write(("%d problems\n"):format(#problems))
  os.exit(1)
end
