/* The contract is in fdpass.h. */
/* SPDX-License-Identifier: MIT */
#include "os/fdpass.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(FDPASS_MAX * sizeof(int))];
};

int aimp__fdpass_pair(int fds[2], struct aimp_error *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
        return aimp__error_errno(err, "cannot make a socket pair");
    return 0;
}

static int socket_error(struct aimp_error *err, const char *what)
{
    switch (errno) {
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
        aimp__error_errno(err, "%s", what);
        break;
    default:
        return aimp__error_errno(err, "%s", what);
    }
    if (err)
        err->code = AIMP_ECLOSED;
    return AIMP_ECLOSED;
}

static void attach_fds(struct msghdr *message, union control *control, const int *fds, int fd_count)
{
    size_t size = (size_t)fd_count * sizeof(int);
    memset(control, 0, sizeof *control);
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(size);
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), fds, size);
}

int aimp__fdpass_send(int socket, const void *data, size_t len, const int *fds, int fd_count,
                      struct aimp_error *err)
{
    assert(len > 0 && fd_count >= 0 && fd_count <= FDPASS_MAX);
    struct iovec part = {.iov_base = (void *)data, .iov_len = len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union control control;
    if (fd_count > 0)
        attach_fds(&message, &control, fds, fd_count);
    ssize_t sent;
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno == ETOOMANYREFS)
        errno = EAGAIN; /* too many fds in flight: over when the peer has received some */
    return sent < 0 ? socket_error(err, "cannot send a message") : 0;
}

static void close_all(const int *fds, int count)
{
    for (int i = 0; i < count; i++)
        close(fds[i]);
}

/* Moves the message's fds to got[]; returns how many. */
static int detach_fds(struct msghdr *message, int got[FDPASS_MAX])
{
    int count = 0;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h; h = CMSG_NXTHDR(message, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        int n = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        assert(count + n <= FDPASS_MAX); /* the control buffer has no more room */
        memcpy(got + count, CMSG_DATA(h), (size_t)n * sizeof(int));
        count += n;
    }
    return count;
}

/* What a received message means, before its fds are handed out. */
static int judge(const struct msghdr *message, ssize_t received, size_t size,
                 struct aimp_error *err)
{
    if (received == 0)
        return aimp__error_set(err, AIMP_ECLOSED, "the peer closed the socket");
    if (message->msg_flags & MSG_TRUNC)
        return aimp__error_set(err, AIMP_EINVAL, "message longer than %zu bytes", size);
    return (int)received;
}

int aimp__fdpass_receive(int socket, void *data, size_t size, int *fds, int *fd_count,
                         struct aimp_error *err)
{
    struct iovec part = {.iov_base = data, .iov_len = size};
    union control control;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    int room = fd_count ? *fd_count : 0;
    if (fd_count)
        *fd_count = 0;
    ssize_t received;
    do
        received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (received < 0 && errno == EINTR);
    if (received < 0)
        return socket_error(err, "cannot receive a message");
    int got[FDPASS_MAX];
    int count = detach_fds(&message, got);
    int result = judge(&message, received, size, err);
    int kept = result < 0 ? 0 : count < room ? count : room;
    if (kept > 0) {
        memcpy(fds, got, (size_t)kept * sizeof(int));
        *fd_count = kept;
    }
    close_all(got + kept, count - kept);
    return result;
}
