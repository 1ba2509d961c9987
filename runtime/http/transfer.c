/* The contract is in transfer.h. */
/* SPDX-License-Identifier: MIT */
#include "http/transfer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    HEAD_MAX = 256 * 1024,
    MUTED_MAX = 64 * 1024, /* cheaper to read than a new connection, beyond that not */
    STREAM_HIGH_WATER = 256 * 1024,
};

/* Remembers the first option that curl refused. */
static void check(struct aimp__http_transfer *transfer, CURLcode code)
{
    if (!transfer->setup)
        transfer->setup = code;
}

static size_t refuse(struct aimp__http_transfer *transfer, enum aimp__http_limit limit)
{
    transfer->limit = limit;
    return 0; /* less than was offered: curl ends the transfer with WRITE_ERROR */
}

static bool is_muted(const struct aimp__http_transfer *transfer)
{
    if (!transfer->is_redirect_muted || !transfer->has_location)
        return false;
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    return (status >= 301 && status <= 303) || status == 307 || status == 308;
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct aimp__http_transfer *transfer = context;
    size_t length = size * count;
    if (is_muted(transfer)) {
        transfer->received += length;
        return transfer->received <= MUTED_MAX ? length
                                               : refuse(transfer, AIMP__HTTP_LIMIT_REDIRECT);
    }
    if (transfer->is_stream && transfer->body.length >= STREAM_HIGH_WATER) {
        transfer->is_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (length > transfer->max_body - transfer->received)
        return refuse(transfer, AIMP__HTTP_LIMIT_BODY);
    if (aimp__http_bytes_add(&transfer->body, data, length))
        return refuse(transfer, AIMP__HTTP_LIMIT_MEMORY);
    transfer->received += length;
    if (transfer->is_stream && transfer->on_chunk)
        transfer->on_chunk(transfer);
    return length;
}

static bool starts_with(const char *data, size_t length, const char *prefix)
{
    size_t wanted = strlen(prefix);
    return length >= wanted && strncasecmp(data, prefix, wanted) == 0;
}

static void head_begin(struct aimp__http_transfer *transfer)
{
    aimp__http_bytes_clear(&transfer->head);
    transfer->is_head_complete = false;
    transfer->has_location = false;
}

/* An interim response (100, 103) is forgotten when the next head begins; lines
 * behind the body are trailers, which must not pass for headers. */
static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    struct aimp__http_transfer *transfer = context;
    size_t length = size * count;
    if (transfer->is_head_complete && !transfer->received && starts_with(data, length, "HTTP/"))
        head_begin(transfer);
    if (transfer->is_head_complete)
        return length;
    if (transfer->head.length + length > HEAD_MAX)
        return refuse(transfer, AIMP__HTTP_LIMIT_HEAD);
    if (aimp__http_bytes_add(&transfer->head, data, length))
        return refuse(transfer, AIMP__HTTP_LIMIT_MEMORY);
    if (starts_with(data, length, "location:"))
        transfer->has_location = true;
    if (data[0] == '\r' || data[0] == '\n')
        transfer->is_head_complete = true;
    return length;
}

static void set_callbacks(struct aimp__http_transfer *transfer)
{
    CURL *easy = transfer->easy;
    check(transfer, curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer));
    check(transfer, curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->detail));
    check(transfer, curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body));
    check(transfer, curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer));
    check(transfer, curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header));
    check(transfer, curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer));
    check(transfer, curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L));
}

static void set_defaults(struct aimp__http_transfer *transfer, const char *url)
{
    CURL *easy = transfer->easy;
    check(transfer, curl_easy_setopt(easy, CURLOPT_URL, url));
    check(transfer, curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https"));
    check(transfer, curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L));
    check(transfer, curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, ""));
    check(transfer, curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS));
    check(transfer, curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2));
    check(transfer, curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
    /* Without it, dropping a transfer whose name is being looked up blocks the
     * whole loop until the resolver's thread is back. The thread cleans up after
     * itself either way. */
    check(transfer, curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L));
    /* Many requests at once to a new HTTP/2 host share its first connection. */
    if (starts_with(url, strlen(url), "https:"))
        check(transfer, curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L));
}

int aimp__http_transfer_new(struct aimp__http_transfer **out, const char *url,
                            struct aimp_error *err)
{
    struct aimp__http_transfer *transfer = calloc(1, sizeof *transfer);
    if (transfer)
        transfer->easy = curl_easy_init();
    if (!transfer || !transfer->easy) {
        free(transfer);
        return aimp__error_set(err, AIMP_ENOMEM, "no memory for an HTTP request");
    }
    transfer->max_body = UINT64_MAX;
    set_callbacks(transfer);
    set_defaults(transfer, url);
    *out = transfer;
    return 0;
}

void aimp__http_transfer_free(struct aimp__http_transfer *transfer)
{
    if (!transfer)
        return;
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    aimp__http_bytes_fini(&transfer->head);
    aimp__http_bytes_fini(&transfer->body);
    free(transfer);
}

void aimp__http_transfer_set_body(struct aimp__http_transfer *transfer, const char *data,
                                  size_t length)
{
    CURL *easy = transfer->easy;
    check(transfer, curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length));
    check(transfer, curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, data));
}

/* After the body, which makes a POST of anything. */
void aimp__http_transfer_set_method(struct aimp__http_transfer *transfer, const char *method)
{
    if (strcmp(method, "HEAD") == 0)
        check(transfer, curl_easy_setopt(transfer->easy, CURLOPT_NOBODY, 1L));
    else
        check(transfer, curl_easy_setopt(transfer->easy, CURLOPT_CUSTOMREQUEST, method));
}

void aimp__http_transfer_add_header(struct aimp__http_transfer *transfer, const char *line)
{
    struct curl_slist *headers = curl_slist_append(transfer->headers, line);
    if (!headers) {
        check(transfer, CURLE_OUT_OF_MEMORY);
        return;
    }
    transfer->headers = headers;
    check(transfer, curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, headers));
}

void aimp__http_transfer_set_tls(struct aimp__http_transfer *transfer, bool is_verified,
                                 const char *ca_file)
{
    CURL *easy = transfer->easy;
    check(transfer, curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, is_verified ? 1L : 0L));
    check(transfer, curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, is_verified ? 2L : 0L));
    if (ca_file)
        check(transfer, curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file));
}

void aimp__http_transfer_set_connect_timeout(struct aimp__http_transfer *transfer, long ms)
{
    check(transfer, curl_easy_setopt(transfer->easy, CURLOPT_CONNECTTIMEOUT_MS, ms));
}

void aimp__http_transfer_set_max_body(struct aimp__http_transfer *transfer, uint64_t bytes)
{
    transfer->max_body = bytes;
}

void aimp__http_transfer_set_stream(struct aimp__http_transfer *transfer)
{
    transfer->is_stream = true;
}

void aimp__http_transfer_set_redirect_muted(struct aimp__http_transfer *transfer)
{
    transfer->is_redirect_muted = true;
}

int aimp__http_transfer_take(struct aimp__http_transfer *transfer)
{
    aimp__http_bytes_clear(&transfer->body);
    if (!transfer->is_paused || transfer->state != AIMP__HTTP_RUNNING)
        return 0;
    transfer->is_paused = false;
    transfer->code = curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
    return transfer->code ? AIMP_ESYS : 0;
}

bool aimp__http_transfer_is_ok(const struct aimp__http_transfer *transfer)
{
    return transfer->code == CURLE_OK || transfer->limit == AIMP__HTTP_LIMIT_REDIRECT;
}
