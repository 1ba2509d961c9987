/* Error codes and the error object of the C core.
 *
 * Every function that can fail at run time returns 0 or one of these negative
 * codes; detail goes to a caller-owned struct aimp_error, which each layer may
 * prefix. Programmer errors are asserted, never returned.
 *
 * Not here: what Lua programs see (lua/aimp/errors.lua). */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_BASE_ERROR_H
#define AIMP_BASE_ERROR_H

/* name, value, text: the one list from which the enum and the strings are made */
#define AIMP_ERROR_LIST(X)                                                                         \
    X(AIMP_ENOMEM, -1, "out of memory")                                                            \
    X(AIMP_ESYS, -2, "system call failed")                                                         \
    X(AIMP_EAGAIN, -3, "not now, try again")                                                       \
    X(AIMP_EFULL, -4, "no room")                                                                   \
    X(AIMP_ECORRUPT, -5, "corrupt shared memory")                                                  \
    X(AIMP_EINVAL, -6, "invalid argument")                                                         \
    X(AIMP_ECLOSED, -7, "closed")                                                                  \
    X(AIMP_ESPAWN, -8, "cannot start process")                                                     \
    X(AIMP_EVERSION, -9, "version does not match")

enum aimp_error_code {
    AIMP_OK = 0,
#define AIMP_ERROR_ENUM(name, value, text) name = (value),
    AIMP_ERROR_LIST(AIMP_ERROR_ENUM)
#undef AIMP_ERROR_ENUM
};

struct aimp_error {
    int code;       /* one of enum aimp_error_code */
    int os_errno;   /* 0 when no system call was to blame */
    char text[256]; /* one line, no newline */
};

/* A text for `code` that lives for ever. */
const char *aimp__error_name(int code);

/* Fills *err (which may be NULL) and returns `code`, so that a failure is one
 * line: return aimp__error_set(err, AIMP_EINVAL, "bad size %zu", size); */
int aimp__error_set(struct aimp_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with errno's number and text behind the message; code AIMP_ESYS, or
 * AIMP_ENOMEM for ENOMEM, AIMP_EAGAIN for EAGAIN. errno is left as it was. */
int aimp__error_errno(struct aimp_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts "where: " before the message; returns err->code. */
int aimp__error_prefix(struct aimp_error *err, const char *where);

#endif
