/* Messages with fds: what arrives, what is closed, what is refused. */
/* SPDX-License-Identifier: MIT */
#include "os/fdpass.h"
#include "os/wake.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static int count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static int has_rung(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    return poll(&entry, 1, 0);
}

static void test_wakes_are_kept_until_drained(void **state)
{
    (void)state;
    int fd = aimp__wake_open(NULL);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    aimp__wake_drain(fd); /* nothing rang: must not block */
    assert_int_equal(has_rung(fd), 0);
    aimp__wake_ring(fd);
    aimp__wake_ring(fd);
    assert_int_equal(has_rung(fd), 1);
    aimp__wake_drain(fd);
    assert_int_equal(has_rung(fd), 0);
    close(fd);
}

static void test_fds_travel(void **state)
{
    (void)state;
    int pair[2];
    char text[16];
    int before = count_fds();
    assert_int_equal(aimp__fdpass_pair(pair, NULL), 0);
    int sent[FDPASS_MAX];
    int got[FDPASS_MAX];
    for (int i = 0; i < FDPASS_MAX; i++)
        sent[i] = aimp__wake_open(NULL);
    assert_int_equal(aimp__fdpass_send(pair[0], "hello", 5, sent, FDPASS_MAX, NULL), 0);
    int count = FDPASS_MAX;
    assert_int_equal(aimp__fdpass_receive(pair[1], text, sizeof text, got, &count, NULL), 5);
    assert_memory_equal(text, "hello", 5);
    assert_int_equal(count, FDPASS_MAX);
    for (int i = 0; i < FDPASS_MAX; i++) {
        assert_true(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
        aimp__wake_ring(sent[i]);
        assert_int_equal(has_rung(got[i]), 1);
        close(sent[i]);
        close(got[i]);
    }
    close(pair[0]);
    close(pair[1]);
    assert_int_equal(count_fds(), before);
}

static void test_surplus_fds_are_closed(void **state)
{
    (void)state;
    int pair[2];
    char text[16];
    assert_int_equal(aimp__fdpass_pair(pair, NULL), 0);
    int before = count_fds();
    int fds[3] = {pair[0], pair[0], pair[0]};
    int got[1];
    int count = 1;
    assert_int_equal(aimp__fdpass_send(pair[0], "x", 1, fds, 3, NULL), 0);
    assert_int_equal(aimp__fdpass_receive(pair[1], text, sizeof text, got, &count, NULL), 1);
    assert_int_equal(count, 1);
    close(got[0]);
    assert_int_equal(count_fds(), before);
    assert_int_equal(aimp__fdpass_send(pair[0], "x", 1, fds, 3, NULL), 0);
    assert_int_equal(aimp__fdpass_receive(pair[1], text, sizeof text, NULL, NULL, NULL), 1);
    assert_int_equal(count_fds(), before);
    close(pair[0]);
    close(pair[1]);
}

static void test_too_long_is_refused_with_its_fds(void **state)
{
    (void)state;
    int pair[2];
    char text[4];
    struct aimp_error err;
    assert_int_equal(aimp__fdpass_pair(pair, NULL), 0);
    int before = count_fds();
    int got[2];
    int count = 2;
    assert_int_equal(aimp__fdpass_send(pair[0], "longer", 6, pair, 2, NULL), 0);
    assert_int_equal(aimp__fdpass_receive(pair[1], text, sizeof text, got, &count, &err),
                     AIMP_EINVAL);
    assert_int_equal(count, 0);
    assert_int_equal(err.code, AIMP_EINVAL);
    assert_int_equal(count_fds(), before);
    close(pair[0]);
    close(pair[1]);
}

static void test_empty_full_and_closed(void **state)
{
    (void)state;
    int pair[2];
    char text[4];
    struct aimp_error err;
    assert_int_equal(aimp__fdpass_pair(pair, NULL), 0);
    assert_int_equal(aimp__fdpass_receive(pair[1], text, sizeof text, NULL, NULL, &err),
                     AIMP_EAGAIN);
    int sent = 0;
    int rc;
    while ((rc = aimp__fdpass_send(pair[0], "abc", 3, NULL, 0, &err)) == 0)
        sent++;
    assert_int_equal(rc, AIMP_EAGAIN);
    assert_true(sent > 0);
    close(pair[0]);
    while (sent-- > 0) /* what was sent before the end still comes */
        assert_int_equal(aimp__fdpass_receive(pair[1], text, sizeof text, NULL, NULL, &err), 3);
    assert_int_equal(aimp__fdpass_receive(pair[1], text, sizeof text, NULL, NULL, &err),
                     AIMP_ECLOSED);
    assert_int_equal(err.code, AIMP_ECLOSED);
    assert_int_equal(aimp__fdpass_send(pair[1], "abc", 3, NULL, 0, &err), AIMP_ECLOSED);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wakes_are_kept_until_drained),
        cmocka_unit_test(test_fds_travel),
        cmocka_unit_test(test_surplus_fds_are_closed),
        cmocka_unit_test(test_too_long_is_refused_with_its_fds),
        cmocka_unit_test(test_empty_full_and_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
