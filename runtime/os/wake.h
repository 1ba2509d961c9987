/* Wake-ups: eventfds that a sleeper polls in its loop. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_OS_WAKE_H
#define AIMP_OS_WAKE_H

#include "base/error.h"

/* A non-blocking, close-on-exec eventfd, or a negative code. The caller owns it. */
int aimp__wake_open(struct aimp_error *err);
void aimp__wake_ring(int fd);  /* one write; a full counter is as good as a ring */
void aimp__wake_drain(int fd); /* one read; harmless when nothing rang */

#endif
