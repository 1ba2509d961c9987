/* Memory fds: sealed, allocated, and refused when they are not. */
/* SPDX-License-Identifier: MIT */
#include "os/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))

static void test_created_memory_is_there_and_cannot_be_resized(void **state)
{
    (void)state;
    struct stat st;
    size_t size = 0;
    int fd = aimp__memfd_create("test", 5 * PAGE, NULL);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_blocks * 512, 5 * PAGE);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(ftruncate(fd, (off_t)(6 * PAGE)), -1);
    assert_int_equal(aimp__memfd_size(fd, &size, NULL), 0);
    assert_int_equal(size, 5 * PAGE);
    close(fd);
}

static void test_size_wants_the_seals(void **state)
{
    (void)state;
    size_t size;
    int fd = memfd_create("test", MFD_ALLOW_SEALING);
    assert_int_equal(aimp__memfd_size(fd, &size, NULL), AIMP_ECORRUPT);
    assert_int_equal(aimp__memfd_size(STDIN_FILENO, &size, NULL), AIMP_ECORRUPT);
    close(fd);
}

static void test_parts_are_mapped_twice(void **state)
{
    (void)state;
    size_t mapped;
    int fd = aimp__memfd_create("test", 3 * PAGE, NULL);
    const struct memfd_part parts[] = {{0, PAGE, 0}, {PAGE, 2 * PAGE, 1}};
    char *base = aimp__memfd_map_parts(fd, parts, 2, &mapped, NULL);
    assert_non_null(base);
    assert_int_equal(mapped, 5 * PAGE);
    char *ring = base + PAGE;
    memset(ring + 2 * PAGE - 3, 'x', 6); /* over the end */
    assert_memory_equal(ring, "xxx", 3);
    assert_memory_equal(ring + 4 * PAGE - 3, "xxx", 3);
    aimp__memfd_unmap(base, mapped);
    close(fd);
}

static void test_a_one_shot_can_be_mapped_and_not_changed(void **state)
{
    (void)state;
    void *at;
    const char text[] = "exactly these bytes";
    int fd = aimp__memfd_write_once("test", text, sizeof text, NULL);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "E", 1, 0), -1);
    assert_ptr_equal(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    assert_int_equal(aimp__memfd_map_once(fd, sizeof text, &at, NULL), 0);
    assert_memory_equal(at, text, sizeof text);
    *(char *)at = 'E'; /* ours alone */
    char first;
    assert_int_equal(pread(fd, &first, 1, 0), 1);
    assert_int_equal(first, 'e');
    aimp__memfd_unmap(at, sizeof text);
    assert_int_equal(aimp__memfd_map_once(fd, sizeof text - 1, &at, NULL), AIMP_ECORRUPT);
    assert_int_equal(aimp__memfd_map_once(fd, sizeof text + 1, &at, NULL), AIMP_ECORRUPT);
    close(fd);
}

static void refuse(int fd, uint64_t len)
{
    void *at;
    struct aimp_error err;
    assert_true(fd >= 0);
    assert_int_equal(aimp__memfd_map_once(fd, len, &at, &err), AIMP_ECORRUPT);
    assert_int_equal(err.code, AIMP_ECORRUPT);
    close(fd);
}

static int memfd_with(size_t size, int allocate, int seals)
{
    int fd = memfd_create("test", MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    if (allocate)
        assert_int_equal(fallocate(fd, 0, 0, (off_t)size), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void test_impostors_are_refused(void **state)
{
    (void)state;
    int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    int ends[2];
    refuse(memfd_with(PAGE, 1, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), PAGE);
    refuse(memfd_with(PAGE, 1, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SEAL), PAGE);
    refuse(memfd_with((size_t)1 << 40, 0, all), (uint64_t)1 << 40); /* sparse: reading allocates */
    refuse(open("/proc/self/exe", O_RDONLY), 1);
    assert_int_equal(pipe(ends), 0);
    close(ends[1]);
    refuse(ends[0], 1);
}

/* Were the check broken, the kernel would kill somebody: let it be this process. */
static void test_more_than_the_machine_has_is_an_error(void **state)
{
    (void)state;
    struct aimp_error err;
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);
    assert_int_equal(write(fd, "1000", 4), 4);
    close(fd);
    assert_int_equal(aimp__memfd_create("test", (size_t)1 << 50, &err), AIMP_ENOMEM);
    assert_int_equal(err.os_errno, ENOMEM);
    char byte = 0; /* never read: the size alone is refused */
    assert_int_equal(aimp__memfd_write_once("test", &byte, (size_t)1 << 50, &err), AIMP_ENOMEM);
}

static void test_limits_are_errors(void **state)
{
    (void)state;
    struct aimp_error err;
    struct rlimit old;
    struct rlimit files;
    assert_int_equal(aimp__memfd_create("test", SIZE_MAX, &err), AIMP_ESYS);
    assert_int_equal(err.os_errno, EFBIG);
    getrlimit(RLIMIT_FSIZE, &old);
    struct rlimit small = {.rlim_cur = PAGE, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    assert_int_equal(aimp__memfd_create("test", 2 * PAGE, &err), AIMP_ESYS); /* and no SIGXFSZ */
    assert_int_equal(err.os_errno, EFBIG);
    int fd = aimp__memfd_create("test", PAGE, &err);
    assert_true(fd >= 0);
    close(fd);
    setrlimit(RLIMIT_FSIZE, &old);
    getrlimit(RLIMIT_NOFILE, &files);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = files.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    assert_int_equal(aimp__memfd_write_once("test", "x", 1, &err), AIMP_ESYS);
    assert_int_equal(err.os_errno, EMFILE);
    setrlimit(RLIMIT_NOFILE, &files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_created_memory_is_there_and_cannot_be_resized),
        cmocka_unit_test(test_size_wants_the_seals),
        cmocka_unit_test(test_parts_are_mapped_twice),
        cmocka_unit_test(test_a_one_shot_can_be_mapped_and_not_changed),
        cmocka_unit_test(test_impostors_are_refused),
        cmocka_unit_test(test_more_than_the_machine_has_is_an_error),
        cmocka_unit_test(test_limits_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
