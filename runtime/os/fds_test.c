/* Tests of os/fds.h. Each case runs in a child, whose descriptors it may wreck. */
/* SPDX-License-Identifier: MIT */
#include "os/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            _exit(__LINE__ % 255 + 1);                                                             \
    } while (0)

/* Runs the case in a child; a failed CHECK shows as its line modulo 255 plus 1. */
static void run_case(void (*body)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        body();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* A new pipe's read end at exactly `fd`; the inode tells it from others. */
static ino_t plant(int fd)
{
    int ends[2];
    struct stat st;
    CHECK(pipe(ends) == 0);
    CHECK(dup2(ends[0], fd) == fd);
    if (ends[0] != fd)
        close(ends[0]);
    if (ends[1] != fd)
        close(ends[1]);
    CHECK(fstat(fd, &st) == 0);
    return st.st_ino;
}

static ino_t inode_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static void body_close_except(void)
{
    plant(40);
    plant(41);
    plant(900);
    plant(7);
    const int keep[] = {0, 2, 40, 500};
    aimp__fds_close_except(keep, 4);
    CHECK(is_open(0) && !is_open(1) && is_open(2));
    CHECK(!is_open(7) && is_open(40) && !is_open(41) && !is_open(900));
}

static void body_close_by_name(void)
{
    for (int fd = 100; fd < 300; fd++) /* more than one read of the directory */
        plant(fd);
    aimp__fds_close_range_by_name(101, 298);
    CHECK(is_open(100) && is_open(299));
    for (int fd = 101; fd < 299; fd++)
        CHECK(!is_open(fd));
}

/* No descriptor is left to read the directory with. */
static void body_close_when_full(void)
{
    while (open("/dev/null", O_RDONLY) >= 0)
        ;
    CHECK(errno == EMFILE);
    aimp__fds_close_range_by_name(3, 1000000000);
    CHECK(aimp__fds_count() == 3);
}

static void body_move_overlapping(void)
{
    aimp__fds_close_range(3, INT_MAX);
    ino_t a = plant(4), b = plant(3), c = plant(6), d = plant(20);
    const int from[] = {4, 3, 20, 6}; /* a swap, one from outside, one that stays */
    CHECK(aimp__fds_move(from, 3, 4) == 0);
    CHECK(inode_of(3) == a && inode_of(4) == b && inode_of(5) == d && inode_of(6) == c);
    CHECK(aimp__fds_count() == 8); /* no temporary copy was left */
}

static void body_move_repeats(void)
{
    ino_t a = plant(3);
    const int from[] = {3, 3};
    CHECK(aimp__fds_move(from, 3, 2) == 0);
    CHECK(inode_of(3) == a && inode_of(4) == a);
}

static void body_move_fails(void)
{
    const int closed[] = {77}, none[] = {-1};
    CHECK(aimp__fds_move(closed, 3, 1) < 0 && errno == EBADF);
    CHECK(aimp__fds_move(none, 3, 1) < 0 && errno == EBADF);
}

static void body_keep_on_exec(void)
{
    plant(30);
    plant(31);
    CHECK(aimp__fds_keep_on_exec(30, 2, false) == 0);
    CHECK(fcntl(30, F_GETFD) == FD_CLOEXEC && fcntl(31, F_GETFD) == FD_CLOEXEC);
    CHECK(aimp__fds_keep_on_exec(31, 1, true) == 0);
    CHECK(fcntl(30, F_GETFD) == FD_CLOEXEC && fcntl(31, F_GETFD) == 0);
    CHECK(aimp__fds_keep_on_exec(31, 2, true) < 0);
}

static void body_fill_stdio(void)
{
    close(0);
    close(2);
    int count = aimp__fds_count();
    CHECK(aimp__fds_fill_stdio() == 0);
    CHECK(is_open(0) && is_open(1) && is_open(2) && aimp__fds_count() == count + 2);
}

static void body_count(void)
{
    int count = aimp__fds_count();
    plant(50);
    CHECK(count > 0 && aimp__fds_count() == count + 1);
    close(50);
    CHECK(aimp__fds_count() == count);
}

#define CASE(name)                                                                                 \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        run_case(body_##name);                                                                     \
    }
CASE(close_except)
CASE(close_by_name)
CASE(close_when_full)
CASE(move_overlapping)
CASE(move_repeats)
CASE(move_fails)
CASE(keep_on_exec)
CASE(fill_stdio)
CASE(count)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close_except),    cmocka_unit_test(test_close_by_name),
        cmocka_unit_test(test_close_when_full), cmocka_unit_test(test_move_overlapping),
        cmocka_unit_test(test_move_repeats),    cmocka_unit_test(test_move_fails),
        cmocka_unit_test(test_keep_on_exec),    cmocka_unit_test(test_fill_stdio),
        cmocka_unit_test(test_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
