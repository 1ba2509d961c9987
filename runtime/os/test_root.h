/* For tests: a directory in the place of "/", with files as /proc and /sys have them. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_OS_TEST_ROOT_H
#define AIMP_OS_TEST_ROOT_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[sizeof "/tmp/aimp_root_XXXXXX"];

static inline void put(const char *path, const char *text)
{
    char full[256];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = full + sizeof root; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline int set_up(void **state)
{
    (void)state;
    memcpy(root, "/tmp/aimp_root_XXXXXX", sizeof root);
    return mkdtemp(root) ? 0 : -1;
}

static inline int tear_down(void **state)
{
    (void)state;
    return nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
