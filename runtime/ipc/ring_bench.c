/* What the channel alone costs, without Lua and without a scheduler.
 *
 * Method: a channel with a ring and an arena of 1 MiB each, frames with 8
 * bytes of payload, sleeping on eventfds with poll. Each figure is the best of
 * five runs, as other work on the machine only adds; a run takes a fixed number of
 * operations, timed with CLOCK_MONOTONIC around all of them.
 *   one_process   send 64 frames, receive 64 frames, both sides in one thread: the
 *                 cost of the code with a warm cache
 *   two_processes one process sends, a forked one receives until all came; full or
 *                 empty, a side yields: throughput over two cores
 *   spinning      a frame there and one back; both sides look until it comes
 *   asleep        the same; both sides sleep in poll until they are rung
 *   arena         one process, 64 KiB a frame: bytes per second, one copy in, one out
 *   oneshot       one process, 4 MiB a frame
 *   claim         open a cell of 64 items, claim them one by one, in one thread
 * Usage: ring_bench [--json] [scale], where scale multiplies the operations. */
/* SPDX-License-Identifier: MIT */
#include "ipc/channel.h"
#include "os/clock.h"
#include "os/fdpass.h"
#include "os/wake.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNS     5
#define BATCH    64u
#define LARGE    ((size_t)64 << 10)
#define HUGE_LEN ((size_t)4 << 20)

static struct channel *parent;
static struct channel *worker;
static int ctl[2];
static int wake[2]; /* the eventfds of parent and worker */
static char *bytes; /* HUGE_LEN of payload */

static void check(bool is_good, const char *what)
{
    if (is_good)
        return;
    fprintf(stderr, "ring_bench: %s failed\n", what);
    exit(1);
}

static void open_channel(void)
{
    struct channel_sizes sizes = {1 << 20, 1 << 20, 64};
    check(aimp__fdpass_pair(ctl, NULL) == 0, "socket pair");
    wake[0] = aimp__wake_open(NULL);
    wake[1] = aimp__wake_open(NULL);
    check(aimp__channel_create(&parent, &sizes, ctl[0], wake[0], wake[1], NULL) == 0, "create");
    check(aimp__channel_attach(&worker, aimp__channel_memfd(parent), ctl[1], wake[1], wake[0],
                               NULL) == 0,
          "attach");
}

static void close_channel(void)
{
    aimp__channel_free(parent);
    aimp__channel_free(worker);
    for (int i = 0; i < 2; i++) {
        close(ctl[i]);
        close(wake[i]);
    }
}

static bool send_frame(struct channel *channel, size_t len)
{
    struct frame frame = {.kind = channel == parent ? FRAME_CALL : FRAME_RESULT, .len = len};
    return aimp__channel_send(channel, &frame, bytes, NULL) == 0;
}

static bool receive_frame(struct channel *channel)
{
    struct frame frame;
    const void *payload;
    int rc = aimp__channel_receive(channel, &frame, &payload, NULL);
    check(rc >= 0, "receive");
    return rc == 1;
}

static void run_one_process(size_t count)
{
    for (size_t done = 0; done < count; done += BATCH) {
        for (unsigned i = 0; i < BATCH; i++)
            check(send_frame(parent, 8), "send");
        for (unsigned i = 0; i < BATCH; i++)
            check(receive_frame(worker), "receive");
    }
}

static void run_large(size_t count, size_t len)
{
    for (size_t i = 0; i < count; i++) {
        check(send_frame(parent, len), "send");
        check(receive_frame(worker), "receive");
    }
}

static void run_arena(size_t count)
{
    run_large(count, LARGE);
}

static void run_oneshot(size_t count)
{
    run_large(count, HUGE_LEN);
}

static void run_claim(size_t count)
{
    uint32_t item;
    for (uint32_t unit = 1; count > 0; unit++, count -= BATCH) {
        aimp__cell_open(parent, unit % 64, unit, 0, BATCH);
        while (aimp__cell_claim(worker, unit % 64, unit, 1, &item) == 1)
            aimp__cell_progress(worker, unit % 64, item);
    }
}

/* ---- two processes: the child plays the worker ---- */

static void drain(size_t count)
{
    while (count > 0)
        if (receive_frame(worker))
            count--;
        else
            sched_yield();
    send_frame(worker, 8);
}

static void await(struct channel *channel, int wake_fd, bool is_asleep)
{
    while (!receive_frame(channel)) {
        if (!is_asleep) {
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
            continue;
        }
        struct pollfd entry = {.fd = wake_fd, .events = POLLIN};
        if (aimp__channel_sleep_begin(channel))
            poll(&entry, 1, -1);
        aimp__wake_drain(wake_fd);
        aimp__channel_sleep_end(channel);
    }
}

static void echo(size_t count, bool is_asleep)
{
    for (size_t i = 0; i < count; i++) {
        await(worker, wake[1], is_asleep);
        check(send_frame(worker, 8), "send");
        aimp__channel_wake_peer(worker);
    }
}

static void echo_spinning(size_t count)
{
    echo(count, false);
}

static void echo_asleep(size_t count)
{
    echo(count, true);
}

static void with_child(void (*child)(size_t count), void (*body)(size_t count), size_t count)
{
    pid_t pid = fork();
    check(pid >= 0, "fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        child(count);
        _exit(0);
    }
    int status;
    body(count);
    check(waitpid(pid, &status, 0) == pid && status == 0, "child");
}

static void flood(size_t count)
{
    while (count > 0)
        if (send_frame(parent, 8))
            count--;
        else
            sched_yield();
    while (!receive_frame(parent))
        sched_yield();
}

static void ping(size_t count, bool is_asleep)
{
    for (size_t i = 0; i < count; i++) {
        check(send_frame(parent, 8), "send");
        aimp__channel_wake_peer(parent);
        await(parent, wake[0], is_asleep);
    }
}

static void ping_spinning(size_t count)
{
    ping(count, false);
}

static void ping_asleep(size_t count)
{
    ping(count, true);
}

static void run_two_processes(size_t count)
{
    with_child(drain, flood, count);
}

static void run_spinning(size_t count)
{
    with_child(echo_spinning, ping_spinning, count);
}

static void run_asleep(size_t count)
{
    with_child(echo_asleep, ping_asleep, count);
}

/* ---- */

struct bench {
    const char *name;
    void (*run)(size_t count);
    size_t count; /* operations of a run; a multiple of BATCH */
    size_t len;   /* bytes of an operation, where those matter */
};

static const struct bench benches[] = {
    {"one_process", run_one_process, 3200000, 0},
    {"two_processes", run_two_processes, 3200000, 0},
    {"spinning", run_spinning, 320000, 0},
    {"asleep", run_asleep, 32000, 0},
    {"arena", run_arena, 6400, LARGE},
    {"oneshot", run_oneshot, 64, HUGE_LEN},
    {"claim", run_claim, 3200000, 0},
};

/* Nanoseconds of one operation. */
static double measure(const struct bench *bench, size_t scale)
{
    double best = 0;
    size_t count = bench->count * scale;
    for (int i = 0; i < RUNS; i++) {
        open_channel();
        uint64_t start_ns = aimp__clock_ns();
        bench->run(count);
        double ns = (double)(aimp__clock_ns() - start_ns) / (double)count;
        best = i == 0 || ns < best ? ns : best;
        close_channel();
    }
    return best;
}

static void print_text(const struct bench *bench, double ns)
{
    printf("%-14s %10.1f ns  %12.0f /s", bench->name, ns, 1e9 / ns);
    if (bench->len)
        printf("  %8.0f MB/s", (double)bench->len / ns * 1e3);
    putchar('\n');
}

static void print_json(const struct bench *bench, double ns, bool is_last)
{
    printf("  \"%s\": {\"ns\": %.1f, \"per_second\": %.0f, \"bytes\": %zu}%s\n", bench->name, ns,
           1e9 / ns, bench->len, is_last ? "" : ",");
}

int main(int argc, char **argv)
{
    bool is_json = argc > 1 && strcmp(argv[1], "--json") == 0;
    const char *scale_text = argc > 1 + is_json ? argv[1 + is_json] : "1";
    size_t scale = strtoul(scale_text, NULL, 10);
    size_t count = sizeof benches / sizeof benches[0];
    check(scale > 0, "reading the scale");
    bytes = malloc(HUGE_LEN);
    check(bytes != NULL, "memory");
    memset(bytes, 1, HUGE_LEN); /* pages of its own, not the one of zeros */
    if (is_json)
        puts("{");
    for (size_t i = 0; i < count; i++) {
        double ns = measure(&benches[i], scale);
        if (is_json)
            print_json(&benches[i], ns, i + 1 == count);
        else
            print_text(&benches[i], ns);
    }
    if (is_json)
        puts("}");
    free(bytes);
    return 0;
}
