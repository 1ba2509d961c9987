/* Error codes and the error object of the C core.
 *
 * Every function that can fail at run time returns 0 or one of these negative
 * codes; detail goes to a caller-owned struct aimp_error. Programmer errors are
 * asserted, never returned.
 *
 * Not here: what Lua programs see (lua/aimp/errors.lua). */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_BASE_ERROR_H
#define AIMP_BASE_ERROR_H

enum aimp_error_code {
    AIMP_OK = 0,
    AIMP_ENOMEM = -1,   /* out of memory */
    AIMP_ESYS = -2,     /* a system call failed; os_errno tells */
    AIMP_EAGAIN = -3,   /* not now, try again */
    AIMP_EFULL = -4,    /* no room */
    AIMP_ECORRUPT = -5, /* shared memory that makes no sense */
    AIMP_EINVAL = -6,   /* invalid argument */
    AIMP_ECLOSED = -7,  /* closed, or the peer is gone */
    AIMP_ESPAWN = -8,   /* a process cannot be started */
    AIMP_EVERSION = -9, /* versions do not match */
};

struct aimp_error {
    int code;       /* one of enum aimp_error_code */
    int os_errno;   /* 0 when no system call was to blame */
    char text[256]; /* one line, no newline */
};

/* Fills *err (which may be NULL) and returns `code`, so that a failure is one
 * line: return aimp__error_set(err, AIMP_EINVAL, "bad size %zu", size); */
int aimp__error_set(struct aimp_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with errno's number and text behind the message; code AIMP_ESYS, or
 * AIMP_ENOMEM for ENOMEM, AIMP_EAGAIN for EAGAIN. errno is left as it was. */
int aimp__error_errno(struct aimp_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
