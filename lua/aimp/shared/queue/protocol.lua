--- The frames of shared queues, beside those that all shared objects have.
---
--- From a process that has the queue (ASK, `count`):
---   PUT     one item; with a bound: cell, generation of the place that was claimed for it
---   SPOILT  cell, generation: nothing comes for that place
---   WANT_PLACE, UNWANT_PLACE, DONE_PLACES  the same for places to put items in
---   WANT    first: fibers that wait; aux: items that it would take besides
---   UNWANT  first: so many fibers do not wait any more
---   TRY_GET one item now, or EMPTY
---   DONE    cell, generation: all items of that offer are claimed, or were taken back
---   AWARE   it has heard of CLOSED
--- To it (TELL, `count`):
---   ITEMS   an offer: cell, generation; first: items; tag; flag TRY: for a TRY_GET
---   PLACES  a grant: cell, generation; first: places
---   EMPTY   there is nothing for a TRY_GET
---   CLOSED  no more puts
---   FINISHED  nothing will come any more
-- SPDX-License-Identifier: MIT
local stubs = require("aimp.shared.stubs")

local FIRST = stubs.FIRST_OWN

return {
  PUT = FIRST, SPOILT = FIRST + 1,
  WANT = FIRST + 2, UNWANT = FIRST + 3, TRY_GET = FIRST + 4, DONE = FIRST + 5, AWARE = FIRST + 6,
  WANT_PLACE = FIRST + 7, UNWANT_PLACE = FIRST + 8, DONE_PLACES = FIRST + 9,

  ITEMS = FIRST, EMPTY = FIRST + 1, CLOSED = FIRST + 2, FINISHED = FIRST + 3, PLACES = FIRST + 4,

  TRY = 16, -- flag
}
