/* What Lua needs of the process: the C module "aimp.cli.native", for lua/aimp/cli, and os.exit.
 *
 *   exe, version                path of the executable; aimp's version
 *   signal_fd()                 readable after the first SIGINT or SIGTERM
 *   signal()                    number of the first SIGINT or SIGTERM, or 0
 *   deadline(status, seconds)   the process ends with status then; 0 seconds: no more
 *   on_callback_error(fn)       fn(err, traceback) is told of errors in luv's callbacks
 *   before_exit(fn)             fn(status) is called by os.exit
 *   is_terminal(fd)
 *
 * os.exit is replaced since LuaJIT's own would wait for requests that are with libuv's threads. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_CLI_NATIVE_H
#define AIMP_CLI_NATIVE_H

#include "cli/boot.h"

/* Before any script. Keeps `boot` for the life of the process. */
void aimp__native_install(struct lua_boot *boot);

/* Flushes and ends the process: 1 instead of 0 when output was lost. */
_Noreturn void aimp__native_exit(struct lua_boot *boot, int status, int is_closing);

#endif
