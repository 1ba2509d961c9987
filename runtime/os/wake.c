/* The contract is in wake.h. */
/* SPDX-License-Identifier: MIT */
