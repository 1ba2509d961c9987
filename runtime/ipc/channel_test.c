/* A channel between honest sides: every payload class at its limits, full and
 * empty, limits of the system, and who may create and attach. */
/* SPDX-License-Identifier: MIT */
#include "ipc/channel.h"
#include "ipc/layout.h"
#include "ipc/test_pair.h"
#include "os/memfd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define RING   (16 * KIB)
#define ARENA  (256 * KIB)
#define INLINE (RING / 8) /* as the channel chooses it: below 8 KiB */

static int count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* How often a one-shot is mapped in this process. */
static int count_oneshots(void)
{
    char line[512];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps))
        count += strstr(line, "memfd:aimp-payload") != NULL;
    fclose(maps);
    return count;
}

static void test_sizes_out_of_range_are_refused(void **state)
{
    (void)state;
    const struct channel_sizes bad[] = {
        {2 * KIB, ARENA, 1}, {RING + 1, ARENA, 1},  {RING * 3, ARENA, 1}, {2048 * MIB, ARENA, 1},
        {RING, 0, 1},        {RING, 2048 * MIB, 1}, {RING, ARENA, 0},     {RING, ARENA, 65537},
    };
    int before = count_fds();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct aimp_error err;
        struct channel *channel;
        assert_int_equal(aimp__channel_create(&channel, &bad[i], -1, -1, -1, &err), AIMP_EINVAL);
        assert_int_equal(err.code, AIMP_EINVAL);
    }
    assert_int_equal(count_fds(), before);
}

static void test_every_size_in_both_directions(void **state)
{
    (void)state;
    const size_t sizes[] = {
        0,         1,
        7,         8,
        9,         INLINE - 1,
        INLINE,    INLINE + 1,
        RING - 1,  RING,
        RING + 1,  ARENA / 2 - 1,
        ARENA / 2, ARENA / 2 + 1,
        ARENA - 1, ARENA,
        ARENA + 1, 5 * MIB,
    };
    uint32_t count = sizeof sizes / sizeof sizes[0];
    int before = count_fds();
    struct pair pair;
    pair_open(&pair, RING, ARENA, 1);
    for (enum channel_side side = CHANNEL_PARENT; side <= CHANNEL_WORKER; side++)
        for (uint32_t i = 0; i < 10 * count; i++) {
            size_t len = sizes[i % count];
            assert_false(aimp__channel_has_input(pair.end[!side]));
            assert_int_equal(send_numbered(pair.end[side], side, i, len, NULL), 0);
            assert_true(aimp__channel_has_input(pair.end[!side]));
            expect_numbered(pair.end[!side], i, len);
            expect_nothing(pair.end[!side]);
            assert_int_equal(count_oneshots(), 0); /* gone with the next receive */
        }
    pair_close(&pair);
    assert_int_equal(count_fds(), before);
}

static void test_64_mib(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, RING, ARENA, 1);
    assert_int_equal(send_numbered(pair.end[0], CHANNEL_PARENT, 1, 64 * MIB, NULL), 0);
    assert_int_equal(send_numbered(pair.end[0], CHANNEL_PARENT, 2, 64 * MIB + 1, NULL), 0);
    assert_int_equal(send_numbered(pair.end[0], CHANNEL_PARENT, 3, 1, NULL), 0);
    expect_numbered(pair.end[1], 1, 64 * MIB);
    assert_int_equal(count_oneshots(), 1);
    expect_numbered(pair.end[1], 2, 64 * MIB + 1);
    assert_int_equal(count_oneshots(), 1);
    expect_numbered(pair.end[1], 3, 1);
    assert_int_equal(count_oneshots(), 0);
    pair_close(&pair);
}

/* A size of any class, mostly small. */
static size_t any_size(uint64_t i)
{
    uint64_t random = mix(i);
    switch (random % 16) {
    case 0:
        return INLINE + 1 + (random >> 8) % (ARENA / 2 - INLINE);
    case 1:
        return (random >> 12) % 64 == 0 ? ARENA / 2 + 1 + (random >> 20) % ARENA : 3;
    default:
        return (random >> 8) % INLINE;
    }
}

/* Indices run through the ring and the arena many times, at every fill level. */
static void test_wrap_around_in_bursts(void **state)
{
    (void)state;
    struct pair pair;
    uint32_t sent = 0;
    uint32_t received = 0;
    uint32_t filled = 0;
    pair_open(&pair, RING, ARENA, 1);
    for (uint64_t round = 0; received < 20000; round++) {
        uint32_t burst = mix(2 * round) % 40;
        for (uint32_t i = 0; i < burst; i++) {
            int rc = send_numbered(pair.end[1], CHANNEL_WORKER, sent, any_size(sent), NULL);
            if (rc == AIMP_EFULL)
                filled++;
            if (rc != 0)
                break;
            sent++;
        }
        burst = mix(2 * round + 1) % 40;
        for (uint32_t i = 0; i < burst && received < sent; i++, received++)
            expect_numbered(pair.end[0], received, any_size(received));
        assert_int_equal(aimp__channel_has_input(pair.end[0]), received < sent);
    }
    assert_true(filled > 100);
    pair_close(&pair);
}

static void test_a_full_ring_refuses_and_takes_again(void **state)
{
    (void)state;
    struct pair pair;
    struct aimp_error err;
    uint32_t sent = 0;
    uint32_t received = 0;
    int rc;
    pair_open(&pair, RING, ARENA, 1);
    while ((rc = send_numbered(pair.end[0], CHANNEL_PARENT, sent, 8, &err)) == 0)
        sent++;
    assert_int_equal(rc, AIMP_EFULL);
    assert_int_equal(err.code, AIMP_EFULL);
    assert_int_equal(err.os_errno, 0);
    assert_int_equal(sent, RING / 64); /* to the last byte */
    assert_false(aimp__channel_has_room(pair.end[0]));
    expect_numbered(pair.end[1], received++, 8);
    assert_true(aimp__channel_has_room(pair.end[0]));
    assert_int_equal(send_numbered(pair.end[0], CHANNEL_PARENT, sent++, 8, &err), 0);
    while (received < sent)
        expect_numbered(pair.end[1], received++, 8);
    expect_nothing(pair.end[1]);
    pair_close(&pair);
}

static void test_a_full_arena_lets_small_frames_through(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, RING, ARENA, 1);
    struct channel *out = pair.end[0];
    assert_int_equal(send_numbered(out, CHANNEL_PARENT, 0, ARENA / 2, NULL), 0);
    assert_int_equal(send_numbered(out, CHANNEL_PARENT, 1, ARENA / 2, NULL), 0);
    assert_int_equal(send_numbered(out, CHANNEL_PARENT, 2, INLINE + 1, NULL), AIMP_EFULL);
    assert_int_equal(send_numbered(out, CHANNEL_PARENT, 2, INLINE, NULL), 0);
    assert_int_equal(send_numbered(out, CHANNEL_PARENT, 3, ARENA, NULL), 0); /* a one-shot */
    assert_false(aimp__channel_has_room(out));
    expect_numbered(pair.end[1], 0, ARENA / 2);
    assert_true(aimp__channel_has_room(out));
    assert_int_equal(send_numbered(out, CHANNEL_PARENT, 4, INLINE + 1, NULL), 0);
    expect_numbered(pair.end[1], 1, ARENA / 2);
    expect_numbered(pair.end[1], 2, INLINE);
    expect_numbered(pair.end[1], 3, ARENA);
    expect_numbered(pair.end[1], 4, INLINE + 1);
    pair_close(&pair);
}

static void test_a_full_socket_is_no_room(void **state)
{
    (void)state;
    struct pair pair;
    struct aimp_error err;
    uint32_t sent = 0;
    uint32_t received = 0;
    int rc;
    pair_open(&pair, 64 * KIB, 4 * KIB, 1);
    while ((rc = send_numbered(pair.end[0], CHANNEL_PARENT, sent, 9 * KIB, &err)) == 0)
        sent++;
    assert_int_equal(rc, AIMP_EFULL);
    assert_int_equal(err.os_errno, 0);
    assert_true(sent < 64 * KIB / 56); /* the socket was full, not the ring */
    assert_false(aimp__channel_has_room(pair.end[0]));
    while (!aimp__channel_has_room(pair.end[0]))
        expect_numbered(pair.end[1], received++, 9 * KIB);
    assert_int_equal(received, 1);
    while ((rc = send_numbered(pair.end[0], CHANNEL_PARENT, sent, 9 * KIB, &err)) == AIMP_EFULL)
        expect_numbered(pair.end[1], received++, 9 * KIB);
    assert_int_equal(rc, 0);
    sent++;
    while (received < sent)
        expect_numbered(pair.end[1], received++, 9 * KIB);
    expect_nothing(pair.end[1]);
    pair_close(&pair);
}

static void set_limit(int what, rlim_t value, struct rlimit *old)
{
    getrlimit(what, old);
    struct rlimit limit = {.rlim_cur = value, .rlim_max = old->rlim_max};
    assert_int_equal(setrlimit(what, &limit), 0);
}

/* No fd for a one-shot: the sender is told and loses nothing. */
static void test_a_refused_oneshot_is_an_error_with_errno(void **state)
{
    (void)state;
    struct pair pair;
    struct aimp_error err;
    struct rlimit old;
    pair_open(&pair, RING, ARENA, 1);
    set_limit(RLIMIT_NOFILE, 0, &old);
    assert_int_equal(send_numbered(pair.end[0], CHANNEL_PARENT, 0, ARENA, &err), AIMP_EFULL);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_int_equal(err.code, AIMP_EFULL);
    assert_int_equal(err.os_errno, EMFILE);
    assert_false(aimp__channel_has_room(pair.end[0]));
    set_limit(RLIMIT_FSIZE, ARENA - 1, &old);
    assert_int_equal(send_numbered(pair.end[0], CHANNEL_PARENT, 0, ARENA, &err), AIMP_EFULL);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(err.os_errno, EFBIG);
    expect_nothing(pair.end[1]);
    assert_int_equal(send_numbered(pair.end[0], CHANNEL_PARENT, 0, ARENA, &err), 0);
    expect_numbered(pair.end[1], 0, ARENA);
    pair_close(&pair);
}

/* All fds that the process may have, but `room`. */
struct hoard {
    struct rlimit old;
    int fds[256];
    int count;
};

static void hoard_fds(struct hoard *hoard, int room)
{
    hoard->count = 0;
    set_limit(RLIMIT_NOFILE, 256, &hoard->old);
    while ((hoard->fds[hoard->count] = dup(STDERR_FILENO)) >= 0)
        hoard->count++;
    assert_true(hoard->count > room);
    while (room-- > 0)
        close(hoard->fds[--hoard->count]);
}

static void release_fds(struct hoard *hoard)
{
    while (hoard->count > 0)
        close(hoard->fds[--hoard->count]);
    setrlimit(RLIMIT_NOFILE, &hoard->old);
}

/* The receiver keeps an fd in reserve, or the kernel would drop the one-shot. */
static void test_a_oneshot_comes_at_the_limit_of_fds(void **state)
{
    (void)state;
    struct pair pair;
    struct hoard hoard;
    pair_open(&pair, RING, ARENA, 1);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(send_numbered(pair.end[0], CHANNEL_PARENT, i, ARENA, NULL), 0);
    hoard_fds(&hoard, 0);
    for (uint32_t i = 0; i < 3; i++)
        expect_numbered(pair.end[1], i, ARENA);
    release_fds(&hoard);
    pair_close(&pair);
}

static void test_creation_fails_cleanly_at_limits(void **state)
{
    (void)state;
    struct channel_sizes sizes = {RING, ARENA, 16};
    struct aimp_error err;
    struct rlimit old;
    struct pair pair;
    struct channel *channel = NULL;
    pair_open(&pair, RING, ARENA, 1);
    int before = count_fds();
    set_limit(RLIMIT_FSIZE, RING, &old);
    assert_int_equal(aimp__channel_create(&channel, &sizes, pair.ctl[0], -1, -1, &err), AIMP_ESYS);
    assert_int_equal(err.os_errno, EFBIG);
    setrlimit(RLIMIT_FSIZE, &old);
    int failed = 0; /* at the Nth fd, each N */
    for (int room = 0; !channel; room++) {
        struct hoard hoard;
        hoard_fds(&hoard, room);
        int rc = aimp__channel_create(&channel, &sizes, pair.ctl[0], -1, -1, &err);
        release_fds(&hoard);
        failed += rc != 0;
        assert_true(rc == 0 || (rc == AIMP_ESYS && err.os_errno == EMFILE));
        assert_true(room < 10);
    }
    assert_int_equal(failed, 2); /* the reserve, the memfd */
    aimp__channel_free(channel);
    assert_int_equal(count_fds(), before);
    pair_close(&pair);
}

static void test_without_a_socket_there_are_no_oneshots(void **state)
{
    (void)state;
    struct channel_sizes sizes = {RING, ARENA, 1};
    struct channel *channel;
    assert_int_equal(aimp__channel_create(&channel, &sizes, -1, -1, -1, NULL), 0);
    assert_int_equal(send_numbered(channel, CHANNEL_PARENT, 0, ARENA / 2, NULL), 0);
    assert_int_equal(send_numbered(channel, CHANNEL_PARENT, 0, ARENA, NULL), AIMP_EINVAL);
    aimp__channel_wake_peer(channel);
    aimp__channel_free(channel);
    aimp__channel_free(NULL);
}

static void test_a_dead_peer_is_told_for_oneshots(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, RING, ARENA, 1);
    assert_int_equal(send_numbered(pair.end[1], CHANNEL_WORKER, 0, ARENA, NULL), 0);
    aimp__channel_free(pair.end[1]);
    pair.end[1] = NULL;
    close(pair.ctl[1]);
    pair.ctl[1] = aimp__wake_open(NULL);
    assert_int_equal(send_numbered(pair.end[0], CHANNEL_PARENT, 0, ARENA, NULL), AIMP_ECLOSED);
    expect_numbered(pair.end[0], 0, ARENA); /* its last words still come */
    pair_close(&pair);
}

static int attach_with(struct layout_header *header, size_t size)
{
    struct channel *channel = NULL;
    int fd = aimp__memfd_create("test", size, NULL);
    assert_int_equal(pwrite(fd, header, sizeof *header, 0), sizeof *header);
    int rc = aimp__channel_attach(&channel, fd, -1, -1, -1, NULL);
    aimp__channel_free(channel);
    close(fd);
    return rc;
}

static void test_attach_checks_the_header(void **state)
{
    (void)state;
    struct channel_sizes sizes = {RING, ARENA, 5};
    struct layout layout;
    static struct layout_header good = {LAYOUT_MAGIC, LAYOUT_VERSION, RING, ARENA, 5};
    static struct layout_header bad; /* static: padding that is written is zero */
    assert_int_equal(aimp__layout_compute(&layout, &sizes, NULL), 0);
    size_t size = layout.file_bytes;
    assert_int_equal(attach_with(&good, size), 0);
    assert_int_equal(attach_with(&good, size + 4 * KIB), AIMP_ECORRUPT);
    assert_int_equal(attach_with(&good, size - 4 * KIB), AIMP_ECORRUPT);
    bad = good, bad.magic++;
    assert_int_equal(attach_with(&bad, size), AIMP_ECORRUPT);
    bad = good, bad.version++;
    assert_int_equal(attach_with(&bad, size), AIMP_EVERSION);
    bad = good, bad.ring_bytes = UINT64_MAX;
    assert_int_equal(attach_with(&bad, size), AIMP_ECORRUPT);
    bad = good, bad.arena_bytes = 0;
    assert_int_equal(attach_with(&bad, size), AIMP_ECORRUPT);
    bad = good, bad.cells = ((uint64_t)1 << 32) + 5;
    assert_int_equal(attach_with(&bad, size), AIMP_ECORRUPT);
    struct channel *channel;
    int plain = memfd_create("test", 0);
    assert_int_equal(aimp__channel_attach(&channel, plain, -1, -1, -1, NULL), AIMP_ECORRUPT);
    close(plain);
    assert_int_equal(aimp__channel_attach(&channel, -1, -1, -1, -1, NULL), AIMP_ECORRUPT);
}

/* Callers may correct a payload in place (NaNs), of every class. */
static void test_payloads_are_the_receivers_own(void **state)
{
    (void)state;
    const size_t sizes[] = {16, INLINE + 8, ARENA};
    struct pair pair;
    pair_open(&pair, RING, ARENA, 1);
    for (uint32_t i = 0; i < 3; i++) {
        struct frame frame;
        const void *payload;
        assert_int_equal(send_numbered(pair.end[1], CHANNEL_WORKER, i, sizes[i], NULL), 0);
        assert_int_equal(aimp__channel_receive(pair.end[0], &frame, &payload, NULL), 1);
        assert_int_equal((uintptr_t)payload % 16, 0);
        memset((void *)payload, 0, sizes[i]);
        assert_int_equal(((const uint8_t *)payload)[sizes[i] - 1], 0);
    }
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_out_of_range_are_refused),
        cmocka_unit_test(test_every_size_in_both_directions),
        cmocka_unit_test(test_64_mib),
        cmocka_unit_test(test_wrap_around_in_bursts),
        cmocka_unit_test(test_a_full_ring_refuses_and_takes_again),
        cmocka_unit_test(test_a_full_arena_lets_small_frames_through),
        cmocka_unit_test(test_a_full_socket_is_no_room),
        cmocka_unit_test(test_a_refused_oneshot_is_an_error_with_errno),
        cmocka_unit_test(test_a_oneshot_comes_at_the_limit_of_fds),
        cmocka_unit_test(test_creation_fails_cleanly_at_limits),
        cmocka_unit_test(test_without_a_socket_there_are_no_oneshots),
        cmocka_unit_test(test_a_dead_peer_is_told_for_oneshots),
        cmocka_unit_test(test_attach_checks_the_header),
        cmocka_unit_test(test_payloads_are_the_receivers_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
