/* The contract is in slot.h. */
/* SPDX-License-Identifier: MIT */
#include "proc/slot.h"

#include "os/fdpass.h"
#include "os/wake.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process that was sent SIGKILL is gone within microseconds, but for one in the kernel's hands.
 */
#define DEATH_MS 100
#ifndef P_PIDFD
#define P_PIDFD 3 /* Linux 5.4; glibc's headers know it since 2.36 */
#endif

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void aimp__slot_init(struct slot *slot)
{
    *slot = (struct slot){.ctl_fd = -1, .wake_fd = -1, .pidfd = -1};
}

int aimp__slot_open(struct slot *slot, const struct channel_sizes *sizes, int parent_wake_fd,
                    struct launch_request *request, struct aimp_error *err)
{
    int pair[2] = {-1, -1};
    int rc = aimp__fdpass_pair(pair, err);
    if (rc != AIMP_OK)
        return rc;
    slot->ctl_fd = pair[0];
    slot->wake_fd = aimp__wake_open(err);
    rc = slot->wake_fd < 0 ? slot->wake_fd
                           : aimp__channel_create(&slot->channel, sizes, slot->ctl_fd,
                                                  parent_wake_fd, slot->wake_fd, err);
    if (rc != AIMP_OK) {
        close_fd(&pair[1]);
        aimp__slot_close(slot);
        return rc;
    }
    request->channel_fd = aimp__channel_memfd(slot->channel);
    request->ctl_fd = pair[1];
    request->wake_fd = slot->wake_fd;
    request->peer_wake_fd = parent_wake_fd;
    return AIMP_OK;
}

void aimp__slot_await_death(const struct slot *slot)
{
    struct pollfd end = {.fd = slot->pidfd, .events = POLLIN};
    siginfo_t info;
    if (slot->pidfd < 0)
        return;
    while (poll(&end, 1, DEATH_MS) < 0 && errno == EINTR)
        continue;
    /* the template's to reap, unless it is gone and this process is where orphans go */
    waitid(P_PIDFD, (id_t)slot->pidfd, &info, WEXITED | WNOHANG);
}

void aimp__slot_close(struct slot *slot)
{
    aimp__outbox_fini(&slot->outbox);
    aimp__channel_free(slot->channel);
    free(slot->offers);
    close_fd(&slot->ctl_fd);
    close_fd(&slot->wake_fd);
    close_fd(&slot->pidfd);
    aimp__slot_init(slot);
}

int aimp__slot_signal(const struct slot *slot, int signal_number)
{
    if (slot->pidfd < 0)
        return -ESRCH;
    return syscall(SYS_pidfd_send_signal, slot->pidfd, signal_number, NULL, 0) == 0 ? 0 : -errno;
}

void aimp__slot_break(struct slot *slot)
{
    slot->is_broken = true;
    aimp__slot_signal(slot, SIGKILL);
}

static int posted(struct slot *slot, int rc)
{
    slot->is_dirty = true;
    if (rc == AIMP_ECORRUPT || rc == AIMP_ECLOSED)
        aimp__slot_break(slot);
    return rc;
}

int aimp__slot_post(struct slot *slot, const struct frame *frame, const void *payload)
{
    if (!aimp__slot_is_live(slot))
        return AIMP_ECLOSED;
    return posted(slot, aimp__outbox_send(&slot->outbox, slot->channel, frame, payload, NULL));
}

int aimp__slot_post_fd(struct slot *slot, const struct frame *frame, const void *payload, int fd)
{
    if (!aimp__slot_is_live(slot))
        return AIMP_ECLOSED;
    return posted(slot,
                  aimp__outbox_send_fd(&slot->outbox, slot->channel, frame, payload, fd, NULL));
}

void aimp__slot_flush(struct slot *slot)
{
    if (!aimp__slot_is_live(slot))
        return;
    if (!aimp__outbox_is_empty(&slot->outbox)) {
        if (aimp__outbox_flush(&slot->outbox, slot->channel, NULL) != AIMP_OK)
            aimp__slot_break(slot);
        slot->is_dirty = true;
    }
    if (slot->is_dirty)
        aimp__channel_wake_peer(slot->channel);
    slot->is_dirty = false;
}
