/* The contract is in title.h. */
/* SPDX-License-Identifier: MIT */
#include "os/title.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define NAME_MAX_CHARS 15 /* of the kernel's, without the end */

static char *area; /* argv's strings, which the kernel reads as the command line */
static size_t area_size;

/* The strings of argv stand one behind the other, unless somebody replaced some. */
static size_t contiguous_size(int argc, char **argv)
{
    char *end = argv[0];
    for (int i = 0; i < argc && argv[i] == end; i++)
        end += strlen(argv[i]) + 1;
    return (size_t)(end - argv[0]);
}

static char **copy_arguments(int argc, char **argv)
{
    size_t size = 0;
    for (int i = 0; i < argc; i++)
        size += strlen(argv[i]) + 1;
    char **copy = malloc((size_t)(argc + 1) * sizeof *copy + size);
    if (!copy)
        return NULL;
    char *text = (char *)(copy + argc + 1);
    for (int i = 0; i < argc; i++) {
        size_t length = strlen(argv[i]) + 1;
        copy[i] = memcpy(text, argv[i], length);
        text += length;
    }
    copy[argc] = NULL;
    return copy;
}

char **aimp__title_init(int argc, char **argv)
{
    char **copy = argc > 0 ? copy_arguments(argc, argv) : NULL;
    if (!copy)
        return argv;
    area = argv[0];
    area_size = contiguous_size(argc, argv);
    return copy;
}

static void set_name(const char *title)
{
    char name[NAME_MAX_CHARS + 1];
    int is_long = strlen(title) > NAME_MAX_CHARS;
    size_t length = 0;
    for (; *title && length < NAME_MAX_CHARS; title++)
        if (!is_long || *title != ' ')
            name[length++] = *title;
    name[length] = '\0';
    prctl(PR_SET_NAME, name);
}

void aimp__title_set(const char *title)
{
    set_name(title);
    if (!area_size)
        return;
    memset(area, 0, area_size);
    snprintf(area, area_size, "%s", title);
}
