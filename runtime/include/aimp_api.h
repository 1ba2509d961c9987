/* What libaimp and the executables export. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_API_H
#define AIMP_API_H

#define AIMP_API __attribute__((visibility("default")))

/* Changes whenever a function or struct that lua/aimp/ffi.lua declares changes. */
#define AIMP_FFI_VERSION 3

#endif
