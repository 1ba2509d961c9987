/* A peer that writes what it likes into the shared memory and the socket: it is
 * noticed or does no harm, and is never followed out of bounds. */
/* SPDX-License-Identifier: MIT */
#include "ipc/channel_state.h"
#include "ipc/test_pair.h"
#include "os/memfd.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define RING                (4 * KIB)
#define ARENA               (8 * KIB)
#define INLINE              (RING / 8)
#define CELLS               8u
#define AT(place, position) ((uint64_t)(place) << WIRE_PLACE_SHIFT | (position))

/* The victim and the raw memory that its peer can write. */
struct attack {
    struct pair pair;
    enum channel_side victim;
    struct channel_shared *shared;
    uint8_t *ring; /* towards the victim */
    size_t size;
};

static void attack_open(struct attack *attack, enum channel_side victim)
{
    struct channel_sizes sizes = {RING, ARENA, CELLS};
    struct layout layout;
    pair_open(&attack->pair, RING, ARENA, CELLS);
    aimp__layout_compute(&layout, &sizes, NULL);
    attack->victim = victim;
    attack->size = layout.file_bytes;
    attack->shared = mmap(NULL, attack->size, PROT_READ | PROT_WRITE, MAP_SHARED,
                          aimp__channel_memfd(attack->pair.end[0]), 0);
    assert_ptr_not_equal(attack->shared, MAP_FAILED);
    size_t first = layout.ring[CHANNEL_PARENT];
    size_t to_worker = victim == CHANNEL_WORKER ? first : first + RING + ARENA;
    attack->ring = (uint8_t *)attack->shared + to_worker;
}

static void attack_close(struct attack *attack)
{
    munmap(attack->shared, attack->size);
    pair_close(&attack->pair);
}

static struct channel *victim_of(struct attack *attack)
{
    return attack->pair.end[attack->victim];
}

static int receive(struct attack *attack)
{
    struct frame frame;
    const void *payload;
    return aimp__channel_receive(victim_of(attack), &frame, &payload, NULL);
}

/* Everything that a loop does with a channel is quiet once it is corrupt. */
static void expect_corrupt_for_ever(struct attack *attack)
{
    struct channel *victim = victim_of(attack);
    struct aimp_error err;
    assert_int_equal(receive(attack), AIMP_ECORRUPT);
    assert_int_equal(send_numbered(victim, attack->victim, 0, 1, &err), AIMP_ECORRUPT);
    assert_int_equal(err.code, AIMP_ECORRUPT);
    assert_false(aimp__channel_has_input(victim));
    assert_false(aimp__channel_has_room(victim));
    assert_true(aimp__channel_sleep_begin(victim));
    aimp__channel_sleep_end(victim);
    aimp__channel_wake_peer(victim);
}

static void place_frame(struct attack *attack, const struct wire_frame *wire, uint64_t head)
{
    memcpy(attack->ring, wire, sizeof *wire);
    attack->shared->flow[!attack->victim].head = head;
}

static struct wire_frame good_frame(enum channel_side victim)
{
    struct wire_frame wire = {.where = AT(WIRE_INLINE, 0)};
    wire.frame.kind = kind_from(victim == CHANNEL_PARENT ? CHANNEL_WORKER : CHANNEL_PARENT);
    wire.frame.len = 8;
    return wire;
}

static void expect_refused(enum channel_side victim, const struct wire_frame *wire, uint64_t head)
{
    struct attack attack;
    attack_open(&attack, victim);
    place_frame(&attack, wire, head);
    assert_int_equal(receive(&attack), AIMP_ECORRUPT);
    expect_corrupt_for_ever(&attack);
    attack_close(&attack);
}

static void test_the_good_frame_is_taken(void **state)
{
    (void)state;
    for (enum channel_side victim = CHANNEL_PARENT; victim <= CHANNEL_WORKER; victim++) {
        struct attack attack;
        struct wire_frame wire = good_frame(victim);
        attack_open(&attack, victim);
        place_frame(&attack, &wire, 64);
        assert_int_equal(receive(&attack), 1);
        assert_int_equal(receive(&attack), 0);
        attack_close(&attack);
    }
}

static void test_kinds(void **state)
{
    (void)state;
    const uint32_t for_parent[] = {0, FRAME_START, FRAME_CALL, 64, FRAME_UP_END, UINT32_MAX};
    const uint32_t for_worker[] = {0, FRAME_DOWN_END, 64, FRAME_HELLO, FRAME_RESULT, UINT32_MAX};
    for (size_t i = 0; i < sizeof for_parent / sizeof for_parent[0]; i++) {
        struct wire_frame wire = good_frame(CHANNEL_PARENT);
        wire.frame.kind = for_parent[i];
        expect_refused(CHANNEL_PARENT, &wire, 64);
        wire.frame.kind = for_worker[i];
        expect_refused(CHANNEL_WORKER, &wire, 64);
    }
}

static void test_lengths_and_places(void **state)
{
    (void)state;
    const struct {
        uint64_t len;
        uint64_t where;
    } bad[] = {
        {9, AT(WIRE_INLINE, 0)}, /* more than was committed */
        {INLINE + 1, AT(WIRE_INLINE, 0)},
        {UINT64_MAX, AT(WIRE_INLINE, 0)},
        {UINT64_MAX - 7, AT(WIRE_INLINE, 0)},
        {UINT64_MAX - 63, AT(WIRE_INLINE, 0)},
        {(uint64_t)1 << 63, AT(WIRE_INLINE, 0)},
        {8, AT(WIRE_INLINE, 8)},
        {8, 0},
        {8, AT(5, 0)},
        {8, UINT64_MAX},
        {8, AT(WIRE_ARENA, ARENA_ALIGN)},
        {8, AT(WIRE_ARENA, 1)},
        {8, AT(WIRE_ARENA, ARENA)},
        {ARENA / 2 + 1, AT(WIRE_ARENA, 0)},
        {ARENA + 1, AT(WIRE_ARENA, 0)},
        {UINT64_MAX, AT(WIRE_ARENA, 0)},
        {UINT64_MAX - 62, AT(WIRE_ARENA, 0)},
        {ARENA, AT(WIRE_ONESHOT, 1)}, /* nothing was passed */
        {ARENA, AT(WIRE_ONESHOT, 0)},
        {ARENA, AT(WIRE_ONESHOT, 2)},
        {0, AT(WIRE_ONESHOT, 1)},
        {UINT64_MAX, AT(WIRE_ONESHOT, 1)},
        {8, AT(WIRE_FD, 1)}, /* the same */
        {8, AT(WIRE_FD, 0)},
        {8, AT(WIRE_FD, 2)},
        {9, AT(WIRE_FD, 1)},
        {INLINE + 1, AT(WIRE_FD, 1)},
        {UINT64_MAX, AT(WIRE_FD, 1)},
    };
    for (size_t i = 0; i < 2 * (sizeof bad / sizeof bad[0]); i++) {
        struct wire_frame wire = good_frame(i % 2);
        wire.frame.len = bad[i / 2].len;
        wire.where = bad[i / 2].where;
        expect_refused(i % 2, &wire, 64);
    }
}

static void test_indices(void **state)
{
    (void)state;
    const uint64_t heads[] = {
        8, 48, 52, 63, RING + 8, UINT64_MAX, 65, UINT64_MAX - 7, (uint64_t)1 << 63};
    for (size_t i = 0; i < 2 * (sizeof heads / sizeof heads[0]); i++) {
        struct wire_frame wire = good_frame(i % 2);
        expect_refused(i % 2, &wire, heads[i / 2]);
    }
}

static int send_until_refused(struct attack *attack, size_t len)
{
    int rc;
    do
        rc = send_numbered(victim_of(attack), attack->victim, 0, len, NULL);
    while (rc == 0);
    return rc;
}

static void test_consumer_indices(void **state)
{
    (void)state;
    const uint64_t tails[] = {RING + 64, 1, 4, UINT64_MAX, UINT64_MAX - 63, (uint64_t)1 << 63};
    for (size_t i = 0; i < 4 * (sizeof tails / sizeof tails[0]); i++) {
        struct attack attack;
        bool is_arena = i / 2 % 2;
        attack_open(&attack, i % 2);
        assert_int_equal(send_until_refused(&attack, is_arena ? INLINE + 1 : 8), AIMP_EFULL);
        struct flow_shared *flow = &attack.shared->flow[i % 2];
        if (is_arena)
            flow->arena_tail = tails[i / 4] == RING + 64 ? ARENA + 64 : tails[i / 4];
        else
            flow->tail = tails[i / 4];
        assert_int_equal(send_until_refused(&attack, is_arena ? INLINE + 1 : 8), AIMP_ECORRUPT);
        expect_corrupt_for_ever(&attack);
        attack_close(&attack);
    }
}

/* ---- one-shots ---- */

struct message {
    uint32_t magic;
    uint32_t zero;
    uint64_t number;
};

static int count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static int oneshot_of(size_t len)
{
    uint8_t *data = calloc(1, len);
    int fd = aimp__memfd_write_once("test", data, len, NULL);
    free(data);
    return fd;
}

static int unsealed(size_t len)
{
    int fd = memfd_create("test", MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, (off_t)len), 0);
    return fd;
}

/* A frame of that length and place, and a message that may not be its own. */
static void attack_at(uint64_t where, size_t len, const struct message *message, size_t size,
                      int fd, int fd_count, int expected)
{
    struct attack attack;
    struct wire_frame wire = good_frame(CHANNEL_PARENT);
    int fds[2] = {fd, fd};
    int before = count_fds();
    attack_open(&attack, CHANNEL_PARENT);
    wire.frame.len = len;
    wire.where = where;
    aimp__fdpass_send(attack.pair.ctl[CHANNEL_WORKER], message, size, fds, fd_count, NULL);
    place_frame(&attack, &wire, where >> WIRE_PLACE_SHIFT == WIRE_FD ? 64 : 56);
    assert_int_equal(receive(&attack), expected);
    if (expected == AIMP_ECORRUPT)
        expect_corrupt_for_ever(&attack);
    attack_close(&attack);
    assert_int_equal(count_fds(), before);
    close(fd);
}

static void attack_by_socket(const struct message *message, size_t size, int fd, int fd_count,
                             int expected)
{
    attack_at(AT(WIRE_ONESHOT, 1), ARENA, message, size, fd, fd_count, expected);
}

static void test_false_oneshots(void **state)
{
    (void)state;
    const uint32_t magic = 0x746f6873u;
    const struct message good = {magic, 0, 1};
    const struct message late = {magic, 0, 2};
    const struct message other = {magic + 1, 0, 1};
    char large[100] = {0};
    memcpy(large, &good, sizeof good);
    attack_by_socket(&good, sizeof good, oneshot_of(ARENA), 1, 1);
    attack_by_socket(&good, sizeof good, oneshot_of(ARENA), 2, 1); /* the second is closed */
    attack_by_socket(&good, sizeof good, oneshot_of(ARENA), 0, AIMP_ECORRUPT);
    attack_by_socket(&good, sizeof good - 1, oneshot_of(ARENA), 1, AIMP_ECORRUPT);
    attack_by_socket((struct message *)large, sizeof large, oneshot_of(ARENA), 1, AIMP_ECORRUPT);
    attack_by_socket(&late, sizeof late, oneshot_of(ARENA), 1, AIMP_ECORRUPT);
    attack_by_socket(&other, sizeof other, oneshot_of(ARENA), 1, AIMP_ECORRUPT);
    attack_at(AT(WIRE_ONESHOT, 2), ARENA, &good, sizeof good, oneshot_of(ARENA), 1, AIMP_ECORRUPT);
    attack_by_socket(&good, sizeof good, oneshot_of(ARENA - 1), 1, AIMP_ECORRUPT);
    attack_by_socket(&good, sizeof good, oneshot_of(ARENA + 1), 1, AIMP_ECORRUPT);
    attack_by_socket(&good, sizeof good, unsealed(ARENA), 1, AIMP_ECORRUPT);
    attack_by_socket(&good, sizeof good, aimp__wake_open(NULL), 1, AIMP_ECORRUPT);
}

/* Any fd is handed on: what it is good for is its taker's to check. */
static void test_false_descriptors(void **state)
{
    (void)state;
    const uint32_t magic = 0x746f6873u;
    const struct message good = {magic, 0, 1};
    const struct message late = {magic, 0, 2};
    const struct message other = {magic + 1, 0, 1};
    attack_at(AT(WIRE_FD, 1), 8, &good, sizeof good, aimp__wake_open(NULL), 1, 1);
    attack_at(AT(WIRE_FD, 1), 8, &good, sizeof good, aimp__wake_open(NULL), 2, 1); /* the same */
    attack_at(AT(WIRE_FD, 1), 8, &good, sizeof good, aimp__wake_open(NULL), 0, 1); /* then none */
    attack_at(AT(WIRE_FD, 1), 8, &good, sizeof good - 1, aimp__wake_open(NULL), 1, AIMP_ECORRUPT);
    attack_at(AT(WIRE_FD, 1), 8, &late, sizeof late, aimp__wake_open(NULL), 1, AIMP_ECORRUPT);
    attack_at(AT(WIRE_FD, 1), 8, &other, sizeof other, aimp__wake_open(NULL), 1, AIMP_ECORRUPT);
    attack_at(AT(WIRE_FD, 2), 8, &good, sizeof good, aimp__wake_open(NULL), 1, AIMP_ECORRUPT);
    attack_at(AT(WIRE_FD, 1), 16, &good, sizeof good, aimp__wake_open(NULL), 1, AIMP_ECORRUPT);
    attack_at(AT(WIRE_FD, 1), ARENA, &good, sizeof good, aimp__wake_open(NULL), 1, AIMP_ECORRUPT);
}

/* ---- random bytes ---- */

static unsigned sum_of(const uint8_t *data, size_t len)
{
    unsigned sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += data[i];
    return sum;
}

/* Values that indices, lengths and places could have, or nearly. */
static uint64_t any_word(uint64_t random)
{
    const uint64_t words[] = {0,  8,  64,         RING, RING - 56, ARENA, ARENA / 2,
                              56, 64, UINT64_MAX, 1,    INLINE,    128,   FRAME_RESULT};
    switch (random % 4) {
    case 0:
        return mix(random);
    case 1:
        return AT(1 + (random >> 8) % 5, (random >> 16) % 64 * 8);
    default:
        return words[(random >> 8) % (sizeof words / sizeof words[0])];
    }
}

/* Mostly the indices and what lies at the start of the rings. */
static void scribble(struct attack *attack, uint64_t random)
{
    size_t offset = mix(random) % attack->size;
    if (random % 4 == 0)
        offset = 128 + mix(random) % 1000;
    else if (random % 4 < 3)
        offset = (size_t)(attack->ring - (uint8_t *)attack->shared) + mix(random) % 512;
    uint64_t word = any_word(mix(random + 1));
    memcpy((uint8_t *)attack->shared + offset / 8 * 8, &word, sizeof word);
}

static bool is_answer(int rc)
{
    return rc == 0 || rc == AIMP_EFULL || rc == AIMP_ECORRUPT;
}

/* All that the victim could call; true when it noticed. */
static bool use_channel(struct attack *attack, uint64_t random, unsigned *sum)
{
    struct channel *victim = victim_of(attack);
    struct frame frame;
    const void *payload;
    int rc = 0;
    for (int i = 0; i < 80 && (rc = aimp__channel_receive(victim, &frame, &payload, NULL)) == 1;
         i++)
        *sum += sum_of(payload, frame.len);
    assert_true(rc == 1 || is_answer(rc));
    rc = send_numbered(victim, attack->victim, 0, random % (ARENA / 2), NULL);
    assert_true(is_answer(rc));
    aimp__channel_has_room(victim);
    aimp__channel_wake_peer(victim);
    if (aimp__channel_sleep_begin(victim))
        aimp__channel_sleep_end(victim);
    if (attack->victim == CHANNEL_PARENT) {
        struct cell_state cell;
        assert_true(aimp__cell_take_back(victim, random % CELLS, 2) <= 2);
        rc = aimp__cell_read(victim, random % CELLS, &cell);
        assert_true(rc == 0 || rc == AIMP_ECORRUPT);
        assert_true(rc != 0 || (cell.next <= cell.end && cell.end <= 100));
    }
    return rc == AIMP_ECORRUPT;
}

static void open_cells(struct attack *attack)
{
    for (uint32_t i = 0; i < CELLS; i++)
        aimp__cell_open(attack->pair.end[0], i, 1, 10 * i, 10 + i);
}

static void test_random_bytes(void **state)
{
    (void)state;
    unsigned noticed = 0;
    unsigned sum = 0;
    for (uint64_t seed = 0; seed < 4000; seed++) {
        struct attack attack;
        attack_open(&attack, seed % 2);
        open_cells(&attack);
        enum channel_side peer = attack.victim == CHANNEL_PARENT ? CHANNEL_WORKER : CHANNEL_PARENT;
        for (uint32_t i = 0; i < 6; i++)
            send_numbered(attack.pair.end[peer], peer, i, mix(seed + i) % 1000, NULL);
        for (uint64_t round = 0; round < 5; round++) {
            for (uint64_t i = 0; i < 1 + seed % 30; i++)
                scribble(&attack, mix(seed * 1000 + round * 100 + i));
            noticed += use_channel(&attack, mix(seed + round), &sum);
        }
        attack_close(&attack);
    }
    assert_true(noticed > 1000);
    assert_true(sum > 0);
}

/* The peer goes on writing while the victim reads: what was checked must be
 * what is used. */
static void test_bytes_that_change_under_the_reader(void **state)
{
    (void)state;
    unsigned sum = 0;
    for (uint64_t round = 0; round < 300; round++) {
        struct attack attack;
        attack_open(&attack, CHANNEL_PARENT);
        open_cells(&attack);
        pid_t pid = fork();
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            struct wire_frame wire = good_frame(CHANNEL_PARENT);
            for (uint64_t i = 0;; i++) { /* a plausible ring, and something wrong now and then */
                wire.where = AT(WIRE_INLINE, mix(i) % 64 * 64);
                memcpy(attack.ring + mix(i) % 64 * 64, &wire, sizeof wire);
                attack.shared->flow[CHANNEL_WORKER].head = i / 16 % 65 * 64;
                if (i % 64 == round % 64)
                    scribble(&attack, mix(i + round));
            }
        }
        for (uint64_t i = 0; i < 300; i++)
            if (use_channel(&attack, mix(i), &sum))
                break;
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        attack_close(&attack);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_good_frame_is_taken),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_lengths_and_places),
        cmocka_unit_test(test_indices),
        cmocka_unit_test(test_consumer_indices),
        cmocka_unit_test(test_false_oneshots),
        cmocka_unit_test(test_false_descriptors),
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_bytes_that_change_under_the_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
