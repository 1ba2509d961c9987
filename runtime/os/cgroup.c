/* The contract is in cgroup.h. */
/* SPDX-License-Identifier: MIT */
#include "os/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- parsing ---- */

/* Whether "cpu,cpuacct" of `length` characters lists the controller. */
static int lists(const char *names, size_t length, const char *controller)
{
    size_t wanted = strlen(controller);
    const char *end = names + length;
    for (const char *name = names; name <= end;) {
        const char *comma = memchr(name, ',', (size_t)(end - name));
        size_t size = (size_t)((comma ? comma : end) - name);
        if (size == wanted && memcmp(name, controller, wanted) == 0)
            return 1;
        name += size + 1;
    }
    return 0;
}

/* Lines are "7:cpu,cpuacct:/path", for v2 "0::/path". */
int aimp__cgroup_parse(const char *text, const char *controller, char *path, size_t size)
{
    while (*text) {
        size_t line = strcspn(text, "\n");
        const char *names = memchr(text, ':', line);
        const char *colon =
            names ? memchr(names + 1, ':', (size_t)(text + line - names - 1)) : NULL;
        if (colon && lists(names + 1, (size_t)(colon - names - 1), controller)) {
            size_t length = (size_t)(text + line - colon - 1);
            if (length >= size)
                return 0;
            memcpy(path, colon + 1, length);
            path[length] = '\0';
            return 1;
        }
        text += line + (text[line] == '\n');
    }
    return 0;
}

/* ---- reading ---- */

int aimp__cgroup_read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t used = 0;
    ssize_t got = 1;
    while (got != 0 && used + 1 < size) {
        got = read(fd, text + used, size - 1 - used);
        if (got < 0 && errno != EINTR)
            break;
        used += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    text[used] = '\0';
    return got < 0 ? -1 : 0;
}

int aimp__cgroup_read(const char *directory, const char *name, char *text, size_t size)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", directory, name);
    return length < (int)sizeof path ? aimp__cgroup_read_file(path, text, size) : -1;
}

/* ---- looking ---- */

struct search {
    const char *root;
    void (*visit)(const char *directory, void *arg);
    void *arg;
};

/* From root/sys/fs/cgroup<mount><path> up to the mount. */
static void visit_upwards(const struct search *search, const char *mount, const char *path)
{
    char directory[PATH_MAX];
    int top = snprintf(directory, sizeof directory, "%s/sys/fs/cgroup%s", search->root, mount);
    int length = top + snprintf(directory + top, sizeof directory - (size_t)top, "%s", path);
    if (length >= (int)sizeof directory)
        return;
    search->visit(directory, search->arg);
    while (length > top) {
        while (length > top && directory[--length] != '/')
            ;
        directory[length] = '\0';
        search->visit(directory, search->arg);
    }
}

void aimp__cgroup_each(const char *root, const char *controller,
                       void (*visit)(const char *directory, void *arg), void *arg)
{
    static const struct {
        const char *controller, *mount;
    } places[] = {
        {"", ""}, {"", "/unified"}, {"cpu", "/cpu"}, {"cpu", "/cpu,cpuacct"}, {"memory", "/memory"},
    };
    struct search search = {root, visit, arg};
    char text[8192], path[PATH_MAX / 2];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    if (aimp__cgroup_read_file(path, text, sizeof text) < 0)
        return;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const char *of = places[i].controller;
        if ((*of == '\0' || strcmp(of, controller) == 0) &&
            aimp__cgroup_parse(text, of, path, sizeof path))
            visit_upwards(&search, places[i].mount, path);
    }
}
