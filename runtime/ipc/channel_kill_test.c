/* A side dies at every point between two stores; the other one goes on.
 *
 * Both sides run the same script: numbered frames of every class in both
 * directions, some with a descriptor, claims and take-backs. First the script's failpoints are
 * counted, then one side is killed at each of them, at several of its hits. What the survivor has
 * then received must be whole frames, in order, none twice and none missing that was sent; what it
 * reads in the cells must agree with what the dead side did. Built only with AIMP_FAILPOINTS. */
/* SPDX-License-Identifier: MIT */
#include "base/failpoint.h"
#include "ipc/test_pair.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define RING  (4 * KIB)
#define ARENA (16 * KIB)
#define STEPS 40u
#define ITEMS 4u

static const size_t sizes[] = {0, 100, 5 * KIB, 12 * KIB, 512, 8 * KIB};

static size_t size_of(uint32_t i)
{
    return sizes[i % (sizeof sizes / sizeof sizes[0])];
}

/* Every seventh frame brings a descriptor: the writing end of a pipe, whose other end tells
 * when nobody has it any more. Only small frames can. */
static bool has_fd(uint32_t i)
{
    return i % 7 == 3;
}

static size_t length_of(uint32_t i)
{
    return has_fd(i) ? 100 : size_of(i);
}

/* What a side did, written after it did it; survives the side. */
struct journal {
    uint32_t sent, received, opened;
    bool is_bad;
    uint8_t claimed[STEPS], taken[STEPS];
};

struct actor {
    struct channel *channel;
    enum channel_side side;
    struct journal *journal;
    int pipe_fd; /* what it sends along */
};

static void take_one_back(struct actor *actor, uint32_t cell)
{
    actor->journal->taken[cell] += aimp__cell_take_back(actor->channel, cell, 1);
}

static int send_number(const struct actor *actor, uint32_t i)
{
    if (!has_fd(i))
        return send_numbered(actor->channel, actor->side, i, length_of(i), NULL);
    uint8_t data[RING];
    fill(data, length_of(i), i);
    struct frame frame = {
        .kind = kind_from(actor->side), .first = i, .fn = ~i, .aux = mix(i), .len = length_of(i)};
    return aimp__channel_send_fd(actor->channel, &frame, data, actor->pipe_fd, NULL);
}

static bool send_step(struct actor *actor)
{
    struct journal *journal = actor->journal;
    uint32_t i = journal->sent;
    if (i == STEPS)
        return false;
    if (actor->side == CHANNEL_PARENT && journal->opened == i) {
        aimp__cell_open(actor->channel, i, i + 1, 0, ITEMS);
        journal->opened++;
    }
    int rc = send_number(actor, i);
    if (rc == 0) {
        journal->sent++;
        if (actor->side == CHANNEL_PARENT)
            take_one_back(actor, i);
    } else if (rc != AIMP_EFULL && rc != AIMP_ECLOSED) {
        journal->is_bad = true;
    }
    return rc == 0;
}

static void claim_all(struct actor *actor, uint32_t cell)
{
    uint32_t item;
    while (aimp__cell_claim(actor->channel, cell, cell + 1, 1, &item) == 1) {
        actor->journal->is_bad |= item != actor->journal->claimed[cell];
        actor->journal->claimed[cell]++;
        aimp__cell_progress(actor->channel, cell, item);
    }
}

/* Takes and closes the pipe that must have come with frame i. */
static bool takes_its_fd(const struct actor *actor, uint32_t i)
{
    struct stat mine, its;
    int fd = aimp__channel_take_fd(actor->channel);
    if (fd < 0)
        return !has_fd(i);
    bool is_same = fstat(fd, &its) == 0 && fstat(actor->pipe_fd, &mine) == 0 &&
                   its.st_ino == mine.st_ino && its.st_dev == mine.st_dev;
    close(fd);
    return has_fd(i) && is_same;
}

static bool receive_step(struct actor *actor)
{
    struct journal *journal = actor->journal;
    struct frame frame;
    const void *payload;
    int rc = aimp__channel_receive(actor->channel, &frame, &payload, NULL);
    if (rc == 0)
        return false;
    uint32_t i = journal->received;
    if (rc < 0 || i >= STEPS || !is_numbered(&frame, payload, i, length_of(i)) ||
        !takes_its_fd(actor, i)) {
        journal->is_bad = true;
        return false;
    }
    journal->received++;
    if (actor->side == CHANNEL_WORKER)
        claim_all(actor, i);
    return true;
}

/* True while there was something to do. Never really sleeps: death is not told here. */
static bool step(struct actor *actor)
{
    bool has_sent = send_step(actor);
    bool has_received = receive_step(actor);
    aimp__channel_wake_peer(actor->channel);
    bool may_sleep = aimp__channel_sleep_begin(actor->channel);
    if (may_sleep && !has_sent && !has_received)
        sched_yield();
    aimp__channel_sleep_end(actor->channel);
    return has_sent || has_received;
}

static bool is_finished(const struct actor *actor)
{
    const struct journal *journal = actor->journal;
    return journal->is_bad || (journal->sent == STEPS && journal->received == STEPS);
}

/* ---- the failpoints that the script hits, counted in the child ---- */

struct point {
    char name[32];
    unsigned hits;
};

static struct {
    struct point points[64];
    unsigned count;
    struct journal journal; /* the child's */
} * shared;

static void count_hit(const char *name)
{
    unsigned i = 0;
    while (i < shared->count && strcmp(shared->points[i].name, name) != 0)
        i++;
    if (i == shared->count)
        snprintf(shared->points[shared->count++].name, sizeof shared->points[0].name, "%s", name);
    shared->points[i].hits++;
}

struct scene {
    struct pair pair;
    int pipe[2];            /* the end that is read, and the one that goes with frames */
    struct journal journal; /* the survivor's */
    struct actor survivor;
    pid_t pid;
    int status;
};

static void play_child(struct scene *scene, enum channel_side side, const char *point,
                       unsigned count)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (side == CHANNEL_WORKER)
        pair_attach(&scene->pair);
    struct actor actor = {scene->pair.end[side], side, &shared->journal, scene->pipe[1]};
    if (point)
        aimp__failpoint_arm(point, count, FAILPOINT_KILL);
    else
        aimp__failpoint_trace(count_hit);
    while (!is_finished(&actor))
        step(&actor);
    _exit(0);
}

/* The parent's handle goes to the side that plays it; the other attaches. */
static void play(struct scene *scene, enum channel_side mortal, const char *point, unsigned count)
{
    enum channel_side side = mortal == CHANNEL_PARENT ? CHANNEL_WORKER : CHANNEL_PARENT;
    memset(scene, 0, sizeof *scene);
    memset(&shared->journal, 0, sizeof shared->journal);
    pair_create(&scene->pair, RING, ARENA, STEPS);
    assert_int_equal(pipe(scene->pipe), 0);
    scene->pid = fork();
    if (scene->pid == 0)
        play_child(scene, mortal, point, count);
    if (side == CHANNEL_WORKER)
        pair_attach(&scene->pair);
    scene->survivor = (struct actor){scene->pair.end[side], side, &scene->journal, scene->pipe[1]};
    while (waitpid(scene->pid, &scene->status, WNOHANG) == 0)
        step(&scene->survivor);
    while (step(&scene->survivor)) /* what is still there */
        continue;
}

static void check_cells_of_dead_worker(const struct scene *scene)
{
    for (uint32_t i = 0; i < scene->journal.opened; i++) {
        struct cell_state cell;
        uint32_t claimed = shared->journal.claimed[i];
        assert_int_equal(aimp__cell_read(scene->survivor.channel, i, &cell), 0);
        assert_true(cell.next == claimed || cell.next == claimed + 1);
        assert_int_equal(cell.end, ITEMS - scene->journal.taken[i]);
        assert_true(cell.running + 1 <= cell.next && cell.running + 2 >= cell.next);
        uint32_t rest = aimp__cell_take_back(scene->survivor.channel, i, ITEMS);
        assert_int_equal(cell.next + rest + scene->journal.taken[i], ITEMS);
    }
}

static void check_cells_of_dead_parent(const struct scene *scene)
{
    for (uint32_t i = 0; i < scene->journal.received; i++) {
        uint32_t owned = scene->journal.claimed[i] + shared->journal.taken[i];
        assert_true(owned == ITEMS || owned + 1 == ITEMS); /* it took one back and died */
    }
}

static void check(const struct scene *scene)
{
    const struct journal *mine = &scene->journal;
    const struct journal *theirs = &shared->journal;
    assert_false(mine->is_bad);
    assert_false(theirs->is_bad);
    assert_true(mine->received == theirs->sent || mine->received == theirs->sent + 1);
    assert_true(theirs->received <= mine->sent);
    if (scene->survivor.side == CHANNEL_PARENT)
        check_cells_of_dead_worker(scene);
    else
        check_cells_of_dead_parent(scene);
}

/* Nobody has what was passed any more, wherever it was on its way. */
static void close_scene(struct scene *scene)
{
    struct pollfd end = {.fd = scene->pipe[0], .events = POLLIN};
    pair_close(&scene->pair);
    close(scene->pipe[1]);
    assert_int_equal(poll(&end, 1, 0), 1);
    assert_int_equal(end.revents, POLLHUP);
    close(scene->pipe[0]);
}

static bool was_killed(const struct scene *scene)
{
    return WIFSIGNALED(scene->status) && WTERMSIG(scene->status) == SIGKILL;
}

/* Points that depend on who is faster; the others are hit in every run. */
static bool is_chance(const char *name)
{
    return strcmp(name, "wake.clear") == 0 || strcmp(name, "wake.ring") == 0;
}

static void kill_at(enum channel_side mortal, const char *name, unsigned count, bool must_die)
{
    struct scene scene;
    play(&scene, mortal, name, count);
    if (must_die && !was_killed(&scene))
        fail_msg("%s was not hit %u times", name, count);
    check(&scene);
    close_scene(&scene);
}

static void kill_everywhere(enum channel_side mortal, unsigned at_least)
{
    struct scene scene;
    shared->count = 0;
    memset(shared->points, 0, sizeof shared->points);
    play(&scene, mortal, NULL, 0);
    assert_int_equal(scene.status, 0);
    assert_int_equal(scene.journal.received, STEPS);
    check(&scene);
    close_scene(&scene);
    assert_true(shared->count >= at_least);
    for (unsigned i = 0; i < shared->count; i++) {
        const struct point *point = &shared->points[i];
        bool is_sure = !is_chance(point->name);
        kill_at(mortal, point->name, 1, is_sure);
        kill_at(mortal, point->name, 2, is_sure && point->hits > 10);
        kill_at(mortal, point->name, point->hits / 2 + 1, false);
        kill_at(mortal, point->name, point->hits, false);
    }
}

static void test_the_worker_dies_everywhere(void **state)
{
    (void)state;
    kill_everywhere(CHANNEL_WORKER, 22);
}

static void test_the_parent_dies_everywhere(void **state)
{
    (void)state;
    kill_everywhere(CHANNEL_PARENT, 22);
}

/* ---- the two orders in which sleeper and waker can meet, at every point ---- */

static struct pair *meeting;
static const char *meeting_point;
static bool fell_asleep;

static void send_now(const char *name)
{
    if (strcmp(name, meeting_point) != 0)
        return;
    aimp__failpoint_trace(NULL);
    send_numbered(meeting->end[0], CHANNEL_PARENT, 1, 8, NULL);
    aimp__channel_wake_peer(meeting->end[0]);
}

static void sleep_now(const char *name)
{
    if (strcmp(name, meeting_point) != 0)
        return;
    aimp__failpoint_trace(NULL);
    fell_asleep = aimp__channel_sleep_begin(meeting->end[1]);
}

static bool has_rung(void)
{
    struct pollfd entry = {.fd = meeting->wake[CHANNEL_WORKER], .events = POLLIN};
    return poll(&entry, 1, 0) == 1;
}

static void test_input_while_going_to_sleep(void **state)
{
    (void)state;
    const char *const points[] = {"sleep.announce", "sleep.announced"};
    for (size_t i = 0; i < 2; i++) {
        struct pair pair;
        pair_open(&pair, RING, ARENA, 1);
        meeting = &pair;
        meeting_point = points[i];
        aimp__failpoint_trace(send_now);
        bool is_asleep = aimp__channel_sleep_begin(pair.end[1]);
        assert_true(aimp__channel_has_input(pair.end[1]));
        assert_false(is_asleep && !has_rung());
        pair_close(&pair);
    }
}

static void test_sleep_while_being_woken(void **state)
{
    (void)state;
    const char *const points[] = {"send.reserved", "send.header",    "send.where", "send.payload",
                                  "ring.commit",   "ring.committed", "wake.look"};
    unsigned slept = 0;
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        struct pair pair;
        pair_open(&pair, RING, ARENA, 1);
        meeting = &pair;
        meeting_point = points[i];
        fell_asleep = false;
        aimp__failpoint_trace(sleep_now);
        send_numbered(pair.end[0], CHANNEL_PARENT, 1, 8, NULL);
        aimp__channel_wake_peer(pair.end[0]);
        slept += fell_asleep;
        assert_int_equal(has_rung(), fell_asleep);
        pair_close(&pair);
    }
    assert_true(slept >= 5 && slept < sizeof points / sizeof points[0]);
}

/* ---- claim and take-back that meet between the other's look and its CAS ---- */

static uint32_t got_between;

static void claim_now(const char *name)
{
    uint32_t item;
    if (strcmp(name, "cell.take_back") != 0)
        return;
    aimp__failpoint_trace(NULL);
    got_between = aimp__cell_claim(meeting->end[1], 0, 1, 3, &item);
}

static void take_back_now(const char *name)
{
    if (strcmp(name, "cell.claim") != 0)
        return;
    aimp__failpoint_trace(NULL);
    got_between = aimp__cell_take_back(meeting->end[0], 0, 3);
}

static void test_a_claim_within_a_take_back(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, RING, ARENA, 1);
    meeting = &pair;
    got_between = 0;
    aimp__cell_open(pair.end[0], 0, 1, 0, 10);
    aimp__failpoint_trace(claim_now);
    assert_int_equal(aimp__cell_take_back(pair.end[0], 0, 10), 7);
    assert_int_equal(got_between, 3);
    pair_close(&pair);
}

static void test_a_take_back_within_a_claim(void **state)
{
    (void)state;
    struct pair pair;
    uint32_t item;
    pair_open(&pair, RING, ARENA, 1);
    meeting = &pair;
    got_between = 0;
    aimp__cell_open(pair.end[0], 0, 1, 0, 10);
    aimp__failpoint_trace(take_back_now);
    assert_int_equal(aimp__cell_claim(pair.end[1], 0, 1, 10, &item), 7);
    assert_int_equal(item, 0);
    assert_int_equal(got_between, 3);
    pair_close(&pair);
}

int main(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_input_while_going_to_sleep),
        cmocka_unit_test(test_sleep_while_being_woken),
        cmocka_unit_test(test_a_claim_within_a_take_back),
        cmocka_unit_test(test_a_take_back_within_a_claim),
        cmocka_unit_test(test_the_worker_dies_everywhere),
        cmocka_unit_test(test_the_parent_dies_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
