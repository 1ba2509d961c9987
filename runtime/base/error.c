/* The contract is in error.h. */
/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *aimp__error_name(int code)
{
    switch (code) {
#define AIMP_ERROR_CASE(name, value, text)                                                         \
    case name:                                                                                     \
        return text;
        AIMP_ERROR_LIST(AIMP_ERROR_CASE)
#undef AIMP_ERROR_CASE
    case AIMP_OK:
        return "no error";
    default:
        return "unknown error";
    }
}

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

int aimp__error_prefix(struct aimp_error *err, const char *where)
{
    size_t size = sizeof err->text, length = strlen(where), room = size - 1;
    size_t taken = length + 2 < room ? length + 2 : room;
    size_t left = strlen(err->text) < room - taken ? strlen(err->text) : room - taken;
    memmove(err->text + taken, err->text, left); /* what does not fit is cut off its end */
    memcpy(err->text, where, length < taken ? length : taken);
    if (taken == length + 2)
        memcpy(err->text + length, ": ", 2);
    err->text[taken + left] = '\0';
    return err->code;
}
