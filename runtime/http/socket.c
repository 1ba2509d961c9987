/* The contract is in socket.h. */
/* SPDX-License-Identifier: MIT */
#include "http/socket.h"

#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct watch {
    uv_poll_t poll;
    int fd;
    int events;                     /* what it is polled for, or was last */
    bool is_own;                    /* from sockets_open(), so sockets_close() ends it */
    struct aimp__http_sockets *set; /* borrowed; NULL once closing */
};

struct aimp__http_sockets {
    uv_loop_t *loop;
    aimp__http_on_socket on_event;
    void *data;
    struct watch **by_fd; /* NULL where nothing is watched */
    size_t cap;
};

struct aimp__http_sockets *aimp__http_sockets_new(uv_loop_t *loop, aimp__http_on_socket on_event,
                                                  void *data)
{
    struct aimp__http_sockets *set = calloc(1, sizeof *set);
    if (!set)
        return NULL;
    set->loop = loop;
    set->on_event = on_event;
    set->data = data;
    return set;
}

static void on_closed(uv_handle_t *handle)
{
    free((char *)handle - offsetof(struct watch, poll));
}

static void watch_close(struct watch *watch)
{
    watch->set = NULL;
    uv_close((uv_handle_t *)&watch->poll, on_closed);
}

void aimp__http_sockets_free(struct aimp__http_sockets *set)
{
    if (!set)
        return;
    for (size_t fd = 0; fd < set->cap; fd++)
        if (set->by_fd[fd]) {
            assert(!set->by_fd[fd]->is_own);
            watch_close(set->by_fd[fd]);
        }
    free(set->by_fd);
    free(set);
}

static int reserve(struct aimp__http_sockets *set, int fd)
{
    size_t wanted = (size_t)fd + 1;
    if (wanted <= set->cap)
        return 0;
    size_t cap = set->cap ? set->cap : 64;
    while (cap < wanted)
        cap *= 2;
    struct watch **by_fd = realloc(set->by_fd, cap * sizeof *by_fd);
    if (!by_fd)
        return AIMP_ENOMEM;
    memset(by_fd + set->cap, 0, (cap - set->cap) * sizeof *by_fd);
    set->by_fd = by_fd;
    set->cap = cap;
    return 0;
}

static struct watch *watch_of(struct aimp__http_sockets *set, int fd)
{
    return fd >= 0 && (size_t)fd < set->cap ? set->by_fd[fd] : NULL;
}

static struct watch *watch_new(struct aimp__http_sockets *set, int fd)
{
    if (reserve(set, fd))
        return NULL;
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return NULL;
    if (uv_poll_init(set->loop, &watch->poll, fd)) {
        free(watch);
        return NULL;
    }
    watch->fd = fd;
    watch->set = set;
    set->by_fd[fd] = watch;
    return watch;
}

/* libuv stops a poll that it reports an error of, while curl takes it to go on. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = (struct watch *)((char *)poll - offsetof(struct watch, poll));
    if (status) {
        events = UV_READABLE | UV_WRITABLE;
        uv_poll_start(poll, watch->events, on_poll);
    }
    watch->set->on_event(watch->set->data, watch->fd, events);
}

static void forget(struct watch *watch)
{
    watch->set->by_fd[watch->fd] = NULL;
    watch_close(watch);
}

int aimp__http_sockets_open(struct aimp__http_sockets *set, int family, int type, int protocol)
{
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd < 0)
        return -1;
    struct watch *watch = watch_new(set, fd);
    if (!watch) {
        close(fd);
        errno = ENOMEM;
        return -1;
    }
    watch->is_own = true;
    return fd;
}

void aimp__http_sockets_close(struct aimp__http_sockets *set, int fd)
{
    struct watch *watch = watch_of(set, fd);
    assert(watch && watch->is_own);
    forget(watch);
    close(fd);
}

int aimp__http_sockets_watch(struct aimp__http_sockets *set, int fd, int events)
{
    struct watch *watch = watch_of(set, fd);
    if (!watch)
        watch = watch_new(set, fd);
    if (!watch)
        return AIMP_ENOMEM;
    watch->events = events;
    return uv_poll_start(&watch->poll, events, on_poll) ? AIMP_ESYS : 0;
}

void aimp__http_sockets_unwatch(struct aimp__http_sockets *set, int fd)
{
    struct watch *watch = watch_of(set, fd);
    if (!watch)
        return;
    if (watch->is_own)
        uv_poll_stop(&watch->poll);
    else
        forget(watch);
}
