/* Frames that wait for room, with and without descriptors: order, and that none
 * stays open. */
/* SPDX-License-Identifier: MIT */
#include "proc/outbox.h"

#include "ipc/test_pair.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define RING  (4 * KIB)
#define ARENA (16 * KIB)

static int count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static struct frame numbered(uint32_t seed, size_t len)
{
    return (struct frame){
        .kind = FRAME_CALL, .first = seed, .fn = ~seed, .aux = mix(seed), .len = len};
}

static int post(struct outbox *outbox, struct channel *channel, uint32_t seed, size_t len)
{
    uint8_t data[RING];
    struct frame frame = numbered(seed, len);
    fill(data, len, seed);
    return aimp__outbox_send(outbox, channel, &frame, data, NULL);
}

/* With a file whose first word is `seed`; this process's own fd of it is closed at once. */
static int post_file(struct outbox *outbox, struct channel *channel, uint32_t seed, size_t len)
{
    uint8_t data[RING];
    struct frame frame = numbered(seed, len);
    int fd = memfd_create("test", 0);
    fill(data, len, seed);
    assert_int_equal(write(fd, &seed, sizeof seed), sizeof seed);
    int rc = aimp__outbox_send_fd(outbox, channel, &frame, data, fd, NULL);
    close(fd);
    return rc;
}

static void expect_file(struct channel *channel, uint32_t seed, size_t len)
{
    uint32_t found;
    expect_numbered(channel, seed, len);
    int fd = aimp__channel_take_fd(channel);
    assert_int_equal(pread(fd, &found, sizeof found, 0), sizeof found);
    assert_int_equal(found, seed);
    close(fd);
}

/* Fills the ring with frames 0 .. n - 1 and returns n. */
static uint32_t fill_ring(struct channel *channel)
{
    uint32_t sent = 0;
    while (send_numbered(channel, CHANNEL_PARENT, sent, 8, NULL) == 0)
        sent++;
    return sent;
}

static void test_with_room_nothing_waits(void **state)
{
    (void)state;
    struct outbox outbox = {0};
    struct pair pair;
    pair_open(&pair, RING, ARENA, 1);
    assert_int_equal(post_file(&outbox, pair.end[0], 0, 8), 0);
    assert_int_equal(post(&outbox, pair.end[0], 1, 8), 0);
    assert_true(aimp__outbox_is_empty(&outbox));
    expect_file(pair.end[1], 0, 8);
    expect_numbered(pair.end[1], 1, 8);
    pair_close(&pair);
}

static void test_order_is_kept(void **state)
{
    (void)state;
    int before = count_fds();
    struct outbox outbox = {0};
    struct pair pair;
    pair_open(&pair, RING, ARENA, 1);
    uint32_t first = fill_ring(pair.end[0]);
    uint32_t received = 0;
    for (uint32_t i = 0; i < 60; i++)
        assert_int_equal(i % 3 ? post(&outbox, pair.end[0], first + i, 100)
                               : post_file(&outbox, pair.end[0], first + i, i),
                         0);
    while (received < first + 60) {
        assert_int_equal(aimp__outbox_flush(&outbox, pair.end[0], NULL), 0);
        while (aimp__channel_has_input(pair.end[1])) {
            uint32_t i = received++;
            if (i < first)
                expect_numbered(pair.end[1], i, 8);
            else if ((i - first) % 3)
                expect_numbered(pair.end[1], i, 100);
            else
                expect_file(pair.end[1], i, i - first);
        }
    }
    assert_true(aimp__outbox_is_empty(&outbox));
    pair_close(&pair);
    assert_int_equal(count_fds(), before);
}

static void test_what_was_never_sent_is_closed(void **state)
{
    (void)state;
    int before = count_fds();
    struct outbox outbox = {0};
    struct pair pair;
    pair_open(&pair, RING, ARENA, 1);
    int opened = count_fds();
    uint32_t first = fill_ring(pair.end[0]);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(post_file(&outbox, pair.end[0], first + i, 8), 0);
    assert_int_equal(count_fds(), opened + 5);
    aimp__outbox_fini(&outbox);
    assert_int_equal(count_fds(), opened);
    pair_close(&pair);
    assert_int_equal(count_fds(), before);
}

static void test_too_long_a_payload_is_refused_before_it_waits(void **state)
{
    (void)state;
    struct outbox outbox = {0};
    struct pair pair;
    pair_open(&pair, RING, ARENA, 1);
    fill_ring(pair.end[0]);
    assert_int_equal(post_file(&outbox, pair.end[0], 0, CHANNEL_FD_PAYLOAD + 1), AIMP_EINVAL);
    assert_true(aimp__outbox_is_empty(&outbox));
    pair_close(&pair);
}

static void test_no_more_than_some_descriptors_wait(void **state)
{
    (void)state;
    struct outbox outbox = {0};
    struct pair pair;
    pair_open(&pair, RING, ARENA, 1);
    int opened = count_fds();
    uint32_t first = fill_ring(pair.end[0]);
    for (uint32_t i = 0; i < OUTBOX_FDS_MAX; i++)
        assert_int_equal(post_file(&outbox, pair.end[0], first + i, 8), 0);
    assert_int_equal(post_file(&outbox, pair.end[0], 0, 8), AIMP_EAGAIN);
    assert_int_equal(count_fds(), opened + (int)OUTBOX_FDS_MAX);
    assert_int_equal(post(&outbox, pair.end[0], first + OUTBOX_FDS_MAX, 8), 0);
    expect_numbered(pair.end[1], 0, 8);
    assert_int_equal(aimp__outbox_flush(&outbox, pair.end[0], NULL), 0);
    assert_int_equal(post_file(&outbox, pair.end[0], 0, 8), 0); /* in the place of one that went */
    assert_int_equal(post_file(&outbox, pair.end[0], 0, 8), AIMP_EAGAIN);
    aimp__outbox_fini(&outbox);
    assert_int_equal(count_fds(), opened);
    pair_close(&pair);
}

/* At the limit of open files one that has to wait is refused; nothing else suffers. */
static void test_a_descriptor_that_cannot_be_kept(void **state)
{
    (void)state;
    struct outbox outbox = {0};
    struct pair pair;
    struct rlimit old, none;
    struct frame frame = numbered(7, 0);
    pair_open(&pair, RING, ARENA, 1);
    uint32_t first = fill_ring(pair.end[0]);
    getrlimit(RLIMIT_NOFILE, &old);
    none = old;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    int rc = aimp__outbox_send_fd(&outbox, pair.end[0], &frame, NULL, STDERR_FILENO, NULL);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_int_equal(rc, AIMP_ESYS);
    assert_true(aimp__outbox_is_empty(&outbox));
    for (uint32_t i = 0; i < first; i++)
        expect_numbered(pair.end[1], i, 8);
    expect_nothing(pair.end[1]);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_with_room_nothing_waits),
        cmocka_unit_test(test_order_is_kept),
        cmocka_unit_test(test_what_was_never_sent_is_closed),
        cmocka_unit_test(test_too_long_a_payload_is_refused_before_it_waits),
        cmocka_unit_test(test_no_more_than_some_descriptors_wait),
        cmocka_unit_test(test_a_descriptor_that_cannot_be_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
