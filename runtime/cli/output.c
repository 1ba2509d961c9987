/* The contract is in output.h. */
/* SPDX-License-Identifier: MIT */
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES 65536
#define LOCK_NAP_NS  50000L
#define LOCK_CHECK   256 /* naps between two looks at the holder */

static char buffer[BUFFER_BYTES];
static int is_stream;  /* pipe or socket: a long write may be cut by others */
static int lost_errno; /* why output was lost, 0 if none was */

void aimp__output_fill_stdio(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR); /* NOLINT(android-cloexec-open): children have stdio too */
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

void aimp__output_init(void)
{
    struct stat st;
    setvbuf(stdout, buffer, _IOLBF, sizeof buffer);
    is_stream = fstat(STDOUT_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

static int set_lock(short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    return fcntl(STDOUT_FILENO, F_SETLK, &lock);
}

/* A holder that is stopped (SIGSTOP, a debugger) may stay so for ever; any other goes on as soon
 * as the pipe is read. */
static int is_holder_stopped(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[32];
    char stat[128] = "";
    if (fcntl(STDOUT_FILENO, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)lock.l_pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    size_t n = fread(stat, 1, sizeof stat - 1, file);
    fclose(file);
    stat[n] = '\0';
    const char *state = strrchr(stat, ')'); /* "pid (name) T ..." */
    return state && (strncmp(state, ") T", 3) == 0 || strncmp(state, ") t", 3) == 0);
}

/* False: the line is written without. */
static int lock_stream(void)
{
    if (!is_stream)
        return 0;
    for (int naps = 1; set_lock(F_WRLCK) != 0; naps++) {
        if (errno != EAGAIN && errno != EACCES)
            return 0;
        if (naps % LOCK_CHECK == 0 && is_holder_stopped())
            return 0;
        nanosleep(&(struct timespec){0, LOCK_NAP_NS}, NULL);
    }
    return 1;
}

static void write_all(const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDOUT_FILENO, data, len);
        if (n < 0 && errno != EINTR) {
            lost_errno = errno;
            return;
        }
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
}

/* stdio would cut what exceeds its buffer into several writes. */
static void write_line(const char *data, size_t len)
{
    if (len + __fpending(stdout) < BUFFER_BYTES) {
        if (fwrite(data, 1, len, stdout) != len)
            lost_errno = errno;
        return;
    }
    if (fflush(stdout) != 0)
        lost_errno = errno;
    write_all(data, len);
}

/* Leaves the text of the value at `index` at the top. */
static void push_text(lua_State *L, int index)
{
    lua_getglobal(L, "tostring"); /* as it is now, like the stock print */
    lua_pushvalue(L, index);
    lua_call(L, 1, 1);
    if (!lua_isstring(L, -1))
        luaL_error(L, LUA_QL("tostring") " must return a string to " LUA_QL("print"));
}

int aimp__output_print(lua_State *L)
{
    int n = lua_gettop(L);
    luaL_Buffer line;
    luaL_buffinit(L, &line);
    for (int i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addchar(&line, '\t');
        push_text(L, i);
        luaL_addvalue(&line);
    }
    luaL_addchar(&line, '\n');
    luaL_pushresult(&line);
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    int is_locked = lock_stream();
    write_line(text, len);
    if (is_locked)
        set_lock(F_UNLCK);
    return 0;
}

int aimp__output_finish(int status)
{
    if (fflush(stdout) != 0)
        lost_errno = errno;
    bool has_failed = lost_errno != 0 || ferror(stdout); /* stdio does not keep why */
    fflush(NULL);
    if (!has_failed || status != 0)
        return status;
    fprintf(stderr, "aimprun: cannot write to standard output: %s\n",
            lost_errno != 0 ? strerror(lost_errno) : "a write failed");
    return 1;
}
