/* The contract is in multi.h. */
/* SPDX-License-Identifier: MIT */
#include "http/multi.h"

#include "http/socket.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

struct aimp__http_multi {
    uv_timer_t timer; /* data stays NULL, see socket.h */
    CURLM *curl;
    struct aimp__http_sockets *sockets;
    struct aimp__http_transfer *running; /* list */
    struct aimp__http_transfer *ready_first, *ready_last;
    void (*on_ready)(void *data); /* NULL once closed */
    void *data;
    bool is_acting; /* inside a uv callback of ours, which ends with on_ready */
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_code;
static pid_t curl_pid;

static void init_curl(void)
{
    curl_code = curl_global_init(CURL_GLOBAL_DEFAULT);
    curl_pid = getpid();
}

static int ensure_curl(struct aimp_error *err)
{
    pthread_once(&curl_once, init_curl);
    if (curl_code)
        return aimp__error_set(err, AIMP_ESYS, "libcurl does not start: %s",
                               curl_easy_strerror(curl_code));
    if (curl_pid != getpid())
        return aimp__error_set(err, AIMP_EINVAL,
                               "libcurl was started in process %ld, before a fork", (long)curl_pid);
    return 0;
}

static void kick(struct aimp__http_multi *multi);

/* The loop must not end while there is something that on_ready will tell. */
static void update_ref(struct aimp__http_multi *multi)
{
    if (multi->running || multi->ready_first)
        uv_ref((uv_handle_t *)&multi->timer);
    else
        uv_unref((uv_handle_t *)&multi->timer);
}

static void queue_ready(struct aimp__http_multi *multi, struct aimp__http_transfer *transfer)
{
    if (transfer->is_queued)
        return;
    transfer->is_queued = true;
    transfer->next_ready = NULL;
    if (multi->ready_last)
        multi->ready_last->next_ready = transfer;
    else
        multi->ready_first = transfer;
    multi->ready_last = transfer;
    update_ref(multi);
    if (!multi->is_acting)
        kick(multi);
}

static void unqueue_ready(struct aimp__http_multi *multi, struct aimp__http_transfer *transfer)
{
    struct aimp__http_transfer *previous = NULL;
    struct aimp__http_transfer **link = &multi->ready_first;
    while (*link != transfer) {
        previous = *link;
        link = &previous->next_ready;
    }
    *link = transfer->next_ready;
    if (multi->ready_last == transfer)
        multi->ready_last = previous;
    transfer->is_queued = false;
    update_ref(multi);
}

static void on_chunk(struct aimp__http_transfer *transfer)
{
    queue_ready(transfer->multi, transfer);
}

static void list_running(struct aimp__http_multi *multi, struct aimp__http_transfer *transfer)
{
    transfer->multi = multi;
    transfer->state = AIMP__HTTP_RUNNING;
    transfer->on_chunk = on_chunk;
    transfer->previous = NULL;
    transfer->next = multi->running;
    if (multi->running)
        multi->running->previous = transfer;
    multi->running = transfer;
    update_ref(multi);
}

static void unlist_running(struct aimp__http_multi *multi, struct aimp__http_transfer *transfer)
{
    if (transfer->previous)
        transfer->previous->next = transfer->next;
    else
        multi->running = transfer->next;
    if (transfer->next)
        transfer->next->previous = transfer->previous;
    update_ref(multi);
}

/* The transfer is over; it stays with the multi until next() hands it out. */
static void finish(struct aimp__http_multi *multi, struct aimp__http_transfer *transfer,
                   CURLcode code)
{
    curl_multi_remove_handle(multi->curl, transfer->easy);
    transfer->state = AIMP__HTTP_DONE;
    transfer->code = code;
    queue_ready(multi, transfer);
    unlist_running(multi, transfer);
}

static void collect_done(struct aimp__http_multi *multi)
{
    int left = 0;
    CURLMsg *message = NULL;
    while ((message = curl_multi_info_read(multi->curl, &left))) {
        CURLcode code = message->data.result;
        char *transfer = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        finish(multi, (struct aimp__http_transfer *)(void *)transfer, code);
    }
}

static void act(struct aimp__http_multi *multi, curl_socket_t fd, int mask)
{
    int running = 0;
    multi->is_acting = true;
    CURLMcode code = curl_multi_socket_action(multi->curl, fd, mask, &running);
    collect_done(multi);
    while (code && multi->running)
        finish(multi, multi->running, CURLE_ABORTED_BY_CALLBACK);
    multi->is_acting = false;
    if (multi->ready_first)
        multi->on_ready(multi->data); /* may close the multi */
}

static void on_socket_event(void *data, int fd, int events)
{
    int mask = events & UV_READABLE ? CURL_CSELECT_IN : 0;
    if (events & UV_WRITABLE)
        mask |= CURL_CSELECT_OUT;
    act(data, fd, mask);
}

static void on_time(uv_timer_t *timer)
{
    act((struct aimp__http_multi *)((char *)timer - offsetof(struct aimp__http_multi, timer)),
        CURL_SOCKET_TIMEOUT, 0);
}

/* Has on_ready called soon. curl sets its own time anew when it is asked early. */
static void kick(struct aimp__http_multi *multi)
{
    uv_timer_start(&multi->timer, on_time, 0, 0);
}

static int on_curl_time(CURLM *curl, long timeout_ms, void *data)
{
    struct aimp__http_multi *multi = data;
    (void)curl;
    if (timeout_ms >= 0)
        uv_timer_start(&multi->timer, on_time, (uint64_t)timeout_ms, 0);
    else if (!multi->ready_first)
        uv_timer_stop(&multi->timer);
    return 0;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *assigned)
{
    struct aimp__http_multi *multi = data;
    (void)easy;
    (void)assigned;
    if (what == CURL_POLL_REMOVE) {
        aimp__http_sockets_unwatch(multi->sockets, fd);
        return 0;
    }
    int events = what & CURL_POLL_IN ? UV_READABLE : 0;
    if (what & CURL_POLL_OUT)
        events |= UV_WRITABLE;
    return aimp__http_sockets_watch(multi->sockets, fd, events) ? -1 : 0;
}

static curl_socket_t on_curl_open(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct aimp__http_multi *multi = data;
    (void)purpose;
    return aimp__http_sockets_open(multi->sockets, address->family, address->socktype,
                                   address->protocol);
}

static int on_curl_close(void *data, curl_socket_t fd)
{
    struct aimp__http_multi *multi = data;
    aimp__http_sockets_close(multi->sockets, fd);
    return 0;
}

static CURLMcode set_callbacks(struct aimp__http_multi *multi, long max_connections)
{
    CURLM *curl = multi->curl;
    CURLMcode code = curl_multi_setopt(curl, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    if (!code)
        code = curl_multi_setopt(curl, CURLMOPT_SOCKETDATA, multi);
    if (!code)
        code = curl_multi_setopt(curl, CURLMOPT_TIMERFUNCTION, on_curl_time);
    if (!code)
        code = curl_multi_setopt(curl, CURLMOPT_TIMERDATA, multi);
    if (!code)
        code = curl_multi_setopt(curl, CURLMOPT_MAX_TOTAL_CONNECTIONS, max_connections);
    return code;
}

static int init(struct aimp__http_multi *multi, uv_loop_t *loop, long max_connections)
{
    multi->sockets = aimp__http_sockets_new(loop, on_socket_event, multi);
    multi->curl = curl_multi_init();
    if (!multi->sockets || !multi->curl || set_callbacks(multi, max_connections))
        return AIMP_ENOMEM;
    uv_timer_init(loop, &multi->timer);
    update_ref(multi);
    return 0;
}

int aimp__http_multi_open(struct aimp__http_multi **out, uv_loop_t *loop, long max_connections,
                          void (*on_ready)(void *data), void *data, struct aimp_error *err)
{
    int code = ensure_curl(err);
    if (code)
        return code;
    struct aimp__http_multi *multi = calloc(1, sizeof *multi);
    if (!multi || init(multi, loop, max_connections)) {
        if (multi) {
            curl_multi_cleanup(multi->curl);
            aimp__http_sockets_free(multi->sockets);
        }
        free(multi);
        return aimp__error_set(err, AIMP_ENOMEM, "no memory for an HTTP session");
    }
    multi->on_ready = on_ready;
    multi->data = data;
    *out = multi;
    return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free((char *)handle - offsetof(struct aimp__http_multi, timer));
}

void aimp__http_multi_close(struct aimp__http_multi *multi)
{
    if (!multi)
        return;
    while (multi->running)
        aimp__http_multi_drop(multi->running);
    while (multi->ready_first)
        aimp__http_multi_drop(multi->ready_first);
    curl_multi_cleanup(multi->curl);
    aimp__http_sockets_free(multi->sockets);
    multi->on_ready = NULL;
    uv_close((uv_handle_t *)&multi->timer, on_timer_closed);
}

static void set_socket_callbacks(struct aimp__http_multi *multi, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_curl_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, multi);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_curl_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, multi);
}

int aimp__http_multi_start(struct aimp__http_multi *multi, struct aimp__http_transfer *transfer,
                           struct aimp_error *err)
{
    assert(transfer->state == AIMP__HTTP_NEW);
    int forked = ensure_curl(err);
    if (forked)
        return forked;
    if (transfer->setup)
        return aimp__error_set(err, AIMP_EINVAL, "%s", curl_easy_strerror(transfer->setup));
    set_socket_callbacks(multi, transfer->easy);
    list_running(multi, transfer);
    CURLMcode code = curl_multi_add_handle(multi->curl, transfer->easy);
    if (!code)
        return 0;
    unlist_running(multi, transfer);
    transfer->multi = NULL;
    return aimp__error_set(err, AIMP_ENOMEM, "%s", curl_multi_strerror(code));
}

void aimp__http_multi_drop(struct aimp__http_transfer *transfer)
{
    struct aimp__http_multi *multi = transfer->multi;
    if (!multi)
        return;
    if (transfer->state == AIMP__HTTP_RUNNING) {
        curl_multi_remove_handle(multi->curl, transfer->easy);
        unlist_running(multi, transfer);
    }
    if (transfer->is_queued)
        unqueue_ready(multi, transfer);
    transfer->multi = NULL;
    transfer->on_chunk = NULL;
}

void aimp__http_multi_take(struct aimp__http_transfer *transfer)
{
    if (aimp__http_transfer_take(transfer))
        finish(transfer->multi, transfer, transfer->code);
}

struct aimp__http_transfer *aimp__http_multi_next(struct aimp__http_multi *multi)
{
    struct aimp__http_transfer *transfer = multi->ready_first;
    if (!transfer)
        return NULL;
    unqueue_ready(multi, transfer);
    if (transfer->state == AIMP__HTTP_DONE) {
        transfer->multi = NULL;
        transfer->on_chunk = NULL;
    }
    return transfer;
}
