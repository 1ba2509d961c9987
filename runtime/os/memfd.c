/* The contract is in memfd.h. */
/* SPDX-License-Identifier: MIT */
