/* A pool's life, its slots and the work that goes out; see pool.h. What comes back is
 * in pool_next.c, the scheduler's hands in pool_ops.c. */
/* SPDX-License-Identifier: MIT */
#include "proc/pool.h"

#include "os/clock.h"
#include "os/wake.h"
#include "proc/pool_private.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* Tombstones in the definition log are swept once in so many. */
#define FORGETS_A_SWEEP 1024

static int pool_init(struct aimp_pool *pool, const struct aimp_pool_config *config,
                     struct aimp_error *err)
{
    pool->wake_fd = aimp__wake_open(err);
    if (pool->wake_fd < 0)
        return pool->wake_fd;
    pool->deflog = aimp__deflog_new();
    if (!pool->deflog)
        return aimp__error_set(err, AIMP_ENOMEM, "no memory for the definition log");
    aimp__forgets_init(&pool->forgets, pool->deflog);
    pool->offer_base = config->sched.cells;
    return aimp__sched_new(&pool->sched, &config->sched, &aimp__pool_ops, pool, err);
}

struct aimp_pool *aimp_pool_new(const struct aimp_pool_config *config, struct aimp_error *err)
{
    uint32_t count = config->sched.max_slots;
    struct aimp_pool *pool = calloc(1, sizeof *pool + count * sizeof pool->slots[0]);
    if (!pool) {
        aimp__error_set(err, AIMP_ENOMEM, "no memory for a pool of %u workers", count);
        return NULL;
    }
    pool->wake_fd = -1;
    pool->slot_count = count;
    pool->sizes = (struct channel_sizes){
        .ring_bytes = config->ring_bytes,
        .arena_bytes = config->arena_bytes,
        .cells = config->sched.cells + OFFERS,
    };
    aimp__spinner_init(&pool->spinner);
    for (uint32_t i = 0; i < count; i++)
        aimp__slot_init(&pool->slots[i]);
    if (pool_init(pool, config, err) != AIMP_OK) {
        aimp_pool_free(pool);
        return NULL;
    }
    return pool;
}

void aimp_pool_free(struct aimp_pool *pool)
{
    if (!pool)
        return;
    for (uint32_t i = 0; i < pool->slot_count; i++) {
        aimp__slot_signal(&pool->slots[i], SIGKILL);
        aimp__slot_close(&pool->slots[i]);
    }
    aimp__spinner_fini(&pool->spinner);
    aimp__sched_free(pool->sched);
    aimp__forgets_fini(&pool->forgets);
    aimp__deflog_free(pool->deflog);
    if (pool->wake_fd >= 0)
        close(pool->wake_fd);
    free(pool);
}

int aimp_pool_wake_fd(const struct aimp_pool *pool)
{
    return pool->wake_fd;
}

void aimp_pool_drain_wake(struct aimp_pool *pool)
{
    aimp__wake_drain(pool->wake_fd);
}

/* ---- slots ---- */

int aimp_pool_open_slot(struct aimp_pool *pool, uint32_t slot, struct launch_request *request,
                        struct aimp_error *err)
{
    if (slot >= pool->slot_count || pool->slots[slot].channel)
        return aimp__error_set(err, AIMP_EINVAL, "worker slot %u is not free", slot);
    int rc = aimp__slot_open(&pool->slots[slot], &pool->sizes, pool->wake_fd, request, err);
    if (rc == AIMP_OK && slot >= pool->open_slots)
        pool->open_slots = slot + 1;
    return rc;
}

void aimp_pool_launched(struct aimp_pool *pool, uint32_t slot, struct launch_request *request)
{
    (void)pool;
    (void)slot;
    if (request->ctl_fd >= 0)
        close(request->ctl_fd);
    request->ctl_fd = -1;
}

void aimp_pool_set_pidfd(struct aimp_pool *pool, uint32_t slot, int pidfd)
{
    pool->slots[slot].pidfd = pidfd;
}

int aimp_pool_post(struct aimp_pool *pool, uint32_t slot, uint32_t kind, uint32_t key, uint32_t tag,
                   const void *data, uint64_t len)
{
    struct frame frame = {.kind = kind, .fn = key, .tag = tag, .len = len};
    int rc = aimp__slot_post(&pool->slots[slot], &frame, data);
    aimp__slot_flush(&pool->slots[slot]);
    return rc;
}

int aimp_pool_send(struct aimp_pool *pool, uint32_t slot, const struct frame *frame,
                   const void *data)
{
    return aimp__slot_post(&pool->slots[slot], frame, data);
}

int aimp_pool_send_fd(struct aimp_pool *pool, uint32_t slot, const struct frame *frame,
                      const void *data, int fd)
{
    return aimp__slot_post_fd(&pool->slots[slot], frame, data, fd);
}

int aimp_pool_post_definitions(struct aimp_pool *pool, uint32_t slot_index, uint64_t needs)
{
    struct slot *slot = &pool->slots[slot_index];
    struct deflog_entry entry;
    while (aimp__slot_is_live(slot) && slot->known < needs &&
           aimp__deflog_next(pool->deflog, slot->known, needs, &entry)) {
        struct frame frame = {
            .kind = entry.is_forget ? FRAME_FORGET : FRAME_DEFINE,
            .fn = entry.key,
            .len = entry.len,
        };
        int rc =
            entry.key == FORGETS_EPOCH_KEY ? AIMP_OK : aimp__slot_post(slot, &frame, entry.data);
        if (rc != AIMP_OK)
            return rc;
        slot->known = entry.position;
    }
    aimp__slot_flush(slot);
    return AIMP_OK;
}

int aimp_pool_signal(struct aimp_pool *pool, uint32_t slot, int signal_number)
{
    return aimp__slot_signal(&pool->slots[slot], signal_number);
}

void aimp_pool_ready(struct aimp_pool *pool, uint32_t slot)
{
    aimp__sched_worker_ready(pool->sched, slot);
    aimp_pool_run(pool);
}

void aimp_pool_drain(struct aimp_pool *pool, uint32_t slot)
{
    aimp__sched_worker_drain(pool->sched, slot);
    aimp_pool_run(pool);
}

int aimp_pool_slot_is_idle(const struct aimp_pool *pool, uint32_t slot)
{
    return aimp__sched_worker_is_idle(pool->sched, slot);
}

int aimp_pool_slot_is_spent(const struct aimp_pool *pool, uint32_t slot)
{
    return aimp__sched_worker_is_spent(pool->sched, slot);
}

void aimp_pool_gone(struct aimp_pool *pool, uint32_t slot, uint32_t death)
{
    aimp__slot_await_death(&pool->slots[slot]);
    aimp__sched_worker_gone(pool->sched, slot, death); /* still reads the claim cells */
    aimp__slot_close(&pool->slots[slot]);
    aimp_pool_run(pool);
}

void aimp_pool_remove_slot(struct aimp_pool *pool, uint32_t slot)
{
    aimp__sched_worker_remove(pool->sched, slot);
    aimp_pool_run(pool);
}

/* ---- work ---- */

int aimp_pool_submit(struct aimp_pool *pool, const struct sched_spec *spec, const void *payload,
                     uint64_t len, uint64_t *unit)
{
    struct sched_spec held = *spec;
    if (spec->needs) /* a job prepared earlier may need what was replaced since: it gets what
                        replaced it */
        held.needs = aimp__deflog_position(pool->deflog);
    int rc = aimp__sched_submit(pool->sched, &held, payload, len, unit, NULL);
    if (rc < 0)
        return rc;
    if (held.needs) {
        aimp__deflog_hold(pool->deflog, held.needs);
        aimp__forgets_hold(&pool->forgets, held.needs);
    }
    return aimp_pool_run(pool);
}

int aimp_pool_run(struct aimp_pool *pool)
{
    if (aimp__sched_is_pending(pool->sched))
        aimp__sched_run(pool->sched);
    for (uint32_t i = 0; i < pool->open_slots; i++)
        if (pool->slots[i].is_dirty || !aimp__outbox_is_empty(&pool->slots[i].outbox))
            aimp__slot_flush(&pool->slots[i]);
    return aimp_pool_has_input(pool);
}

uint32_t aimp_pool_cancel(struct aimp_pool *pool, uint64_t unit)
{
    uint32_t count = aimp__sched_cancel(pool->sched, unit);
    aimp_pool_run(pool);
    return count;
}

uint32_t aimp_pool_cancel_group(struct aimp_pool *pool, uint32_t group)
{
    uint32_t count = aimp__sched_cancel_group(pool->sched, group);
    aimp_pool_run(pool);
    return count;
}

uint64_t aimp_pool_define(struct aimp_pool *pool, uint32_t key, const void *data, uint64_t len)
{
    return aimp__deflog_define(pool->deflog, key, data, len);
}

/* Where the worker that lags most has read the definitions to. A worker that has nothing to do is
 * brought up to date when no unit waits that might need older values. */
static uint64_t least_known(struct aimp_pool *pool)
{
    uint64_t least = UINT64_MAX;
    struct sched_stats stats;
    aimp__sched_stats(pool->sched, &stats);
    for (uint32_t i = 0; i < pool->open_slots; i++) {
        struct slot *slot = &pool->slots[i];
        if (!aimp__slot_is_live(slot) || slot->known == 0)
            continue;
        if (stats.waiting + stats.outstanding == 0)
            aimp_pool_post_definitions(pool, i, aimp__deflog_position(pool->deflog));
        if (slot->known < least)
            least = slot->known;
    }
    return least;
}

void aimp_pool_forget(struct aimp_pool *pool, uint32_t key)
{
    aimp__forgets_add(&pool->forgets, key);
    if (++pool->forgotten % FORGETS_A_SWEEP == 0)
        aimp__deflog_set_floor(pool->deflog, least_known(pool));
}

/* ---- figures ---- */

void aimp_pool_tick(struct aimp_pool *pool)
{
    aimp__sched_tick(pool->sched);
    aimp_pool_run(pool);
}

double aimp_pool_tick_in_ns(const struct aimp_pool *pool)
{
    uint64_t at_ns = aimp__sched_next_tick_ns(pool->sched);
    if (at_ns == 0)
        return -1;
    uint64_t now_ns = aimp__clock_ns();
    return at_ns > now_ns ? (double)(at_ns - now_ns) : 0;
}

void aimp_pool_slot_stats(const struct aimp_pool *pool, uint32_t slot, struct sched_slot_stats *out)
{
    aimp__sched_slot_stats(pool->sched, slot, out);
}

void aimp_pool_stats(const struct aimp_pool *pool, struct sched_stats *out)
{
    aimp__sched_stats(pool->sched, out);
}

void aimp_chunker_init(struct chunker *chunker, uint32_t max)
{
    aimp__chunker_init(chunker, max);
}

uint32_t aimp_chunker_next(const struct chunker *chunker, double remaining, uint32_t workers)
{
    uint64_t left = remaining < 0 ? UINT64_MAX : (uint64_t)remaining;
    return aimp__chunker_next(chunker, left, workers);
}

void aimp_chunker_observe(struct chunker *chunker, uint32_t items, uint64_t wall_ns)
{
    aimp__chunker_observe(chunker, items, wall_ns);
}
