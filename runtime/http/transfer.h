/* One HTTP exchange: an easy handle, what it sends and what came back.
 *
 *   new → (set_…) → running → done
 *
 * The response's head and body gather here; nothing is told to anybody from
 * inside a curl callback but on_chunk, which only queues. Redirects are not
 * followed: who uses this decides, so each hop is a transfer of its own.
 *
 * Streaming: the body gathers up to a high-water mark, then the transfer pauses
 * until take() has emptied it.
 *
 * Not here: running it (multi.h). */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_HTTP_TRANSFER_H
#define AIMP_HTTP_TRANSFER_H

#include "base/error.h"
#include "http/bytes.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

enum aimp__http_state { AIMP__HTTP_NEW, AIMP__HTTP_RUNNING, AIMP__HTTP_DONE };

/* What ended a transfer early, when it was aimp that ended it. */
enum aimp__http_limit {
    AIMP__HTTP_LIMIT_NONE,
    AIMP__HTTP_LIMIT_BODY,     /* more than max_body */
    AIMP__HTTP_LIMIT_HEAD,     /* more header bytes than anybody needs */
    AIMP__HTTP_LIMIT_REDIRECT, /* a redirect's body, which nobody reads, is too long: no failure */
    AIMP__HTTP_LIMIT_MEMORY,
};

struct aimp__http_multi;

struct aimp__http_transfer {
    CURL *easy;                   /* owned */
    struct curl_slist *headers;   /* owned; sent */
    struct aimp__http_bytes head; /* the last response's header lines, as they came */
    struct aimp__http_bytes body; /* what is not taken yet */
    uint64_t received;            /* bytes of body so far, decoded */
    uint64_t max_body;
    bool is_stream;         /* set_stream() */
    bool is_redirect_muted; /* set_redirect_muted() */
    bool is_paused;         /* curl waits for take() */
    bool is_head_complete;  /* the blank line came */
    bool has_location;      /* in the head */
    enum aimp__http_state state;
    enum aimp__http_limit limit;
    CURLcode setup;               /* the first option that failed */
    CURLcode code;                /* valid when done */
    char detail[CURL_ERROR_SIZE]; /* curl's own words; may be empty */

    /* The multi handle's part. */
    int64_t id;                     /* who started it knows it by */
    struct aimp__http_multi *multi; /* borrowed; NULL unless it is listed in one */
    void (*on_chunk)(struct aimp__http_transfer *transfer); /* a streamed body has something */
    struct aimp__http_transfer *next, *previous;            /* among the multi's running ones */
    struct aimp__http_transfer *next_ready;                 /* in the multi's ready queue */
    bool is_queued;
};

/* Gives a new transfer with the defaults that a client wants: certificates
 * verified, HTTP and HTTPS only, all encodings accepted, no signals. */
int aimp__http_transfer_new(struct aimp__http_transfer **out, const char *url,
                            struct aimp_error *err);

/* Frees a transfer that no multi has. Accepts NULL. */
void aimp__http_transfer_free(struct aimp__http_transfer *transfer);

/* Settings, before it runs. A failing one shows when the transfer is started.
 * Strings are copied; `line` is "Name: value", without a line end. */
void aimp__http_transfer_set_method(struct aimp__http_transfer *transfer, const char *method);
void aimp__http_transfer_set_body(struct aimp__http_transfer *transfer, const char *data,
                                  size_t length);
void aimp__http_transfer_add_header(struct aimp__http_transfer *transfer, const char *line);
void aimp__http_transfer_set_tls(struct aimp__http_transfer *transfer, bool is_verified,
                                 const char *ca_file); /* NULL: the system's */
void aimp__http_transfer_set_connect_timeout(struct aimp__http_transfer *transfer, long ms);
void aimp__http_transfer_set_max_body(struct aimp__http_transfer *transfer, uint64_t bytes);
void aimp__http_transfer_set_stream(struct aimp__http_transfer *transfer);
/* A redirect's body is dropped, and its connection too when the body is long. */
void aimp__http_transfer_set_redirect_muted(struct aimp__http_transfer *transfer);

/* Empties a streamed body after the caller read it, and goes on if paused.
 * return: 0, or AIMP_ESYS when curl ended the transfer on that: the caller
 *         then ends it with `code`, which is set */
int aimp__http_transfer_take(struct aimp__http_transfer *transfer);

/* Whether a done one has a response. A failed one has `code` and `detail`. */
bool aimp__http_transfer_is_ok(const struct aimp__http_transfer *transfer);

#endif
