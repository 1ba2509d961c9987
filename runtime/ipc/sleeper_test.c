/* Wake-ups: none lost, none needless; and two processes that wait for each other
 * asleep, also with everything full. A lost wake-up ends in a poll that times out. */
/* SPDX-License-Identifier: MIT */
#include "ipc/sleeper.h"
#include "ipc/test_pair.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define LOST_MS 30000

static bool has_rung(const struct pair *pair, enum channel_side side)
{
    struct pollfd entry = {.fd = pair->wake[side], .events = POLLIN};
    bool rung = poll(&entry, 1, 0) == 1;
    aimp__wake_drain(pair->wake[side]);
    return rung;
}

static void send_small(struct pair *pair, enum channel_side side)
{
    assert_int_equal(send_numbered(pair->end[side], side, 0, 8, NULL), 0);
}

static void test_a_sleeper_is_rung_once(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, 4 * KIB, 4 * KIB, 1);
    send_small(&pair, CHANNEL_PARENT);
    aimp__channel_wake_peer(pair.end[0]);
    assert_false(has_rung(&pair, CHANNEL_WORKER));        /* it was awake */
    assert_false(aimp__channel_sleep_begin(pair.end[1])); /* there is input */
    expect_numbered(pair.end[1], 0, 8);
    assert_true(aimp__channel_sleep_begin(pair.end[1]));
    aimp__channel_wake_peer(pair.end[0]);
    assert_false(has_rung(&pair, CHANNEL_WORKER)); /* nothing since the last call */
    send_small(&pair, CHANNEL_PARENT);
    aimp__channel_wake_peer(pair.end[0]);
    assert_true(has_rung(&pair, CHANNEL_WORKER));
    send_small(&pair, CHANNEL_PARENT);
    aimp__channel_wake_peer(pair.end[0]);
    assert_false(has_rung(&pair, CHANNEL_WORKER)); /* rung already */
    aimp__channel_sleep_end(pair.end[1]);
    send_small(&pair, CHANNEL_PARENT);
    aimp__channel_wake_peer(pair.end[0]);
    assert_false(has_rung(&pair, CHANNEL_WORKER));
    pair_close(&pair);
}

static void test_room_rings_only_who_waits_for_it(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, 4 * KIB, 4 * KIB, 1);
    for (int i = 0; i < 4 * 1024 / 64; i++)
        send_small(&pair, CHANNEL_PARENT);
    assert_true(aimp__channel_sleep_begin(pair.end[0])); /* for input alone */
    expect_numbered(pair.end[1], 0, 8);
    aimp__channel_wake_peer(pair.end[1]);
    assert_false(has_rung(&pair, CHANNEL_PARENT));
    aimp__channel_sleep_end(pair.end[0]);
    assert_int_equal(send_numbered(pair.end[0], CHANNEL_PARENT, 0, 200, NULL), AIMP_EFULL);
    assert_true(aimp__channel_sleep_begin(pair.end[0])); /* for 256 bytes of room */
    for (int i = 0; i < 2; i++) {
        expect_numbered(pair.end[1], 0, 8);
        aimp__channel_wake_peer(pair.end[1]);
        assert_false(has_rung(&pair, CHANNEL_PARENT));
    }
    expect_numbered(pair.end[1], 0, 8);
    aimp__channel_wake_peer(pair.end[1]);
    assert_true(has_rung(&pair, CHANNEL_PARENT));
    assert_true(aimp__channel_has_room(pair.end[0]));
    aimp__channel_sleep_end(pair.end[0]);
    assert_int_equal(send_numbered(pair.end[0], CHANNEL_PARENT, 0, 200, NULL), 0);
    pair_close(&pair);
}

static void test_arena_room_rings(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, 4 * KIB, 4 * KIB, 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(send_numbered(pair.end[1], CHANNEL_WORKER, 0, 2 * KIB, NULL), 0);
    assert_int_equal(send_numbered(pair.end[1], CHANNEL_WORKER, 0, 1 * KIB, NULL), AIMP_EFULL);
    assert_true(aimp__channel_sleep_begin(pair.end[1]));
    expect_numbered(pair.end[0], 0, 2 * KIB);
    aimp__channel_wake_peer(pair.end[0]);
    assert_true(has_rung(&pair, CHANNEL_WORKER));
    assert_true(aimp__channel_has_room(pair.end[1]));
    pair_close(&pair);
}

/* Who is told of room and does not use it is let sleep. */
static void test_room_ends_one_sleep(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, 4 * KIB, 4 * KIB, 1);
    while (send_numbered(pair.end[0], CHANNEL_PARENT, 0, 8, NULL) == 0)
        continue;
    expect_numbered(pair.end[1], 0, 8);
    assert_false(aimp__channel_sleep_begin(pair.end[0]));
    assert_true(aimp__channel_has_room(pair.end[0]));
    assert_true(aimp__channel_sleep_begin(pair.end[0]));
    assert_false(aimp__channel_has_room(pair.end[0]));
    pair_close(&pair);
}

/* ---- two processes ---- */

/* Sleeps unless something came. False: nobody rang. */
static bool nap(struct pair *pair, enum channel_side side)
{
    if (!aimp__channel_sleep_begin(pair->end[side]))
        return true;
    struct pollfd entry = {.fd = pair->wake[side], .events = POLLIN};
    int rc = poll(&entry, 1, LOST_MS);
    aimp__wake_drain(pair->wake[side]);
    aimp__channel_sleep_end(pair->end[side]);
    return rc == 1;
}

static bool receive_asleep(struct pair *pair, enum channel_side side, uint32_t expected)
{
    struct frame frame;
    const void *payload;
    int rc;
    while ((rc = aimp__channel_receive(pair->end[side], &frame, &payload, NULL)) == 0)
        if (!nap(pair, side))
            return false;
    return rc == 1 && is_numbered(&frame, payload, expected, 8);
}

#define TRIPS 100000u

static bool answer_all(struct pair *pair)
{
    for (uint32_t i = 0; i < TRIPS; i++) {
        if (!receive_asleep(pair, CHANNEL_WORKER, i) ||
            send_numbered(pair->end[1], CHANNEL_WORKER, i, 8, NULL) != 0)
            return false;
        aimp__channel_wake_peer(pair->end[1]);
    }
    return true;
}

static pid_t fork_worker(struct pair *pair, bool (*body)(struct pair *pair))
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pair_attach(pair);
        _exit(body(pair) ? 0 : 1);
    }
    assert_true(pid > 0);
    return pid;
}

static void expect_exit(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_ping_pong_asleep(void **state)
{
    (void)state;
    struct pair pair;
    pair_create(&pair, 4 * KIB, 4 * KIB, 1);
    pid_t pid = fork_worker(&pair, answer_all);
    for (uint32_t i = 0; i < TRIPS; i++) {
        send_numbered(pair.end[0], CHANNEL_PARENT, i, 8, NULL);
        aimp__channel_wake_peer(pair.end[0]);
        assert_true(receive_asleep(&pair, CHANNEL_PARENT, i));
    }
    expect_exit(pid);
    pair_close(&pair);
}

#define FLOOD 20000u

/* All classes: the ring holds a few dozen frames, the arena a handful of payloads. */
static size_t flood_size(uint32_t i)
{
    uint64_t random = mix(i);
    if (random % 64 == 0)
        return 3 * KIB; /* a one-shot: over half the arena */
    return (random >> 8) % (random % 4 ? 64 : 2 * KIB);
}

/* One round: sends one, receives what is there. return: progress, or -1 */
static int exchange(struct pair *pair, enum channel_side side, uint32_t *sent, uint32_t *received)
{
    struct channel *channel = pair->end[side];
    struct frame frame;
    const void *payload;
    int progress = 0;
    int rc =
        *sent < FLOOD ? send_numbered(channel, side, *sent, flood_size(*sent), NULL) : AIMP_EFULL;
    if (rc != 0 && rc != AIMP_EFULL)
        return -1;
    if (rc == 0)
        *sent += 1, progress = 1;
    /* starts to read only when it cannot write: so that both become full */
    while (rc == AIMP_EFULL && (rc = aimp__channel_receive(channel, &frame, &payload, NULL)) != 0) {
        if (rc < 0 || !is_numbered(&frame, payload, *received, flood_size(*received)))
            return -1;
        *received += 1, progress = 1, rc = AIMP_EFULL;
    }
    return progress;
}

static bool flood(struct pair *pair, enum channel_side side)
{
    uint32_t sent = 0;
    uint32_t received = 0;
    while (sent < FLOOD || received < FLOOD) {
        int progress = exchange(pair, side, &sent, &received);
        aimp__channel_wake_peer(pair->end[side]);
        if (progress < 0 || (progress == 0 && !nap(pair, side)))
            return false;
    }
    return true;
}

static bool flood_up(struct pair *pair)
{
    return flood(pair, CHANNEL_WORKER);
}

static void test_both_full_at_once(void **state)
{
    (void)state;
    struct pair pair;
    pair_create(&pair, 4 * KIB, 4 * KIB, 1);
    pid_t pid = fork_worker(&pair, flood_up);
    assert_true(flood(&pair, CHANNEL_PARENT));
    expect_exit(pid);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sleeper_is_rung_once),
        cmocka_unit_test(test_room_rings_only_who_waits_for_it),
        cmocka_unit_test(test_arena_room_rings),
        cmocka_unit_test(test_room_ends_one_sleep),
        cmocka_unit_test(test_ping_pong_asleep),
        cmocka_unit_test(test_both_full_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
