/* The C module "aimp.cli.native": what lua/aimp/cli needs of the process.
 *
 *   exe, version                path of the executable; aimp's version
 *   signal_fd()                 starts the handling of signals; the fd to poll
 *   signal()                    number of the first SIGINT or SIGTERM, or 0
 *   deadline(status, seconds)   the process ends with status then; 0 seconds: no more
 *   on_callback_error(fn)       fn(err, traceback) is told of errors in luv's callbacks
 *   is_terminal(fd)
 *   exit(status, close)         flushes and ends; close: closes the Lua state first */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_CLI_NATIVE_H
#define AIMP_CLI_NATIVE_H

#include "cli/boot.h"

/* Puts the module into package.preload. Keeps `boot` for the life of the process. */
void aimp__native_preload(struct lua_boot *boot);

/* Flushes and ends the process: 1 instead of 0 when output was lost. */
_Noreturn void aimp__native_exit(struct lua_boot *boot, int status, int is_closing);

#endif
