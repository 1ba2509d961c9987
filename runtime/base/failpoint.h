/* Named points at which a test makes a process die or stop.
 *
 * AIMP_FAILPOINT("ring.commit") compiles to nothing unless AIMP_FAILPOINTS is
 * defined. Then one point at a time can be armed, by a call or by the environment:
 *
 *   AIMP_FAILPOINT=name:count:action
 *
 * name    as in the source; "scope/name" limits it to processes that called
 *         aimp__failpoint_scope("scope"), for points in code that both sides run
 * count   the hit that acts, counted from 1
 * action  kill (SIGKILL to itself) or stop (SIGSTOP to itself)
 *
 * A value that makes no sense ends the process: a test that arms nothing would
 * pass for the wrong reason. Not thread safe: one thread hits armed points. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_BASE_FAILPOINT_H
#define AIMP_BASE_FAILPOINT_H

#ifdef AIMP_FAILPOINTS
#define AIMP_FAILPOINT(name) aimp__failpoint_hit(name)
#else
#define AIMP_FAILPOINT(name) ((void)0)
#endif

enum failpoint_action { FAILPOINT_KILL, FAILPOINT_STOP };

/* Arms a point and disarms what was armed; NULL only disarms. `name` is kept. */
void aimp__failpoint_arm(const char *name, unsigned count, enum failpoint_action action);

/* The name that this process goes by in AIMP_FAILPOINT; kept. */
void aimp__failpoint_scope(const char *scope);

/* Calls `seen` at each hit of any point, before it acts; NULL: no more. */
void aimp__failpoint_trace(void (*seen)(const char *name));

void aimp__failpoint_hit(const char *name);

#endif
