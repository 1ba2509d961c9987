/* Shared blocks: life, what is refused, and atomic operations between processes. */
/* SPDX-License-Identifier: MIT */
#include "os/shm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static int count_mappings(void)
{
    char line[512];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps))
        count += strstr(line, "memfd:") != NULL;
    fclose(maps);
    return count;
}

static char *map(const struct aimp_shm *shm)
{
    char *address = aimp_shm_map(shm, NULL);
    assert_non_null(address);
    return address;
}

static void test_two_mappings_show_the_same_memory(void **state)
{
    (void)state;
    const uint64_t sizes[] = {1, 8, 4095, 4096, 4097, 1 << 20};
    int fds = count_fds();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct aimp_shm a;
        struct aimp_shm b;
        assert_int_equal(aimp_shm_create(&a, sizes[i], NULL), 0);
        assert_int_equal(a.size, sizes[i]);
        assert_int_equal(aimp_shm_attach(&b, dup(a.fd), NULL), 0);
        assert_int_equal(b.size, sizes[i]);
        char *one = map(&a);
        char *other = map(&b);
        assert_ptr_not_equal(one, other);
        assert_int_equal(one[0] | one[sizes[i] - 1], 0);
        one[sizes[i] - 1] = 'x';
        assert_int_equal(other[sizes[i] - 1], 'x');
        aimp_shm_close(&a);
        aimp_shm_close(&b);
        aimp_shm_unmap(one, a.size);
        assert_int_equal(other[sizes[i] - 1], 'x');
        aimp_shm_unmap(other, b.size);
    }
    assert_int_equal(count_fds(), fds);
    assert_int_equal(count_mappings(), 0);
}

static void test_closed_twice(void **state)
{
    (void)state;
    struct aimp_shm shm;
    int fds = count_fds();
    assert_int_equal(aimp_shm_create(&shm, 4096, NULL), 0);
    aimp_shm_close(&shm);
    assert_int_equal(shm.fd, -1);
    int other = dup(STDERR_FILENO); /* gets the number */
    aimp_shm_close(&shm);
    assert_int_equal(count_fds(), fds + 1);
    close(other);
}

/* The fd is taken, whatever it is. */
static void refuse(int fd)
{
    struct aimp_shm shm;
    struct aimp_error err;
    assert_true(fd >= 0);
    assert_int_equal(aimp_shm_attach(&shm, fd, &err), AIMP_ECORRUPT);
    assert_int_equal(err.code, AIMP_ECORRUPT);
    assert_int_equal(shm.fd, -1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static int memfd_with(size_t size, int is_allocated, int seals)
{
    int fd = memfd_create("test", MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    if (is_allocated)
        assert_int_equal(fallocate(fd, 0, 0, (off_t)size), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void test_impostors_are_refused(void **state)
{
    (void)state;
    const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    int ends[2];
    refuse(memfd_with(4096, 1, F_SEAL_SHRINK | F_SEAL_SEAL));
    refuse(memfd_with(4096, 1, F_SEAL_GROW | F_SEAL_SEAL));
    refuse(memfd_with(1 << 30, 0, all)); /* sparse: using it would allocate */
    refuse(memfd_with(0, 0, all));
    refuse(open("/proc/self/exe", O_RDONLY));
    assert_int_equal(pipe(ends), 0);
    refuse(ends[0]);
    close(ends[1]);
}

static void test_what_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    struct aimp_shm shm;
    struct aimp_error err;
    struct rlimit old;
    assert_int_equal(aimp_shm_create(&shm, UINT64_MAX, &err), AIMP_ESYS);
    assert_int_equal(err.os_errno, EFBIG);
    assert_int_equal(aimp_shm_create(&shm, (uint64_t)1 << 50, &err), AIMP_ENOMEM);
    assert_int_equal(err.os_errno, ENOMEM);
    assert_int_equal(shm.fd, -1);
    aimp_shm_close(&shm);
    getrlimit(RLIMIT_NOFILE, &old);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    assert_int_equal(aimp_shm_create(&shm, 4096, &err), AIMP_ESYS);
    assert_int_equal(err.os_errno, EMFILE);
    setrlimit(RLIMIT_NOFILE, &old);
}

/* ---- atomic operations ---- */

static void test_add_wraps_and_leaves_its_neighbours_alone(void **state)
{
    (void)state;
    for (uint32_t size = 1; size <= 8; size *= 2) {
        uint64_t mask = size == 8 ? UINT64_MAX : ((uint64_t)1 << 8 * size) - 1;
        _Alignas(8) uint8_t cells[24] = {0};
        memset(cells + 8, 0xff, size);
        assert_true(aimp_shm_add(cells + 8, size, 3) == 2);
        assert_true(aimp_shm_add(cells + 8, size, (uint64_t)-5) == (mask & (uint64_t)-3));
        for (uint32_t i = 0; i < sizeof cells; i++)
            assert_true(i >= 8 && i < 8 + size ? cells[i] != 0 : cells[i] == 0);
    }
}

static void test_cas(void **state)
{
    (void)state;
    for (uint32_t size = 1; size <= 8; size *= 2) {
        uint64_t mask = size == 8 ? UINT64_MAX : ((uint64_t)1 << 8 * size) - 1;
        uint64_t value;
        _Alignas(8) uint8_t cells[24] = {0};
        assert_int_equal(aimp_shm_cas(cells + 8, size, 1, 2), 0);
        assert_int_equal(aimp_shm_cas(cells + 8, size, 0, (uint64_t)-2), 1);
        assert_int_equal(aimp_shm_cas(cells + 8, size, (uint64_t)-2, 0x0102030405060708), 1);
        memcpy(&value, cells + 8, sizeof value);
        assert_true(value == (0x0102030405060708 & mask));
        assert_int_equal(cells[7] | cells[16], 0);
    }
}

#define ROUNDS ((uint64_t)300000)

/* At the same time as another process does it. */
static void add_in_turns(char *cells, uint32_t size)
{
    aimp_shm_add(cells + 16, 8, 1);
    while (__atomic_load_n((uint64_t *)(cells + 16), __ATOMIC_SEQ_CST) < 2)
        sched_yield();
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t old;
        aimp_shm_add(cells, size, 1);
        do
            old = __atomic_load_n((uint64_t *)(cells + 8), __ATOMIC_RELAXED);
        while (!aimp_shm_cas(cells + 8, 8, old, old + 1));
    }
}

static void test_two_processes_lose_nothing(void **state)
{
    (void)state;
    for (uint32_t size = 1; size <= 8; size *= 2) {
        struct aimp_shm shm;
        uint64_t counts[2];
        int status;
        assert_int_equal(aimp_shm_create(&shm, 4096, NULL), 0);
        char *cells = map(&shm);
        pid_t pid = fork();
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            add_in_turns(cells, size);
            _exit(0);
        }
        add_in_turns(cells, size);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        memcpy(counts, cells, sizeof counts);
        assert_true(counts[0] == (2 * ROUNDS & (size == 8 ? ~0ull : (1ull << 8 * size) - 1)));
        assert_true(counts[1] == 2 * ROUNDS);
        aimp_shm_unmap(cells, shm.size);
        aimp_shm_close(&shm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_mappings_show_the_same_memory),
        cmocka_unit_test(test_closed_twice),
        cmocka_unit_test(test_impostors_are_refused),
        cmocka_unit_test(test_what_cannot_be_made_is_an_error),
        cmocka_unit_test(test_add_wraps_and_leaves_its_neighbours_alone),
        cmocka_unit_test(test_cas),
        cmocka_unit_test(test_two_processes_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
