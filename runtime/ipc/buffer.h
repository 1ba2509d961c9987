/* The private copy of a received payload: one buffer, reused.
 *
 * It grows to what comes and shrinks again when only small payloads have come for
 * a while. A peer cannot make it larger than half the arena. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_IPC_BUFFER_H
#define AIMP_IPC_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#define BUFFER_KEEP ((size_t)64 << 10) /* never smaller; room for any inline payload */

struct buffer {
    uint8_t *data;
    size_t size;
    unsigned small_in_a_row;
};

int aimp__buffer_init(struct buffer *buffer); /* 0 or AIMP_ENOMEM */
void aimp__buffer_fini(struct buffer *buffer);
int aimp__buffer_resize(struct buffer *buffer, size_t len);

/* Makes room for `len` bytes at buffer->data; the old content may be lost.
 * return: 0; AIMP_ENOMEM, and the buffer is as it was */
static inline int aimp__buffer_fit(struct buffer *buffer, size_t len)
{
    if (__builtin_expect(len <= BUFFER_KEEP && buffer->size == BUFFER_KEEP, 1))
        return 0;
    return aimp__buffer_resize(buffer, len);
}

#endif
