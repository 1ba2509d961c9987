/* Descriptors that travel with frames, between honest sides: order, limits, and
 * that none stays open that nobody took. */
/* SPDX-License-Identifier: MIT */
#include "ipc/test_pair.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define RING  (4 * KIB)
#define ARENA (16 * KIB)
#define MOST  CHANNEL_FD_PAYLOAD

static int count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* A file whose first word is `seed`. */
static int new_file(uint32_t seed)
{
    int fd = memfd_create("test", 0);
    assert_int_equal(write(fd, &seed, sizeof seed), sizeof seed);
    return fd;
}

/* The fd is the caller's still. */
static int send_fd(struct channel *channel, enum channel_side side, uint32_t seed, size_t len,
                   int fd, struct aimp_error *err)
{
    uint8_t data[RING];
    fill(data, len, seed);
    struct frame frame = {
        .kind = kind_from(side), .first = seed, .fn = ~seed, .aux = mix(seed), .len = len};
    return aimp__channel_send_fd(channel, &frame, data, fd, err);
}

/* Sends number `seed` with a file of its own. */
static int send_file(struct channel *channel, enum channel_side side, uint32_t seed, size_t len,
                     struct aimp_error *err)
{
    int fd = new_file(seed);
    int rc = send_fd(channel, side, seed, len, fd, err);
    close(fd);
    return rc;
}

static void expect_file(struct channel *channel, uint32_t seed, size_t len)
{
    uint32_t found;
    expect_numbered(channel, seed, len);
    int fd = aimp__channel_take_fd(channel);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(pread(fd, &found, sizeof found, 0), sizeof found);
    assert_int_equal(found, seed);
    assert_int_equal(aimp__channel_take_fd(channel), -1); /* once */
    close(fd);
}

static void test_with_payloads_of_every_size_in_both_directions(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 8, 9, MOST - 1, MOST};
    int before = count_fds();
    struct pair pair;
    pair_open(&pair, RING, ARENA, 1);
    for (enum channel_side side = CHANNEL_PARENT; side <= CHANNEL_WORKER; side++)
        for (uint32_t i = 0; i < 100; i++) {
            size_t len = sizes[i % (sizeof sizes / sizeof sizes[0])];
            assert_int_equal(send_file(pair.end[side], side, i, len, NULL), 0);
            expect_file(pair.end[!side], i, len);
            expect_nothing(pair.end[!side]);
        }
    pair_close(&pair);
    assert_int_equal(count_fds(), before);
}

static void test_too_long_a_payload_is_refused(void **state)
{
    (void)state;
    struct pair pair;
    struct aimp_error err;
    pair_open(&pair, RING, ARENA, 1);
    assert_int_equal(send_file(pair.end[0], CHANNEL_PARENT, 1, MOST + 1, &err), AIMP_EINVAL);
    expect_nothing(pair.end[1]);
    assert_int_equal(send_file(pair.end[0], CHANNEL_PARENT, 2, 8, &err), 0);
    expect_file(pair.end[1], 2, 8);
    pair_close(&pair);
}

/* With frames and one-shots before, between and behind them, which share the socket. */
static void test_in_order_with_everything_else(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, RING, ARENA, 1);
    for (uint32_t i = 0; i < 20; i++) {
        uint32_t seed = 10 * i;
        assert_int_equal(send_numbered(pair.end[0], CHANNEL_PARENT, seed, ARENA, NULL), 0);
        assert_int_equal(send_file(pair.end[0], CHANNEL_PARENT, seed + 1, 8, NULL), 0);
        assert_int_equal(send_file(pair.end[0], CHANNEL_PARENT, seed + 2, 8, NULL), 0);
        assert_int_equal(send_numbered(pair.end[0], CHANNEL_PARENT, seed + 3, 8, NULL), 0);
        assert_int_equal(send_numbered(pair.end[0], CHANNEL_PARENT, seed + 4, ARENA, NULL), 0);
        expect_numbered(pair.end[1], seed, ARENA);
        assert_int_equal(aimp__channel_take_fd(pair.end[1]), -1); /* it is the channel's own */
        expect_file(pair.end[1], seed + 1, 8);
        expect_file(pair.end[1], seed + 2, 8);
        expect_numbered(pair.end[1], seed + 3, 8);
        assert_int_equal(aimp__channel_take_fd(pair.end[1]), -1);
        expect_numbered(pair.end[1], seed + 4, ARENA);
    }
    pair_close(&pair);
}

static void test_what_nobody_takes_is_closed(void **state)
{
    (void)state;
    struct pair pair;
    int at_first = count_fds();
    pair_open(&pair, RING, ARENA, 1);
    int before = count_fds();
    assert_int_equal(send_file(pair.end[1], CHANNEL_WORKER, 1, 8, NULL), 0);
    assert_int_equal(send_file(pair.end[1], CHANNEL_WORKER, 2, 8, NULL), 0);
    expect_numbered(pair.end[0], 1, 8);
    assert_int_equal(count_fds(), before + 1);
    expect_numbered(pair.end[0], 2, 8);
    assert_int_equal(count_fds(), before + 1);
    expect_nothing(pair.end[0]);
    assert_int_equal(count_fds(), before);
    assert_int_equal(send_file(pair.end[1], CHANNEL_WORKER, 3, 8, NULL), 0);
    expect_numbered(pair.end[0], 3, 8);
    pair_close(&pair); /* with one that nobody took */
    assert_int_equal(count_fds(), at_first);
}

static void test_a_full_ring_passes_nothing(void **state)
{
    (void)state;
    struct pair pair;
    struct aimp_error err;
    uint32_t sent = 0;
    pair_open(&pair, RING, ARENA, 1);
    while (send_numbered(pair.end[0], CHANNEL_PARENT, sent, 8, NULL) == 0)
        sent++;
    assert_int_equal(send_file(pair.end[0], CHANNEL_PARENT, sent, 8, &err), AIMP_EFULL);
    assert_int_equal(err.os_errno, 0);
    expect_numbered(pair.end[1], 0, 8);
    assert_true(aimp__channel_has_room(pair.end[0]));
    assert_int_equal(send_file(pair.end[0], CHANNEL_PARENT, sent, 8, &err), 0);
    for (uint32_t i = 1; i < sent; i++)
        expect_numbered(pair.end[1], i, 8);
    expect_file(pair.end[1], sent, 8);
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
    pair_open(&pair, 64 * KIB, ARENA, 1);
    for (; sent < 10; sent++) /* what was received before is no room now */
        assert_int_equal(send_file(pair.end[0], CHANNEL_PARENT, sent, 0, &err), 0);
    while (received < 5)
        expect_file(pair.end[1], received++, 0);
    while ((rc = send_file(pair.end[0], CHANNEL_PARENT, sent, 0, &err)) == 0)
        sent++;
    assert_int_equal(rc, AIMP_EFULL);
    assert_int_equal(err.os_errno, 0);
    assert_true(sent > 10 && sent < 64 * KIB / 56); /* the socket was full, not the ring */
    assert_false(aimp__channel_has_room(pair.end[0]));
    expect_file(pair.end[1], received++, 0);
    assert_true(aimp__channel_has_room(pair.end[0]));
    while ((rc = send_file(pair.end[0], CHANNEL_PARENT, sent, 0, &err)) == AIMP_EFULL)
        expect_file(pair.end[1], received++, 0);
    assert_int_equal(rc, 0);
    while (received <= sent)
        expect_file(pair.end[1], received++, 0);
    expect_nothing(pair.end[1]);
    pair_close(&pair);
}

#define MANY 20000u

/* Takes all that comes, and sleeps in between. */
static void take_many(struct pair *pair)
{
    struct channel *in = pair->end[CHANNEL_WORKER];
    struct frame frame;
    const void *payload;
    for (uint32_t taken = 0; taken < MANY;) {
        if (aimp__channel_receive(in, &frame, &payload, NULL) == 1) {
            taken += close(aimp__channel_take_fd(in)) == 0;
            aimp__channel_wake_peer(in);
        } else if (aimp__channel_sleep_begin(in)) {
            struct pollfd entry = {.fd = pair->wake[CHANNEL_WORKER], .events = POLLIN};
            poll(&entry, 1, -1);
            aimp__wake_drain(pair->wake[CHANNEL_WORKER]);
            aimp__channel_sleep_end(in);
        }
    }
    _exit(0);
}

/* False: nobody rang for seconds. */
static bool wait_for_room(const struct pair *pair)
{
    struct channel *out = pair->end[CHANNEL_PARENT];
    struct pollfd entry = {.fd = pair->wake[CHANNEL_PARENT], .events = POLLIN};
    bool is_rung = true;
    aimp__channel_wake_peer(out);
    if (aimp__channel_sleep_begin(out)) {
        is_rung = poll(&entry, 1, 10000) == 1;
        aimp__wake_drain(pair->wake[CHANNEL_PARENT]);
        aimp__channel_sleep_end(out);
    }
    return is_rung;
}

/* Whoever found no room and sleeps is rung, whatever the receiver did in between. */
static void test_a_sender_without_room_is_always_rung(void **state)
{
    (void)state;
    struct pair pair;
    struct aimp_error err;
    int status;
    uint32_t waits = 0;
    pair_create(&pair, 64 * KIB, ARENA, 1);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pair_attach(&pair);
        take_many(&pair);
    }
    for (uint32_t i = 0; i < MANY; i++)
        while (send_fd(pair.end[0], CHANNEL_PARENT, i, 0, STDERR_FILENO, &err) != 0) {
            assert_int_equal(err.code, AIMP_EFULL);
            assert_int_equal(err.os_errno, 0);
            assert_true(wait_for_room(&pair));
            waits++;
        }
    aimp__channel_wake_peer(pair.end[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(waits > 0);
    pair_close(&pair);
}

static void test_without_a_socket(void **state)
{
    (void)state;
    struct channel_sizes sizes = {RING, ARENA, 1};
    struct channel *channel;
    assert_int_equal(aimp__channel_create(&channel, &sizes, -1, -1, -1, NULL), 0);
    assert_int_equal(send_file(channel, CHANNEL_PARENT, 0, 8, NULL), AIMP_EINVAL);
    assert_int_equal(send_numbered(channel, CHANNEL_PARENT, 0, 8, NULL), 0);
    aimp__channel_free(channel);
}

/* All fds that the process may have. */
static int hoard[256];
static int hoarded;

static void hoard_fds(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = sizeof hoard / sizeof hoard[0];
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (hoarded = 0; (hoard[hoarded] = dup(STDERR_FILENO)) >= 0; hoarded++)
        continue;
    assert_int_equal(errno, EMFILE);
}

static void release_fds(void)
{
    while (hoarded > 0)
        close(hoard[--hoarded]);
}

/* The frame comes without it, and the reserve is still there for one-shots, which cannot do
 * without. */
static void test_at_the_limit_of_open_files_a_descriptor_is_dropped(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, RING, ARENA, 1);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(send_file(pair.end[0], CHANNEL_PARENT, 3 * i, 8, NULL), 0);
        assert_int_equal(send_numbered(pair.end[0], CHANNEL_PARENT, 3 * i + 1, ARENA, NULL), 0);
        hoard_fds();
        expect_numbered(pair.end[1], 3 * i, 8);
        assert_int_equal(aimp__channel_take_fd(pair.end[1]), -1);
        expect_numbered(pair.end[1], 3 * i + 1, ARENA);
        release_fds();
        assert_int_equal(send_file(pair.end[0], CHANNEL_PARENT, 3 * i + 2, 8, NULL), 0);
        expect_file(pair.end[1], 3 * i + 2, 8);
    }
    pair_close(&pair);
}

/* The kernel drops it, reserve or not. */
static void test_with_no_open_files_allowed_a_descriptor_is_dropped(void **state)
{
    (void)state;
    struct pair pair;
    struct rlimit old;
    pair_open(&pair, RING, ARENA, 1);
    getrlimit(RLIMIT_NOFILE, &old);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = old.rlim_max};
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(send_file(pair.end[0], CHANNEL_PARENT, 2 * i, 8, NULL), 0);
        setrlimit(RLIMIT_NOFILE, &none);
        expect_numbered(pair.end[1], 2 * i, 8);
        assert_int_equal(aimp__channel_take_fd(pair.end[1]), -1);
        setrlimit(RLIMIT_NOFILE, &old);
        assert_int_equal(send_file(pair.end[0], CHANNEL_PARENT, 2 * i + 1, 8, NULL), 0);
        expect_file(pair.end[1], 2 * i + 1, 8);
    }
    pair_close(&pair);
}

static void test_an_fd_that_is_none_is_told_and_passes_nothing(void **state)
{
    (void)state;
    struct pair pair;
    struct aimp_error err;
    pair_open(&pair, RING, ARENA, 1);
    assert_int_equal(send_fd(pair.end[0], CHANNEL_PARENT, 0, 8, 999, &err), AIMP_EFULL);
    assert_int_equal(err.os_errno, EBADF);
    expect_nothing(pair.end[1]);
    assert_int_equal(send_file(pair.end[0], CHANNEL_PARENT, 0, 8, &err), 0);
    expect_file(pair.end[1], 0, 8);
    pair_close(&pair);
}

static bool is_hung_up(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    return poll(&entry, 1, 0) == 1 && (entry.revents & POLLHUP);
}

/* Who never receives it does not keep it open either. */
static void test_a_peer_that_is_gone_before_it_took_one(void **state)
{
    (void)state;
    struct pair pair;
    int ends[2];
    pair_open(&pair, RING, ARENA, 1);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(send_fd(pair.end[0], CHANNEL_PARENT, 0, 8, ends[1], NULL), 0);
    close(ends[1]);
    assert_false(is_hung_up(ends[0]));
    pair_close(&pair);
    assert_true(is_hung_up(ends[0]));
    close(ends[0]);
}

static void test_a_peer_that_is_gone_is_told(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, RING, ARENA, 1);
    assert_int_equal(send_file(pair.end[1], CHANNEL_WORKER, 7, 8, NULL), 0);
    aimp__channel_free(pair.end[1]);
    pair.end[1] = NULL;
    close(pair.ctl[1]);
    pair.ctl[1] = aimp__wake_open(NULL);
    assert_int_equal(send_file(pair.end[0], CHANNEL_PARENT, 0, 8, NULL), AIMP_ECLOSED);
    expect_file(pair.end[0], 7, 8); /* its last words still come */
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_with_payloads_of_every_size_in_both_directions),
        cmocka_unit_test(test_too_long_a_payload_is_refused),
        cmocka_unit_test(test_in_order_with_everything_else),
        cmocka_unit_test(test_what_nobody_takes_is_closed),
        cmocka_unit_test(test_a_full_ring_passes_nothing),
        cmocka_unit_test(test_a_full_socket_is_no_room),
        cmocka_unit_test(test_a_sender_without_room_is_always_rung),
        cmocka_unit_test(test_without_a_socket),
        cmocka_unit_test(test_with_no_open_files_allowed_a_descriptor_is_dropped),
        cmocka_unit_test(test_an_fd_that_is_none_is_told_and_passes_nothing),
        cmocka_unit_test(test_a_peer_that_is_gone_before_it_took_one),
        cmocka_unit_test(test_a_peer_that_is_gone_is_told),
        cmocka_unit_test(test_at_the_limit_of_open_files_a_descriptor_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
