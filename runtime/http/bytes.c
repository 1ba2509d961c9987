/* The contract is in bytes.h. */
/* SPDX-License-Identifier: MIT */
#include "http/bytes.h"

#include "base/error.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 1024 };

static int reserve(struct aimp__http_bytes *bytes, size_t wanted)
{
    if (wanted <= bytes->cap)
        return 0;
    size_t cap = bytes->cap ? bytes->cap : FIRST_CAP;
    while (cap < wanted)
        cap = cap > SIZE_MAX / 2 ? wanted : cap * 2;
    char *data = realloc(bytes->data, cap);
    if (!data)
        return AIMP_ENOMEM;
    bytes->data = data;
    bytes->cap = cap;
    return 0;
}

int aimp__http_bytes_add(struct aimp__http_bytes *bytes, const char *data, size_t length)
{
    if (length > SIZE_MAX - bytes->length)
        return AIMP_ENOMEM;
    int code = reserve(bytes, bytes->length + length);
    if (code)
        return code;
    if (length)
        memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
    return 0;
}

void aimp__http_bytes_clear(struct aimp__http_bytes *bytes)
{
    bytes->length = 0;
}

void aimp__http_bytes_fini(struct aimp__http_bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct aimp__http_bytes){0};
}
