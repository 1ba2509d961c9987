--- Where a runner is with its item; what an error is called depends on it.
-- SPDX-License-Identifier: MIT
return { DECODE = 1, RUN = 2, ENCODE = 3 }
