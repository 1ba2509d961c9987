/* The contract is in deflog.h. */
/* SPDX-License-Identifier: MIT */
#include "sched/deflog.h"

#include "sched/alloc.h"

#include <string.h>

struct entry {
    uint32_t key;
    bool is_forget;
    size_t len;
    unsigned char data[];
};

struct deflog {
    struct entry **entries; /* by position - 1; NULL once dropped */
    uint64_t count, capacity;
    uint64_t *latest; /* by key: position of its newest entry */
    uint32_t key_capacity;
    size_t bytes;
};

struct deflog *aimp__deflog_new(void)
{
    struct deflog *log = aimp__sched_alloc(sizeof *log);
    if (log)
        memset(log, 0, sizeof *log);
    return log;
}

void aimp__deflog_free(struct deflog *log)
{
    if (!log)
        return;
    for (uint64_t i = 0; i < log->count; i++)
        aimp__sched_free_memory(log->entries[i]);
    aimp__sched_free_memory(log->entries);
    aimp__sched_free_memory(log->latest);
    aimp__sched_free_memory(log);
}

static bool reserve(struct deflog *log)
{
    if (log->count < log->capacity)
        return true;
    uint64_t capacity = log->capacity ? log->capacity * 2 : 64;
    struct entry **entries = aimp__sched_realloc(log->entries, capacity * sizeof *entries);
    if (!entries)
        return false;
    log->entries = entries;
    log->capacity = capacity;
    return true;
}

static uint64_t append(struct deflog *log, uint32_t key, bool is_forget, const void *data,
                       size_t len)
{
    if (!reserve(log))
        return 0;
    struct entry *entry = aimp__sched_alloc(sizeof *entry + len);
    if (!entry)
        return 0;
    entry->key = key;
    entry->is_forget = is_forget;
    entry->len = len;
    if (len)
        memcpy(entry->data, data, len);
    log->entries[log->count++] = entry;
    log->bytes += sizeof *entry + len;
    return log->count;
}

uint64_t aimp__deflog_define(struct deflog *log, uint32_t key, const void *data, size_t len)
{
    return append(log, key, false, data, len);
}

uint64_t aimp__deflog_forget(struct deflog *log, uint32_t key)
{
    return append(log, key, true, NULL, 0);
}

bool aimp__deflog_next(const struct deflog *log, uint64_t cursor, uint64_t needed,
                       struct deflog_entry *out)
{
    if (needed > log->count)
        needed = log->count;
    for (uint64_t i = cursor; i < needed; i++) {
        const struct entry *entry = log->entries[i];
        if (!entry)
            continue;
        *out = (struct deflog_entry){.position = i + 1,
                                     .key = entry->key,
                                     .is_forget = entry->is_forget,
                                     .data = entry->data,
                                     .len = entry->len};
        return true;
    }
    return false;
}

void aimp__deflog_hold(struct deflog *log, uint64_t position)
{
    (void)log;
    (void)position;
}

void aimp__deflog_release(struct deflog *log, uint64_t position)
{
    (void)log;
    (void)position;
}

uint64_t aimp__deflog_position(const struct deflog *log)
{
    return log->count;
}

size_t aimp__deflog_bytes(const struct deflog *log)
{
    return log->bytes;
}
