/* Tests of os/cpus.h, on texts and on a directory that looks like a container. */
/* SPDX-License-Identifier: MIT */
#include "os/cpus.h"

#include "os/cgroup.h"
#include "os/test_root.h"

#include <sched.h>
#include <sys/wait.h>

static void test_parse_max(void **state)
{
    (void)state;
    assert_int_equal(aimp__cpus_parse_max("max 100000\n"), 0);
    assert_int_equal(aimp__cpus_parse_max("100000 100000\n"), 1);
    assert_int_equal(aimp__cpus_parse_max("100001 100000\n"), 2);
    assert_int_equal(aimp__cpus_parse_max("150000 100000\n"), 2);
    assert_int_equal(aimp__cpus_parse_max("1000 100000\n"), 1);
    assert_int_equal(aimp__cpus_parse_max("800000 100000"), 8);
    assert_int_equal(aimp__cpus_parse_max(""), 0);
    assert_int_equal(aimp__cpus_parse_max("150000"), 0);
    assert_int_equal(aimp__cpus_parse_max("150000 0"), 0);
    assert_int_equal(aimp__cpus_parse_max("9223372036854775807 1"), 0);
}

static void test_parse_cfs(void **state)
{
    (void)state;
    assert_int_equal(aimp__cpus_parse_cfs("-1\n", "100000\n"), 0);
    assert_int_equal(aimp__cpus_parse_cfs("250000\n", "100000\n"), 3);
    assert_int_equal(aimp__cpus_parse_cfs("", ""), 0);
}

static void test_parse_cgroup(void **state)
{
    (void)state;
    const char *text = "12:cpuset:/set\n5:cpu,cpuacct:/work/a:b\n1:name=systemd:/s\n0::/v2\n";
    char path[32];
    assert_int_equal(aimp__cgroup_parse(text, "cpu", path, sizeof path), 1);
    assert_string_equal(path, "/work/a:b");
    assert_int_equal(aimp__cgroup_parse(text, "cpuacct", path, sizeof path), 1);
    assert_int_equal(aimp__cgroup_parse(text, "", path, sizeof path), 1);
    assert_string_equal(path, "/v2");
    assert_int_equal(aimp__cgroup_parse(text, "cpua", path, sizeof path), 0);
    assert_int_equal(aimp__cgroup_parse(text, "cpu", path, 9), 0); /* no room */
    assert_int_equal(aimp__cgroup_parse("nonsense", "", path, sizeof path), 0);
    assert_int_equal(aimp__cgroup_parse("1:cpu\n", "cpu", path, sizeof path), 0);
    assert_int_equal(aimp__cgroup_parse("", "", path, sizeof path), 0);
}

static void test_quota_is_the_smallest_above(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/slice/job/leaf\n");
    put("/sys/fs/cgroup/slice/job/leaf/cpu.max", "max 100000\n");
    assert_int_equal(aimp__cpus_quota(root), 0);
    put("/sys/fs/cgroup/slice/cpu.max", "600000 100000\n");
    assert_int_equal(aimp__cpus_quota(root), 6);
    put("/sys/fs/cgroup/slice/job/cpu.max", "250000 100000\n");
    assert_int_equal(aimp__cpus_quota(root), 3);
}

/* In a container only its own group is mounted, at the top. */
static void test_quota_of_a_container(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/docker/0123456789abcdef\n");
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    assert_int_equal(aimp__cpus_quota(root), 2);
}

static void test_quota_v1(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "4:cpu,cpuacct:/job\n0::/\n");
    put("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "350000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
    assert_int_equal(aimp__cpus_quota(root), 4);
}

static void test_no_cgroups(void **state)
{
    (void)state;
    assert_int_equal(aimp__cpus_quota(root), 0);
}

/* A child that pins itself to one core counts one. */
static void test_usable(void **state)
{
    (void)state;
    assert_in_range(aimp__cpus_usable(), 1, sysconf(_SC_NPROCESSORS_CONF));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET((size_t)sched_getcpu(), &one);
        _exit(sched_setaffinity(0, sizeof one, &one) == 0 ? aimp__cpus_usable() : 99);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_max),
        cmocka_unit_test(test_parse_cfs),
        cmocka_unit_test(test_parse_cgroup),
        cmocka_unit_test_setup_teardown(test_quota_is_the_smallest_above, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_quota_of_a_container, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_quota_v1, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_cgroups, set_up, tear_down),
        cmocka_unit_test(test_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
