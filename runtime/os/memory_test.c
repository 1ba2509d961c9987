/* Tests of os/memory.h, on a directory that looks like a machine with cgroups. */
/* SPDX-License-Identifier: MIT */
#include "os/memory.h"

#include "os/test_root.h"

#define MIB ((uint64_t)1 << 20)

static void put_machine(void)
{
    put("/proc/meminfo", "MemTotal:  9000000 kB\nMemFree:  10 kB\nMemAvailable:    1048576 kB\n");
}

static void test_of_the_machine(void **state)
{
    (void)state;
    assert_true(aimp__memory_available(root) == UINT64_MAX);
    put_machine();
    assert_true(aimp__memory_available(root) == 1024 * MIB);
    put("/proc/meminfo", "MemTotal: 9000000 kB\n");
    assert_true(aimp__memory_available(root) == UINT64_MAX);
}

static void test_the_tightest_cgroup_counts(void **state)
{
    (void)state;
    put_machine();
    put("/proc/self/cgroup", "0::/slice/job\n");
    put("/sys/fs/cgroup/slice/job/memory.max", "max\n");
    put("/sys/fs/cgroup/slice/job/memory.current", "1048576\n");
    assert_true(aimp__memory_available(root) == 1024 * MIB);
    put("/sys/fs/cgroup/slice/memory.max", "209715200\n");
    put("/sys/fs/cgroup/slice/memory.current", "104857600\n");
    assert_true(aimp__memory_available(root) == 100 * MIB);
    put("/sys/fs/cgroup/slice/job/memory.max", "11534336\n");
    assert_true(aimp__memory_available(root) == 10 * MIB);
}

static void test_the_cache_of_files_can_be_had(void **state)
{
    (void)state;
    put_machine();
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/memory.max", "209715200\n");
    put("/sys/fs/cgroup/memory.current", "199229440\n");
    put("/sys/fs/cgroup/memory.stat", "anon 5\ninactive_anon 7\nactive_file 31457280\n"
                                      "inactive_file 20971520\nshmem 7\n");
    assert_true(aimp__memory_available(root) == 60 * MIB);
    put("/sys/fs/cgroup/memory.current", "1048576\n"); /* figures of different moments */
    assert_true(aimp__memory_available(root) == 200 * MIB);
    put("/sys/fs/cgroup/memory.current", "999999999\n");
    assert_true(aimp__memory_available(root) == 0);
}

static void test_v1(void **state)
{
    (void)state;
    put_machine();
    put("/proc/self/cgroup", "4:memory:/job\n0::/\n");
    put("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "104857600\n");
    put("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "62914560\n");
    put("/sys/fs/cgroup/memory/job/memory.stat",
        "inactive_file 5\nactive_file 5\ntotal_inactive_file 10485760\ntotal_active_file 0\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"); /* none */
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "62914560\n");
    assert_true(aimp__memory_available(root) == 50 * MIB);
}

static void test_of_this_process(void **state)
{
    (void)state;
    assert_true(aimp__memory_available("") > MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_of_the_machine, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_tightest_cgroup_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_cache_of_files_can_be_had, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_v1, set_up, tear_down),
        cmocka_unit_test(test_of_this_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
