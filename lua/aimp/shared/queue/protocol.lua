--- The frames of shared queues, beside those that all shared objects have.
---
--- From a process that has the queue (ASK, `count`):
---   PUT     one item; cell, generation: of the place or, without a bound, of the permit claimed for it
---   WANT    first: so many more fibers wait; aux: items that it would take besides
---   UNWANT  first: so many fibers do not wait any more
---   TRY_GET one item now, or EMPTY
---   DONE    cell, generation: all of that lot of items is claimed, or was taken back
---   GIVE_BACK  all that it has is to be taken back, and what comes of the old epoch, too
---   WANT_PLACE, UNWANT_PLACE, DONE_PLACES  the same for places to put items in; DONE_PLACES also gives back
--- To it (TELL, `count`):
---   ITEMS   a lot: cell, generation; first: items; aux: for so many fibers that wait, and EPOCH times the
---           epoch; tag; flag TRY: for a TRY_GET
---   PLACES  the same of places
---   EMPTY   there is nothing for a TRY_GET
---   CLOSED  no more puts
---   FINISHED  nothing will come any more
---
--- Both sides count what is wanted: + WANT - UNWANT - aux of the lots. So the counts agree whatever crosses
--- on its way, and may be below zero meanwhile.
-- SPDX-License-Identifier: MIT
local stubs = require("aimp.shared.stubs")

local FIRST = stubs.FIRST_OWN

return {
  PUT = FIRST,
  WANT = FIRST + 1, UNWANT = FIRST + 2, TRY_GET = FIRST + 3, DONE = FIRST + 4,
  WANT_PLACE = FIRST + 5, UNWANT_PLACE = FIRST + 6, DONE_PLACES = FIRST + 7, GIVE_BACK = FIRST + 8,

  ITEMS = FIRST, EMPTY = FIRST + 1, CLOSED = FIRST + 2, FINISHED = FIRST + 3, PLACES = FIRST + 4,

  TRY = 16, -- flag
  EPOCH = 2 ^ 32, EPOCHS = 2 ^ 20, -- what one counts in aux; how many there are
}
