/* The contract is in buffer.h. */
/* SPDX-License-Identifier: MIT */
#include "ipc/buffer.h"

#include "base/error.h"

#include <stdlib.h>

/* Small payloads in a row until a large buffer is given back. */
#define PATIENCE 64u

int aimp__buffer_init(struct buffer *buffer)
{
    *buffer = (struct buffer){.data = malloc(BUFFER_KEEP), .size = BUFFER_KEEP};
    return buffer->data ? 0 : AIMP_ENOMEM;
}

void aimp__buffer_fini(struct buffer *buffer)
{
    free(buffer->data);
}

static int replace(struct buffer *buffer, size_t size)
{
    uint8_t *data = malloc(size);
    if (!data)
        return AIMP_ENOMEM;
    free(buffer->data);
    *buffer = (struct buffer){.data = data, .size = size};
    return 0;
}

int aimp__buffer_resize(struct buffer *buffer, size_t len)
{
    if (len > buffer->size)
        return replace(buffer, (len + BUFFER_KEEP - 1) / BUFFER_KEEP * BUFFER_KEEP);
    buffer->small_in_a_row = len <= BUFFER_KEEP ? buffer->small_in_a_row + 1 : 0;
    if (buffer->small_in_a_row == PATIENCE && replace(buffer, BUFFER_KEEP) < 0)
        buffer->small_in_a_row = 0; /* no memory for less: keep what there is */
    return 0;
}
