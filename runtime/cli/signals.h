/* Ctrl-C, SIGTERM and SIGPIPE of the process that runs the script.
 *
 *   first SIGINT or SIGTERM   one line on stderr; the loop is woken and ends the run in order
 *   second, or 5 s later      the process ends at once, with 128 + the signal's number: also when
 * the script computes and its loop sees nothing SIGPIPE                   ends the process as the
 * default action does, but only when nobody reads standard output any more; a lost socket is an
 * error of its write
 *
 * As with luajit, SIGINT is handled also where it was ignored at the start. A script that handles
 * SIGINT or SIGTERM through luv replaces this. Not for workers: they ignore SIGINT and SIGPIPE. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_CLI_SIGNALS_H
#define AIMP_CLI_SIGNALS_H

#include "base/error.h"

/* return: 0 or a code */
int aimp__signals_start(struct aimp_error *err);
/* The eventfd that becomes readable at the first signal, for the life of the process. */
int aimp__signals_fd(void);
/* Number of the first SIGINT or SIGTERM, 0 if none came. */
int aimp__signals_first(void);
/* SIGPIPE does nothing. Not inherited by exec, unlike SIG_IGN. */
void aimp__signals_ignore_pipe(void);
/* From now in `seconds` the process ends with `status`; 0 seconds: no more. */
void aimp__signals_deadline(int status, unsigned seconds);

#endif
