/* The contract is in signals.h. In the handlers: async-signal-safe functions only. */
/* SPDX-License-Identifier: MIT */
#include "cli/signals.h"

#include "os/wake.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define GRACE_S 5

static volatile sig_atomic_t first_signal;
static volatile sig_atomic_t deadline_status;
static int wake_fd = -1;

static _Noreturn void end_now(int status)
{
    uv_tty_reset_mode(); /* async-signal-safe by its contract */
    _exit(status);
}

static void say(const char *line)
{
    ssize_t unused = write(STDERR_FILENO, line, strlen(line));
    (void)unused; /* there is nobody else to tell */
}

static void on_stop(int number)
{
    int saved_errno = errno;
    if (first_signal)
        end_now(128 + number);
    first_signal = number;
    say(number == SIGINT ? "aimprun: interrupted\n" : "aimprun: terminated\n");
    aimp__signals_deadline(128 + number, GRACE_S);
    aimp__wake_ring(wake_fd);
    errno = saved_errno;
}

static void on_deadline(int number)
{
    (void)number;
    end_now(deadline_status);
}

static void do_nothing(int number)
{
    (void)number;
}

static void on_broken_pipe(int number)
{
    int saved_errno = errno;
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    if (poll(&out, 1, 0) == 1 && (out.revents & POLLERR)) {
        signal(number, SIG_DFL);
        raise(number); /* takes effect when this handler returns */
    }
    errno = saved_errno;
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

int aimp__signals_start(struct aimp_error *err)
{
    wake_fd = aimp__wake_open(err);
    if (wake_fd < 0)
        return wake_fd;
    handle(SIGALRM, on_deadline);
    handle(SIGINT, on_stop);
    handle(SIGTERM, on_stop);
    handle(SIGPIPE, on_broken_pipe);
    return 0;
}

int aimp__signals_fd(void)
{
    return wake_fd;
}

int aimp__signals_first(void)
{
    return first_signal;
}

void aimp__signals_ignore_pipe(void)
{
    handle(SIGPIPE, do_nothing);
}

void aimp__signals_deadline(int status, unsigned seconds)
{
    deadline_status = status;
    alarm(seconds);
}
