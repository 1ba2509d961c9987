/* Tests of a session on a bare uv loop, without Lua. The servers are sockets of
 * the test itself, on loopback. */
/* SPDX-License-Identifier: MIT */
#include "http/multi.h"
#include "http/result.h"

/* cmocka.h needs these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct bench {
    uv_loop_t loop;
    struct aimp__http_multi *multi;
    struct aimp__http_transfer *done; /* the last that ended */
    int listener;                     /* accepts nothing by itself */
    char url[64];
    bool closes_when_ready;
};

static void on_ready(void *data)
{
    struct bench *bench = data;
    struct aimp__http_transfer *transfer = NULL;
    while ((transfer = aimp__http_multi_next(bench->multi)))
        if (transfer->state == AIMP__HTTP_DONE)
            bench->done = transfer;
    if (bench->closes_when_ready) {
        aimp__http_multi_close(bench->multi);
        bench->multi = NULL;
    }
}

static int open_listener(char *url, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    snprintf(url, size, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    return fd;
}

static int bench_open(void **state)
{
    static struct bench bench;
    bench = (struct bench){0};
    struct aimp_error err;
    bench.listener = open_listener(bench.url, sizeof bench.url);
    assert_int_equal(uv_loop_init(&bench.loop), 0);
    assert_int_equal(aimp__http_multi_open(&bench.multi, &bench.loop, 0, on_ready, &bench, &err),
                     0);
    *state = &bench;
    return 0;
}

/* A loop that closes clean has no handle left. */
static int bench_close(void **state)
{
    struct bench *bench = *state;
    aimp__http_multi_close(bench->multi);
    close(bench->listener);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    return 0;
}

static struct aimp__http_transfer *start(struct bench *bench, const char *url)
{
    struct aimp__http_transfer *transfer = NULL;
    struct aimp_error err;
    assert_int_equal(aimp__http_transfer_new(&transfer, url, &err), 0);
    assert_int_equal(aimp__http_multi_start(bench->multi, transfer, &err), 0);
    return transfer;
}

/* Accepts one connection, answers without reading, and closes it. */
static void answer(struct bench *bench, const char *text)
{
    int fd = accept(bench->listener, NULL, NULL);
    char request[1024];
    assert_true(fd >= 0);
    assert_true(read(fd, request, sizeof request) > 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void run_until_sent(struct bench *bench)
{
    for (int i = 0; i < 10; i++)
        uv_run(&bench->loop, UV_RUN_NOWAIT);
}

static void test_response(void **state)
{
    struct bench *bench = *state;
    struct aimp__http_transfer *transfer = start(bench, bench->url);
    run_until_sent(bench);
    answer(bench, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_ptr_equal(bench->done, transfer);
    assert_true(aimp__http_transfer_is_ok(transfer));
    assert_int_equal(transfer->body.length, 5);
    assert_memory_equal(transfer->body.data, "hello", 5);
    assert_null(transfer->multi);
    aimp__http_transfer_free(transfer);
}

static void test_refused(void **state)
{
    struct bench *bench = *state;
    close(bench->listener);
    bench->listener = -1;
    struct aimp__http_transfer *transfer = start(bench, bench->url);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_ptr_equal(bench->done, transfer);
    assert_false(aimp__http_transfer_is_ok(transfer));
    assert_string_equal(aimp__http_result_name(transfer->code), "COULDNT_CONNECT");
    aimp__http_transfer_free(transfer);
}

static void test_drop_while_connecting(void **state)
{
    struct bench *bench = *state;
    struct aimp__http_transfer *transfer = start(bench, bench->url);
    uv_run(&bench->loop, UV_RUN_NOWAIT);
    aimp__http_multi_drop(transfer);
    aimp__http_multi_drop(transfer);
    aimp__http_transfer_free(transfer);
    uv_run(&bench->loop, UV_RUN_DEFAULT); /* returns: nothing keeps the loop alive */
    assert_null(bench->done);
}

static void test_close_with_transfers(void **state)
{
    struct bench *bench = *state;
    struct aimp__http_transfer *transfers[3];
    for (int i = 0; i < 3; i++)
        transfers[i] = start(bench, bench->url);
    run_until_sent(bench);
    aimp__http_multi_close(bench->multi);
    bench->multi = NULL;
    for (int i = 0; i < 3; i++) {
        assert_null(transfers[i]->multi);
        aimp__http_transfer_free(transfers[i]);
    }
}

static void test_close_inside_on_ready(void **state)
{
    struct bench *bench = *state;
    struct aimp__http_transfer *first = start(bench, bench->url);
    struct aimp__http_transfer *second = start(bench, bench->url);
    bench->closes_when_ready = true;
    run_until_sent(bench);
    answer(bench, "HTTP/1.1 204 No Content\r\n\r\n");
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_non_null(bench->done);
    assert_null(bench->multi);
    aimp__http_transfer_free(first);
    aimp__http_transfer_free(second);
}

/* curl takes no string of more than 8 MB. */
static void test_bad_setting(void **state)
{
    static char url[9 * 1000 * 1000] = "http://127.0.0.1/";
    struct bench *bench = *state;
    struct aimp__http_transfer *transfer = NULL;
    struct aimp_error err;
    memset(url + strlen(url), 'x', sizeof url - strlen(url) - 1);
    assert_int_equal(aimp__http_transfer_new(&transfer, url, &err), 0);
    assert_int_equal(aimp__http_multi_start(bench->multi, transfer, &err), AIMP_EINVAL);
    aimp__http_transfer_free(transfer);
}

/* In the child everything but the refusal would touch the parent's curl. */
static void test_refused_after_fork(void **state)
{
    struct bench *bench = *state;
    pid_t pid = fork();
    if (pid == 0) {
        struct aimp__http_multi *multi = NULL;
        struct aimp_error err;
        int code = aimp__http_multi_open(&multi, &bench->loop, 0, on_ready, bench, &err);
        _exit(code == AIMP_EINVAL && strstr(err.text, "before a fork") ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

#define ON_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_open, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BENCH(test_response),
        ON_BENCH(test_refused),
        ON_BENCH(test_drop_while_connecting),
        ON_BENCH(test_close_with_transfers),
        ON_BENCH(test_close_inside_on_ready),
        ON_BENCH(test_bad_setting),
        ON_BENCH(test_refused_after_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
