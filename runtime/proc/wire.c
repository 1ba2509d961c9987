/* The contract is in wire.h. */
/* SPDX-License-Identifier: MIT */
#include "proc/wire.h"

#include <string.h>

static_assert(sizeof AIMP_VERSION <= sizeof((struct wire_hello *)0)->version, "version too long");

size_t aimp__wire_size(uint32_t kind)
{
    switch (kind) {
    case WIRE_HELLO:
    case WIRE_READY:
    case WIRE_REFUSED:
        return sizeof(struct wire_hello);
    case WIRE_LAUNCH:
        return sizeof(struct wire_launch);
    case WIRE_EVENT:
        return sizeof(struct wire_event);
    default:
        return 0;
    }
}

int aimp__wire_is_valid(const union wire_message *message, size_t len)
{
    return len >= sizeof message->header && message->header.magic == WIRE_MAGIC &&
           len == aimp__wire_size(message->header.kind);
}

struct wire_hello aimp__wire_greet(enum wire_kind kind)
{
    return (struct wire_hello){.header = WIRE_HEADER(kind), .version = AIMP_VERSION};
}

int aimp__wire_is_our_version(const struct wire_hello *hello)
{
    return strncmp(hello->version, AIMP_VERSION, sizeof hello->version) == 0;
}
