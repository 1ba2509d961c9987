/* The contract is in wake.h. */
/* SPDX-License-Identifier: MIT */
#include "os/wake.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int aimp__wake_open(struct aimp_error *err)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd >= 0 ? fd : aimp__error_errno(err, "cannot make an eventfd");
}

void aimp__wake_ring(int fd)
{
    int saved = errno;
    uint64_t one = 1;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    errno = saved;
}

void aimp__wake_drain(int fd)
{
    int saved = errno;
    uint64_t count;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
    errno = saved;
}
