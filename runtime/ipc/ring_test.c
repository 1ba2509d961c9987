/* The byte ring and the arena by themselves; the threads share one mapping, so that
 * the thread sanitizer sees both sides. */
/* SPDX-License-Identifier: MIT */
#include "ipc/arena.h"
#include "ipc/ring.h"
#include "ipc/test_pair.h"
#include "os/memfd.h"

#include <pthread.h>
#include <sched.h>

#define CAPACITY ((uint64_t)64 << 10)

struct memory {
    struct flow_shared flow;
    uint8_t *data;
    size_t mapped;
};

static void memory_open(struct memory *memory)
{
    struct memfd_part part = {0, CAPACITY, 1};
    int fd = aimp__memfd_create("test", CAPACITY, NULL);
    memset(memory, 0, sizeof *memory);
    memory->data = aimp__memfd_map_parts(fd, &part, 1, &memory->mapped, NULL);
    assert_non_null(memory->data);
    close(fd);
}

static void memory_close(struct memory *memory)
{
    aimp__memfd_unmap(memory->data, memory->mapped);
}

static void test_bytes_wrap_around_in_one_piece(void **state)
{
    (void)state;
    struct memory memory;
    struct ring_writer out;
    struct ring_reader in;
    memory_open(&memory);
    aimp__ring_writer_init(&out, &memory.flow, memory.data, CAPACITY);
    aimp__ring_reader_init(&in, &memory.flow, memory.data, CAPACITY);
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t size = RING_PAD(1 + mix(i) % (CAPACITY - 8));
        void *to = NULL;
        const void *from = NULL;
        uint64_t available = 0;
        assert_int_equal(aimp__ring_peek(&in, &from, &available), 0);
        assert_false(aimp__ring_has_input(&in));
        assert_int_equal(aimp__ring_reserve(&out, size, &to), 0);
        fill(to, size, i);
        aimp__ring_commit(&out, size);
        assert_true(aimp__ring_has_input(&in));
        assert_int_equal(aimp__ring_peek(&in, &from, &available), 1);
        assert_int_equal(available, size);
        assert_true(is_filled(from, size, i));
        aimp__ring_release(&in, size);
    }
    memory_close(&memory);
}

static void test_full_to_the_last_byte(void **state)
{
    (void)state;
    struct memory memory;
    struct ring_writer out;
    struct ring_reader in;
    void *to = NULL;
    const void *from = NULL;
    uint64_t available = 0;
    memory_open(&memory);
    aimp__ring_writer_init(&out, &memory.flow, memory.data, CAPACITY);
    aimp__ring_reader_init(&in, &memory.flow, memory.data, CAPACITY);
    assert_int_equal(aimp__ring_reserve(&out, CAPACITY, &to), 0);
    aimp__ring_commit(&out, CAPACITY);
    assert_int_equal(aimp__ring_reserve(&out, 8, &to), AIMP_EFULL);
    assert_int_equal(aimp__ring_peek(&in, &from, &available), 1);
    assert_int_equal(available, CAPACITY);
    aimp__ring_release(&in, 8);
    assert_int_equal(aimp__ring_reserve(&out, 16, &to), AIMP_EFULL);
    assert_int_equal(aimp__ring_reserve(&out, 8, &to), 0);
    memory_close(&memory);
}

static void test_bad_indices_are_noticed(void **state)
{
    (void)state;
    const uint64_t heads[] = {CAPACITY + 8, 1, 7, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63};
    const uint64_t tails[] = {72, 1, 65, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63};
    struct memory memory;
    struct ring_writer out;
    struct ring_reader in;
    void *to = NULL;
    const void *from = NULL;
    uint64_t available = 0;
    memory_open(&memory);
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        aimp__ring_reader_init(&in, &memory.flow, memory.data, CAPACITY);
        memory.flow.head = heads[i];
        assert_int_equal(aimp__ring_peek(&in, &from, &available), AIMP_ECORRUPT);
    }
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        aimp__ring_writer_init(&out, &memory.flow, memory.data, CAPACITY);
        aimp__ring_commit(&out, 64);
        memory.flow.tail = tails[i]; /* beyond the head, or unaligned */
        assert_int_equal(aimp__ring_reserve(&out, CAPACITY, &to), AIMP_ECORRUPT);
    }
    memory_close(&memory);
}

static void test_a_tail_never_goes_back(void **state)
{
    (void)state;
    struct memory memory;
    struct ring_writer out;
    void *to = NULL;
    memory_open(&memory);
    aimp__ring_writer_init(&out, &memory.flow, memory.data, CAPACITY);
    aimp__ring_commit(&out, CAPACITY);
    memory.flow.tail = 128;
    assert_int_equal(aimp__ring_reserve(&out, 64, &to), 0);
    memory.flow.tail = 64;
    assert_int_equal(aimp__ring_reserve(&out, 256, &to), AIMP_ECORRUPT);
    memory_close(&memory);
}

static void test_the_arena_fills_wraps_and_checks(void **state)
{
    (void)state;
    struct memory memory;
    struct arena_writer out;
    struct arena_reader in;
    void *to = NULL;
    uint64_t position;
    memory_open(&memory);
    aimp__arena_writer_init(&out, &memory.flow, memory.data, CAPACITY);
    aimp__arena_reader_init(&in, &memory.flow, memory.data, CAPACITY);
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t len = 1 + mix(i) % CAPACITY;
        assert_int_equal(aimp__arena_reserve(&out, len, &to, &position), 0);
        fill(to, len, i);
        aimp__arena_commit(&out, len);
        assert_int_equal(aimp__arena_reserve(&out, CAPACITY, &to, &(uint64_t){0}), AIMP_EFULL);
        assert_null(aimp__arena_at(&in, position + ARENA_ALIGN, len));
        assert_null(aimp__arena_at(&in, position - ARENA_ALIGN, len));
        assert_null(aimp__arena_at(&in, position + 1, len));
        assert_null(aimp__arena_at(&in, position, CAPACITY + 1));
        const void *from = aimp__arena_at(&in, position, len);
        assert_non_null(from);
        assert_true(is_filled(from, len, i));
        aimp__arena_release(&in, len);
    }
    assert_int_equal(aimp__arena_reserve(&out, CAPACITY, &to, &position), 0);
    aimp__arena_commit(&out, CAPACITY);
    const uint64_t tails[] = {out.head + ARENA_ALIGN, out.tail + 1, out.tail - ARENA_ALIGN, 0};
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        memory.flow.arena_tail = tails[i];
        assert_int_equal(aimp__arena_reserve(&out, CAPACITY, &to, &position), AIMP_ECORRUPT);
    }
    memory_close(&memory);
}

/* ---- two threads ---- */

#define MESSAGES 200000u

static uint64_t size_of(uint64_t i)
{
    return RING_PAD(8 + mix(i) % 700);
}

static void *produce(void *arg)
{
    struct memory *memory = arg;
    struct ring_writer out;
    aimp__ring_writer_init(&out, &memory->flow, memory->data, CAPACITY);
    for (uint64_t i = 0; i < MESSAGES; i++) {
        void *to = NULL;
        int rc;
        while ((rc = aimp__ring_reserve(&out, size_of(i), &to)) == AIMP_EFULL)
            sched_yield();
        if (rc != 0)
            return "the writer found the ring corrupt";
        fill(to, size_of(i), i);
        aimp__ring_commit(&out, size_of(i));
    }
    return NULL;
}

static void test_two_threads(void **state)
{
    (void)state;
    struct memory memory;
    struct ring_reader in;
    pthread_t thread;
    memory_open(&memory);
    aimp__ring_reader_init(&in, &memory.flow, memory.data, CAPACITY);
    assert_int_equal(pthread_create(&thread, NULL, produce, &memory), 0);
    for (uint64_t i = 0; i < MESSAGES; i++) {
        const void *from = NULL;
        uint64_t available = 0;
        int rc;
        while ((rc = aimp__ring_peek(&in, &from, &available)) == 0)
            sched_yield();
        assert_int_equal(rc, 1);
        assert_true(available >= size_of(i));
        assert_true(from && is_filled(from, size_of(i), i));
        aimp__ring_release(&in, size_of(i));
    }
    void *failure;
    pthread_join(thread, &failure);
    assert_null(failure);
    memory_close(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_wrap_around_in_one_piece),
        cmocka_unit_test(test_full_to_the_last_byte),
        cmocka_unit_test(test_bad_indices_are_noticed),
        cmocka_unit_test(test_a_tail_never_goes_back),
        cmocka_unit_test(test_the_arena_fills_wraps_and_checks),
        cmocka_unit_test(test_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
