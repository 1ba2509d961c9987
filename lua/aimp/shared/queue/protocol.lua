--- The frames of shared queues, beside those that all shared objects have.
---
--- From a process that has the queue (ASK, `count`):
---   PUT     one item; only for queues without a bound
---   WANT    first: fibers that wait; aux: items that it would take besides
---   UNWANT  first: so many fibers do not wait any more
---   TRY_GET one item now, or EMPTY
---   DONE    cell, generation: all items of that offer are claimed, or were taken back
---   AWARE   it has heard of CLOSED
--- To it (TELL, `count`):
---   ITEMS   an offer: cell, generation; first: items; tag; flag TRY: for a TRY_GET
---   EMPTY   there is nothing for a TRY_GET
---   CLOSED  no more puts
---   FINISHED  nothing will come any more
-- SPDX-License-Identifier: MIT
local stubs = require("aimp.shared.stubs")

local FIRST = stubs.FIRST_OWN

return {
  PUT = FIRST, WANT = FIRST + 1, UNWANT = FIRST + 2, TRY_GET = FIRST + 3, DONE = FIRST + 4, AWARE = FIRST + 5,
  ITEMS = FIRST, EMPTY = FIRST + 1, CLOSED = FIRST + 2, FINISHED = FIRST + 3,
  TRY = 16, -- flag
}
