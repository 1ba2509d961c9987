/* The contract is in fdpass.h. */
/* SPDX-License-Identifier: MIT */
