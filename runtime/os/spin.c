/* The contract is in spin.h. */
/* SPDX-License-Identifier: MIT */
