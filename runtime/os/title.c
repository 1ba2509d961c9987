/* The contract is in title.h. */
/* SPDX-License-Identifier: MIT */
