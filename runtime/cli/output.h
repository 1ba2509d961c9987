/* Standard output that several processes share.
 *
 * stdout is line-buffered whatever it is, so a line leaves in one write and is there when the
 * process dies. print's lines stay whole among the processes of a run:
 *
 *   file       one write a line, of any length; the processes share one file offset
 *   pipe,      the kernel keeps writes of PIPE_BUF (4096) bytes whole only, so each print takes a
 *   socket     record lock on it; a holder that was stopped stops nobody else
 *   terminal   one write a line
 *
 * io.write is stdio's: whole lines up to PIPE_BUF on a pipe, up to the buffer's 64 KiB elsewhere.
 */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_CLI_OUTPUT_H
#define AIMP_CLI_OUTPUT_H

#include <lua.h>

/* Opens /dev/null for each of fds 0 to 2 that is closed, so that no other file gets its number. */
void aimp__output_fill_stdio(void);
/* Before the first output and before any fork. */
void aimp__output_init(void);
/* The global print. */
int aimp__output_print(lua_State *L);
/* Flushes. Gives `status`, or 1 when it was 0 and output was lost, which stderr is told. */
int aimp__output_finish(int status);

#endif
