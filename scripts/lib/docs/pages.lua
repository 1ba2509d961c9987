--- The pages of docs/api: which function or class is on which.
---
--- `from` lists files and names, in the order in which they come on the page; a name goes before its file's
--- place. What is public and on no page is a problem, and so is an entry here that nothing is from.
-- SPDX-License-Identifier: MIT

---@class docs.Page
---@field name string   of its file
---@field title string
---@field intro string
---@field from string[] paths of files, or of folders with a "/" at the end; or names

---@type docs.Page[]
return {
  {
    name = "tasks", title = "Tasks",
    intro = [[
A task is a function that the event loop runs as a coroutine. The script is the main task; what waits (⏳)
needs a running task and lets the others go on. A task that fails raises its error in whoever awaits it;
one that is cancelled has CANCELLED raised at its wait, whatever it waits for.]],
    from = { "aimp.spawn", "aimp.sleep", "lua/aimp/task.lua", "lua/aimp/gather.lua", "lua/aimp/task/",
      "lua/aimp/async.lua" },
  },
  {
    name = "pool", title = "Pools of worker processes",
    intro = [[
A pool runs functions in other processes, each of which runs many of them at once. Functions go there
with the variables that they capture; what a worker stores in those is its own.]],
    from = { "aimp.Pool", "lua/aimp/pool/init.lua", "lua/aimp/pool/maps.lua", "lua/aimp/pool/life.lua",
      "lua/aimp/pool/result.lua", "lua/aimp/pool/" },
  },
  {
    name = "processes", title = "Single processes",
    intro = [[
One function in one process of its own, where a pool would be too much.]],
    from = { "lua/aimp/process/" },
  },
  {
    name = "shared", title = "Shared objects",
    intro = [[
Objects that tasks of one process and of several use together. They live in the process that made them;
sent to another as an argument, a captured variable or inside a table, they are still the same object
there. What waits never blocks a loop.]],
    from = { "lua/aimp/shared/queue.lua", "lua/aimp/shared/event.lua", "lua/aimp/shared/lock.lua",
      "lua/aimp/shared/semaphore.lua", "lua/aimp/shared/barrier.lua", "lua/aimp/shared/counter.lua",
      "lua/aimp/shared/dict.lua", "lua/aimp/shared/" },
  },
  {
    name = "shm", title = "Shared arrays",
    intro = [[
Numbers that several processes compute with and nobody copies.]],
    from = { "aimp.shm.array", "lua/aimp/shm/" },
  },
  {
    name = "http", title = "HTTP",
    intro = [[
`require("aimp.http")`, or `aimp.http`: libcurl on this process's loop. Certificates are verified,
responses are decompressed, HTTP/2 is used where the server has it, proxies come from the environment
(http_proxy, https_proxy, no_proxy). A status of 4xx or 5xx is a response like any other; only a failure
of the network or of the protocol raises.]],
    from = { "aimp.http.get", "aimp.http.head", "aimp.http.post", "aimp.http.put", "aimp.http.patch",
      "aimp.http.delete", "aimp.http.request", "aimp.http.close", "aimp.http.Response", "aimp.http.Headers",
      "lua/aimp/http/" },
  },
  {
    name = "errors", title = "Errors",
    intro = [[
There are two kinds. A failure at run time is an error object with a `code`; it is raised from the call
that waits, and `pcall` catches it. Misuse (a wrong argument, an unknown option, a call in the wrong
place) is a plain string that begins with the position of the caller; the pages do not name it for each
function.

`require("aimp.errors")`, or `aimp.errors`, tells them apart.]],
    from = { "lua/aimp/errors.lua" },
  },
  {
    name = "helpers", title = "Helpers",
    intro = [[
What scripts need around tasks and pools.]],
    from = { "aimp.with", "aimp.retry", "lua/aimp/retry.lua", "lua/aimp/progress.lua", "lua/aimp/progress/",
      "aimp.now", "aimp.pid", "aimp.cpu_count", "aimp.worker" },
  },
  {
    name = "hosts", title = "In hosts other than aimprun",
    intro = [[
Under aimprun the script itself is the main task and none of this is needed. Elsewhere (`luajit`, Neovim,
a game) somebody has to run the loop.]],
    from = { "aimp.run", "aimp.step", "aimp.attach" },
  },
}
