/* The contract is in failpoint.h. */
/* SPDX-License-Identifier: MIT */
#include "base/failpoint.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    char name[64]; /* "" when nothing is armed; may be "scope/name" */
    unsigned left; /* hits until it acts */
    enum failpoint_action action;
    const char *scope;
    void (*seen)(const char *name);
} point;

static pthread_once_t environment_read = PTHREAD_ONCE_INIT;

static void arm_from(const char *text)
{
    char action[8];
    if (sscanf(text, "%63[^:]:%u:%7s", point.name, &point.left, action) == 3 && point.left > 0) {
        point.action = strcmp(action, "stop") == 0 ? FAILPOINT_STOP : FAILPOINT_KILL;
        if (point.action == FAILPOINT_STOP || strcmp(action, "kill") == 0)
            return;
    }
    fprintf(stderr, "AIMP_FAILPOINT: expected name:count:kill or name:count:stop, got %s\n", text);
    abort();
}

static void read_environment(void)
{
    const char *text = getenv("AIMP_FAILPOINT");
    if (text && *text)
        arm_from(text);
}

void aimp__failpoint_arm(const char *name, unsigned count, enum failpoint_action action)
{
    pthread_once(&environment_read, read_environment);
    snprintf(point.name, sizeof point.name, "%s", name ? name : "");
    point.left = count;
    point.action = action;
}

void aimp__failpoint_scope(const char *scope)
{
    point.scope = scope;
}

void aimp__failpoint_trace(void (*seen)(const char *name))
{
    point.seen = seen;
}

static bool is_armed(const char *name)
{
    const char *slash = strchr(point.name, '/');
    if (!slash)
        return strcmp(point.name, name) == 0;
    size_t length = (size_t)(slash - point.name);
    return point.scope && strlen(point.scope) == length &&
           memcmp(point.scope, point.name, length) == 0 && strcmp(slash + 1, name) == 0;
}

void aimp__failpoint_hit(const char *name)
{
    pthread_once(&environment_read, read_environment);
    if (point.seen)
        point.seen(name);
    if (point.name[0] && is_armed(name) && --point.left == 0) {
        point.name[0] = '\0';
        raise(point.action == FAILPOINT_KILL ? SIGKILL : SIGSTOP);
    }
}
