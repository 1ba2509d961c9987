/* The contract is in port.h. */
/* SPDX-License-Identifier: MIT */
#include "proc/port.h"

#include "os/clock.h"
#include "os/spin.h"
#include "os/wake.h"
#include "proc/outbox.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct aimp_port {
    struct channel *channel; /* owned */
    struct worker_fds fds;   /* the process's own; open until it ends */
    int hangup_fd;           /* owned; readable when the parent is gone */
    struct outbox outbox;
    struct spinner spinner;
};

/* Readable when the other end of the socket is closed, and then only: what arrives on it is the
 * channel's. (And an fd that libuv finds an error on is something luv prints about.) */
static int open_hangup_fd(int socket, struct aimp_error *err)
{
    struct epoll_event event = {.events = EPOLLRDHUP};
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, socket, &event) < 0)
        return aimp__error_errno(err, "cannot watch the parent's socket");
    return fd;
}

static int attach(struct aimp_port *port, struct aimp_error *err)
{
    port->hangup_fd = open_hangup_fd(port->fds.ctl_fd, err);
    if (port->hangup_fd < 0)
        return port->hangup_fd;
    return aimp__channel_attach(&port->channel, port->fds.channel_fd, port->fds.ctl_fd,
                                port->fds.wake_fd, port->fds.peer_wake_fd, err);
}

struct aimp_port *aimp__port_open(const struct worker_fds *fds, struct aimp_error *err)
{
    struct aimp_port *port = calloc(1, sizeof *port);
    if (!port) {
        aimp__error_set(err, AIMP_ENOMEM, "no memory for the worker's port");
        return NULL;
    }
    port->fds = *fds;
    aimp__spinner_init(&port->spinner);
    if (attach(port, err) != AIMP_OK) {
        aimp__port_close(port);
        return NULL;
    }
    return port;
}

void aimp__port_close(struct aimp_port *port)
{
    if (!port)
        return;
    aimp__spinner_fini(&port->spinner);
    aimp__outbox_fini(&port->outbox);
    aimp__channel_free(port->channel);
    if (port->hangup_fd >= 0)
        close(port->hangup_fd);
    free(port);
}

int aimp_port_wake_fd(const struct aimp_port *port)
{
    return port->fds.wake_fd;
}

int aimp_port_hangup_fd(const struct aimp_port *port)
{
    return port->hangup_fd;
}

void aimp_port_drain_wake(struct aimp_port *port)
{
    aimp__wake_drain(port->fds.wake_fd);
}

int aimp_port_receive(struct aimp_port *port, struct frame *frame, const void **payload)
{
    return aimp__channel_receive(port->channel, frame, payload, NULL);
}

int aimp_port_take_fd(struct aimp_port *port)
{
    return aimp__channel_take_fd(port->channel);
}

int aimp_port_has_input(const struct aimp_port *port)
{
    return aimp__channel_has_input(port->channel);
}

uint32_t aimp_port_claim(struct aimp_port *port, uint32_t cell, uint32_t generation, uint32_t max,
                         uint32_t *item)
{
    return aimp__cell_claim(port->channel, cell, generation, max, item);
}

void aimp_port_progress(struct aimp_port *port, uint32_t cell, uint32_t item)
{
    aimp__cell_progress(port->channel, cell, item);
}

int aimp_port_send(struct aimp_port *port, const struct frame *frame, const void *payload)
{
    return aimp__outbox_send(&port->outbox, port->channel, frame, payload, NULL);
}

int aimp_port_is_congested(const struct aimp_port *port)
{
    return !aimp__outbox_is_empty(&port->outbox);
}

int aimp_port_flush(struct aimp_port *port)
{
    int rc = aimp__outbox_flush(&port->outbox, port->channel, NULL);
    if (rc == AIMP_OK)
        aimp__channel_wake_peer(port->channel);
    return rc;
}

/* With frames in the outbox, room is an event to wake for, as input is. */
int aimp_port_sleep_begin(struct aimp_port *port)
{
    if (!aimp__channel_sleep_begin(port->channel))
        return 0;
    if (!aimp__outbox_is_empty(&port->outbox) && aimp__channel_has_room(port->channel)) {
        aimp__channel_sleep_end(port->channel);
        return 0;
    }
    return 1;
}

void aimp_port_sleep_end(struct aimp_port *port)
{
    aimp__channel_sleep_end(port->channel);
}

static bool spin_has_input(void *port)
{
    return aimp__channel_has_input(((struct aimp_port *)port)->channel);
}

int aimp_port_spin(struct aimp_port *port)
{
    return aimp__spinner_wait(&port->spinner, spin_has_input, port);
}

uint64_t aimp_clock_ns(void)
{
    return aimp__clock_ns();
}
