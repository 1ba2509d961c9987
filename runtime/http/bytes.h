/* A growing run of bytes with a limit: the buffers of a transfer. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_HTTP_BYTES_H
#define AIMP_HTTP_BYTES_H

#include <stddef.h>

struct aimp__http_bytes {
    char *data; /* NULL while empty and never grown */
    size_t length;
    size_t cap;
};

/* Appends; returns 0 or AIMP_ENOMEM, in which case nothing changed. */
int aimp__http_bytes_add(struct aimp__http_bytes *bytes, const char *data, size_t length);

void aimp__http_bytes_clear(struct aimp__http_bytes *bytes); /* keeps the memory */
void aimp__http_bytes_fini(struct aimp__http_bytes *bytes);  /* ready for use again */

#endif
