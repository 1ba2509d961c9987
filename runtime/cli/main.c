/* aimprun: runs a Lua script as the main task of a loop.
 *
 * Everything about options, errors and order of events is in lua/aimp/cli; here is what must
 * happen before there is a Lua state, and the internal modes:
 *
 *   aimprun --template   forks the workers; fd 3 is its socket (proc/launcher.h)
 *   aimprun --worker K   a worker of start method "spawn"; fds 3 to 6 */
/* SPDX-License-Identifier: MIT */
#include "cli/boot.h"
#include "cli/native.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "lua/worker_main.h"
#include "os/cpus.h"
#include "os/title.h"
#include "proc/launcher.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#define TEMPLATE_FD 3

static struct lua_boot boot; /* the loop in it is used until the very end */

static _Noreturn void fail(const char *text)
{
    fprintf(stderr, "aimprun: %s\n", text);
    exit(EXIT_FAILURE);
}

static int traceback(lua_State *L)
{
    if (lua_isstring(L, 1))
        luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

struct call {
    const char *module;
    int argc;
    char **argv;
    int status;
};

static int run_module(lua_State *L)
{
    const struct call *call = lua_touserdata(L, 1);
    lua_getglobal(L, "require");
    lua_pushstring(L, call->module);
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "run");
    lua_createtable(L, call->argc, 1);
    for (int i = 0; i < call->argc; i++) {
        lua_pushstring(L, call->argv[i]);
        lua_rawseti(L, -2, i);
    }
    lua_call(L, 1, 1);
    return 1;
}

/* require(module).run({[0] = argv[0], argv[1], ...}); an error comes out with its traceback. */
static int run_protected(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    lua_pushcfunction(L, traceback);
    lua_pushcfunction(L, run_module);
    lua_pushlightuserdata(L, call);
    if (lua_pcall(L, 1, 1, 2) != 0)
        return lua_error(L);
    call->status = (int)lua_tointeger(L, -1);
    return 0;
}

static void run_or_fail(struct call *call)
{
    if (lua_cpcall(boot.L, run_protected, call) == 0)
        return;
    const char *text = lua_tostring(boot.L, -1);
    fail(text ? text : "(error object is not a string)");
}

static int script_main(int argc, char **argv)
{
    struct aimp_error err = {0};
    struct call call = {"aimp.cli.main", argc, argv, EXIT_FAILURE};
    if (aimp__signals_start(&err) || aimp__boot_open(&boot, &err) ||
        aimp__boot_add_luv(&boot, &err))
        fail(err.text);
    aimp__native_install(&boot);
    run_or_fail(&call);
    aimp__native_exit(&boot, call.status, 1);
}

static void worker_start(void *ctx, uint32_t worker, const struct worker_fds *fds)
{
    struct aimp_error err = {0};
    struct lua_boot *b = ctx;
    if (aimp__boot_add_luv(b, &err))
        fail(err.text);
    aimp__native_exit(b, aimp__worker_main(b->L, worker, fds), 1);
}

static void open_worker_state(void)
{
    struct aimp_error err = {0};
    struct call call = {"aimp.cli.preload", 0, NULL, 0};
    if (aimp__boot_open(&boot, &err))
        fail(err.text);
    aimp__native_install(&boot);
    run_or_fail(&call);
}

static int template_main(void)
{
    struct stat st;
    if (fstat(TEMPLATE_FD, &st) != 0 || !S_ISSOCK(st.st_mode))
        fail("--template is for aimp's own use");
    open_worker_state();
    aimp__cpus_known(); /* every worker asks */
    return aimp__template_run(TEMPLATE_FD, boot.exe, worker_start, &boot);
}

static int spawned_main(const char *worker)
{
    struct stat st;
    if (fstat(TEMPLATE_FD, &st) != 0)
        fail("--worker is for aimp's own use");
    open_worker_state();
    return aimp__template_spawned((uint32_t)strtoul(worker, NULL, 10), worker_start, &boot);
}

int main(int argc, char **argv)
{
    if (getauxval(AT_SECURE))
        fail("must not run with another user's rights (set-uid, set-gid, capabilities)");
    argv = aimp__title_init(argc, argv);
    aimp__output_fill_stdio();
    aimp__output_init();
    aimp__signals_ignore_pipe();
    if (argc == 2 && strcmp(argv[1], "--template") == 0)
        return template_main();
    if (argc == 3 && strcmp(argv[1], "--worker") == 0)
        return spawned_main(argv[2]);
    return script_main(argc, argv);
}
