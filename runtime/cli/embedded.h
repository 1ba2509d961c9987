/* aimp's own Lua modules as bytecode in the executable; made at build time by
 * scripts/lib/embed.lua. Other hosts load the same modules from their files. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_CLI_EMBEDDED_H
#define AIMP_CLI_EMBEDDED_H

#include <lua.h>
#include <stddef.h>

struct embedded_module {
    const char *name;  /* as require knows it; NULL ends the table */
    const char *chunk; /* for tracebacks */
    const unsigned char *code;
    size_t size;
    int is_early; /* a worker needs it, and it can be loaded before there is a loop */
};

extern const struct embedded_module aimp__embedded_modules[];

/* Puts a loader of each into package.preload, and the list of the early ones there, as
 * "aimp.cli.early". May raise (memory). */
void aimp__embedded_preload(lua_State *L);

#endif
