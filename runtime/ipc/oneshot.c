/* The contract is in oneshot.h. */
/* SPDX-License-Identifier: MIT */
#include "ipc/oneshot.h"

#include "base/failpoint.h"
#include "os/fdpass.h"
#include "os/memfd.h"
#include "os/wake.h"

#include <inttypes.h>
#include <unistd.h>

#define MESSAGE_MAGIC 0x746f6873u /* "shot" */

struct oneshot_message {
    uint32_t magic;
    uint32_t zero;
    uint64_t number;
};

int aimp__oneshot_init(struct oneshot *oneshot, int ctl_fd, struct aimp_error *err)
{
    *oneshot =
        (struct oneshot){.ctl_fd = ctl_fd, .reserve_fd = -1, .waiting_fd = -1, .passed_fd = -1};
    if (ctl_fd < 0)
        return 0;
    oneshot->reserve_fd = aimp__wake_open(err);
    return oneshot->reserve_fd < 0 ? oneshot->reserve_fd : 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void aimp__oneshot_fini(struct oneshot *oneshot)
{
    aimp__oneshot_release(oneshot);
    close_fd(&oneshot->reserve_fd);
    close_fd(&oneshot->waiting_fd);
}

int aimp__oneshot_pass(struct oneshot *oneshot, int fd, struct aimp_error *err)
{
    if (oneshot->ctl_fd < 0)
        return aimp__error_set(err, AIMP_EINVAL, "no socket for a descriptor");
    struct oneshot_message message = {.magic = MESSAGE_MAGIC, .number = oneshot->sent + 1};
    int rc = aimp__fdpass_send(oneshot->ctl_fd, &message, sizeof message, &fd, 1, err);
    if (rc < 0)
        return rc == AIMP_EAGAIN || rc == AIMP_ECLOSED ? rc : AIMP_EFULL;
    oneshot->sent++;
    AIMP_FAILPOINT("oneshot.passed");
    return 0;
}

int aimp__oneshot_send(struct oneshot *oneshot, const void *data, size_t len,
                       struct aimp_error *err)
{
    if (oneshot->ctl_fd < 0)
        return aimp__error_set(err, AIMP_EINVAL, "no socket for a payload of %zu bytes", len);
    int fd = aimp__memfd_write_once("aimp-payload", data, len, err);
    if (fd < 0)
        return AIMP_EFULL;
    AIMP_FAILPOINT("oneshot.written");
    int rc = aimp__oneshot_pass(oneshot, fd, err);
    close(fd);
    return rc;
}

/* The message was sent before its frame was committed, so it is there. *fd is -1 when it came
 * without, as where this process may open no more files. */
static int take(struct oneshot *oneshot, int *fd, struct aimp_error *err)
{
    struct oneshot_message message;
    int count = 1;
    *fd = -1;
    close_fd(&oneshot->reserve_fd);
    int rc = aimp__fdpass_receive(oneshot->ctl_fd, &message, sizeof message, fd, &count, err);
    if (rc == (int)sizeof message && message.magic == MESSAGE_MAGIC &&
        message.number == oneshot->received + 1)
        return 0;
    close_fd(fd);
    return aimp__error_set(err, AIMP_ECORRUPT, "one-shot %" PRIu64 " did not come",
                           oneshot->received + 1);
}

int aimp__oneshot_receive(struct oneshot *oneshot, uint64_t number, uint64_t len,
                          struct aimp_error *err)
{
    if (oneshot->ctl_fd < 0 || number != oneshot->received + 1 || len == 0 || len > PTRDIFF_MAX)
        return aimp__error_set(err, AIMP_ECORRUPT, "no such one-shot");
    if (oneshot->waiting_fd < 0) {
        int rc = take(oneshot, &oneshot->waiting_fd, err);
        if (rc < 0)
            return rc;
    }
    if (oneshot->waiting_fd < 0)
        return aimp__error_set(err, AIMP_ECORRUPT, "a one-shot came without its memory");
    AIMP_FAILPOINT("oneshot.taken");
    int rc = aimp__memfd_map_once(oneshot->waiting_fd, len, &oneshot->mapping, err);
    if (rc < 0)
        return rc == AIMP_ECORRUPT ? rc : AIMP_ENOMEM;
    oneshot->mapped = (size_t)len;
    oneshot->received++;
    close_fd(&oneshot->waiting_fd);
    oneshot->reserve_fd = aimp__wake_open(NULL); /* -1: no worse than having had none */
    AIMP_FAILPOINT("oneshot.mapped");
    return 0;
}

int aimp__oneshot_receive_fd(struct oneshot *oneshot, uint64_t number, struct aimp_error *err)
{
    if (oneshot->ctl_fd < 0 || number != oneshot->received + 1)
        return aimp__error_set(err, AIMP_ECORRUPT, "no such descriptor");
    int rc = take(oneshot, &oneshot->passed_fd, err);
    if (rc < 0)
        return rc;
    oneshot->received++;
    oneshot->reserve_fd = aimp__wake_open(NULL);
    if (oneshot->reserve_fd < 0) {
        close_fd(&oneshot->passed_fd);
        oneshot->reserve_fd = aimp__wake_open(NULL);
    }
    return 0;
}

void aimp__oneshot_release(struct oneshot *oneshot)
{
    close_fd(&oneshot->passed_fd);
    if (!oneshot->mapping)
        return;
    aimp__memfd_unmap(oneshot->mapping, oneshot->mapped);
    oneshot->mapping = NULL;
}
