/* The contract is in cpus.h. */
/* SPDX-License-Identifier: MIT */
