/* The contract is in reaper.h. */
/* SPDX-License-Identifier: MIT */
#include "proc/reaper.h"

#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

void aimp__reaper_init(struct reaper *reaper)
{
    *reaper = (struct reaper){0};
}

void aimp__reaper_fini(struct reaper *reaper)
{
    free(reaper->children);
    aimp__reaper_init(reaper);
}

int aimp__reaper_reserve(struct reaper *reaper)
{
    if (reaper->count < reaper->capacity)
        return AIMP_OK;
    size_t capacity = reaper->capacity ? 2 * reaper->capacity : 16;
    struct reaper_child *children = realloc(reaper->children, capacity * sizeof *children);
    if (!children)
        return AIMP_ENOMEM;
    reaper->children = children;
    reaper->capacity = capacity;
    return AIMP_OK;
}

void aimp__reaper_add(struct reaper *reaper, uint32_t id, pid_t pid)
{
    assert(reaper->count < reaper->capacity);
    reaper->children[reaper->count++] = (struct reaper_child){.id = id, .pid = pid};
}

static struct reaper_child *find(struct reaper *reaper, pid_t pid)
{
    for (size_t i = 0; i < reaper->count; i++)
        if (reaper->children[i].pid == pid)
            return &reaper->children[i];
    return NULL;
}

static struct reaper_child take(struct reaper *reaper, struct reaper_child *child)
{
    struct reaper_child taken = *child;
    *child = reaper->children[--reaper->count];
    return taken;
}

static pid_t reap(int flags, int *status, struct rusage *usage)
{
    pid_t pid;
    do
        pid = wait4(-1, status, flags, usage);
    while (pid < 0 && errno == EINTR);
    return pid;
}

/* A child that is not in the table was started by what the template preloaded. */
int aimp__reaper_next(struct reaper *reaper, struct reaper_child *ended)
{
    int status;
    struct rusage usage;
    pid_t pid;
    while ((pid = reap(WNOHANG, &status, &usage)) > 0) {
        struct reaper_child *child = find(reaper, pid);
        if (!child)
            continue;
        *ended = take(reaper, child);
        ended->status = status;
        ended->max_rss_kib = (int32_t)usage.ru_maxrss;
        return 1;
    }
    return 0;
}

void aimp__reaper_kill_all(struct reaper *reaper)
{
    int status;
    struct rusage usage;
    for (size_t i = 0; i < reaper->count; i++)
        kill(reaper->children[i].pid, SIGKILL);
    while (reaper->count > 0) {
        pid_t pid = reap(0, &status, &usage);
        if (pid < 0)
            break; /* ECHILD: nobody is left */
        struct reaper_child *child = find(reaper, pid);
        if (child)
            take(reaper, child);
    }
    reaper->count = 0;
}
