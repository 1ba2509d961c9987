/* The contract is in spin.h. */
/* SPDX-License-Identifier: MIT */
#include "os/spin.h"

#include "os/clock.h"
#include "os/cpus.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Looks between two looks at the clock. */
#define LOOKS 16

void aimp__spin_policy_init(struct spin_policy *policy)
{
    *policy = (struct spin_policy){.budget_ns = SPIN_START_NS};
}

uint32_t aimp__spin_policy_begin(struct spin_policy *policy, uint32_t runnable, uint32_t cores)
{
    if (cores < 2 || runnable > cores) /* on one core the peer runs only when we do not */
        return 0;
    if (policy->budget_ns > 0)
        return policy->budget_ns;
    if (++policy->waits_off < SPIN_RETRY_WAITS)
        return 0;
    policy->waits_off = 0;
    return SPIN_RETRY_NS;
}

bool aimp__spin_policy_is_lull(struct spin_policy *policy, uint64_t now_ns)
{
    bool is_lull = policy->began_ns != 0 && now_ns - policy->began_ns > SPIN_LULL_NS;
    policy->began_ns = now_ns;
    return is_lull;
}

void aimp__spin_policy_end(struct spin_policy *policy, bool is_hit)
{
    uint32_t budget = policy->budget_ns;
    if (is_hit)
        budget = budget ? budget * 2 : SPIN_RETRY_NS;
    else
        budget /= 2;
    if (budget < SPIN_MIN_NS)
        budget = 0;
    policy->budget_ns = budget < SPIN_MAX_NS ? budget : SPIN_MAX_NS;
}

uint32_t aimp__spin_parse_runnable(const char *loadavg)
{
    const char *at = loadavg;
    for (int field = 0; field < 3; field++) {
        at = strchr(at, ' ');
        if (!at)
            return 0;
        at++;
    }
    char *end;
    unsigned long runnable = strtoul(at, &end, 10);
    return end != at && *end == '/' && runnable <= UINT32_MAX ? (uint32_t)runnable : 0;
}

void aimp__spinner_init(struct spinner *spinner)
{
    *spinner = (struct spinner){.cores = (uint32_t)aimp__cpus_known(), .load_fd = -1};
    aimp__spin_policy_init(&spinner->policy);
}

void aimp__spinner_fini(struct spinner *spinner)
{
    if (spinner->load_fd >= 0)
        close(spinner->load_fd);
    spinner->load_fd = -1;
}

/* Without /proc the load is unknown, and the policy goes by hits alone. */
static uint32_t read_runnable(struct spinner *spinner)
{
    char text[128];
    if (spinner->load_fd == -1) {
        spinner->load_fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
        if (spinner->load_fd < 0)
            spinner->load_fd = -2;
    }
    if (spinner->load_fd < 0)
        return 0;
    ssize_t length = pread(spinner->load_fd, text, sizeof text - 1, 0);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    return aimp__spin_parse_runnable(text);
}

static void sample(struct spinner *spinner, uint64_t now_ns)
{
    if (spinner->sampled_ns != 0 && now_ns - spinner->sampled_ns < SPIN_SAMPLE_NS)
        return;
    spinner->sampled_ns = now_ns;
    spinner->runnable = read_runnable(spinner);
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool spin(uint64_t deadline_ns, bool (*is_ready)(void *ctx), void *ctx)
{
    do {
        for (int i = 0; i < LOOKS; i++) {
            if (is_ready(ctx))
                return true;
            relax();
        }
    } while (aimp__clock_ns() < deadline_ns);
    return false;
}

bool aimp__spinner_wait(struct spinner *spinner, bool (*is_ready)(void *ctx), void *ctx)
{
    if (is_ready(ctx))
        return true;
    uint64_t now_ns = aimp__clock_ns();
    if (aimp__spin_policy_is_lull(&spinner->policy, now_ns))
        return false;
    sample(spinner, now_ns);
    uint32_t budget = aimp__spin_policy_begin(&spinner->policy, spinner->runnable, spinner->cores);
    if (budget == 0)
        return false;
    bool is_hit = spin(now_ns + budget, is_ready, ctx);
    aimp__spin_policy_end(&spinner->policy, is_hit);
    return is_hit;
}
