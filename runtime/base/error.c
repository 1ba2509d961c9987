/* The contract is in error.h. */
/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int aimp__error_set(struct aimp_error *err, int code, const char *format, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    err->code = code;
    err->os_errno = 0;
    return code;
}

static int code_of_errno(int os_errno)
{
    switch (os_errno) {
    case ENOMEM:
        return AIMP_ENOMEM;
    case EAGAIN:
        return AIMP_EAGAIN;
    default:
        return AIMP_ESYS;
    }
}

int aimp__error_errno(struct aimp_error *err, const char *format, ...)
{
    int saved = errno;
    int code = code_of_errno(saved);
    if (!err)
        return code;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    if (length >= 0 && (size_t)length < sizeof err->text)
        snprintf(err->text + length, sizeof err->text - (size_t)length, ": %s", strerror(saved));
    err->code = code;
    err->os_errno = saved;
    errno = saved;
    return code;
}
