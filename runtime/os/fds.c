/* The contract is in fds.h. */
/* SPDX-License-Identifier: MIT */
