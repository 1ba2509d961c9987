/* The contract is in result.h. */
/* SPDX-License-Identifier: MIT */
#include "http/result.h"

#include <stddef.h>

#define RESULT_LIST(X)                                                                             \
    X(OK)                                                                                          \
    X(UNSUPPORTED_PROTOCOL)                                                                        \
    X(FAILED_INIT)                                                                                 \
    X(URL_MALFORMAT)                                                                               \
    X(NOT_BUILT_IN)                                                                                \
    X(COULDNT_RESOLVE_PROXY)                                                                       \
    X(COULDNT_RESOLVE_HOST)                                                                        \
    X(COULDNT_CONNECT)                                                                             \
    X(WEIRD_SERVER_REPLY)                                                                          \
    X(HTTP2)                                                                                       \
    X(PARTIAL_FILE)                                                                                \
    X(WRITE_ERROR)                                                                                 \
    X(READ_ERROR)                                                                                  \
    X(OUT_OF_MEMORY)                                                                               \
    X(OPERATION_TIMEDOUT)                                                                          \
    X(HTTP_POST_ERROR)                                                                             \
    X(SSL_CONNECT_ERROR)                                                                           \
    X(ABORTED_BY_CALLBACK)                                                                         \
    X(BAD_FUNCTION_ARGUMENT)                                                                       \
    X(INTERFACE_FAILED)                                                                            \
    X(UNKNOWN_OPTION)                                                                              \
    X(GOT_NOTHING)                                                                                 \
    X(SEND_ERROR)                                                                                  \
    X(RECV_ERROR)                                                                                  \
    X(SSL_CERTPROBLEM)                                                                             \
    X(SSL_CIPHER)                                                                                  \
    X(PEER_FAILED_VERIFICATION)                                                                    \
    X(BAD_CONTENT_ENCODING)                                                                        \
    X(USE_SSL_FAILED)                                                                              \
    X(SSL_CACERT_BADFILE)                                                                          \
    X(SSL_SHUTDOWN_FAILED)                                                                         \
    X(SSL_CRL_BADFILE)                                                                             \
    X(SSL_ISSUER_ERROR)                                                                            \
    X(NO_CONNECTION_AVAILABLE)                                                                     \
    X(SSL_INVALIDCERTSTATUS)                                                                       \
    X(HTTP2_STREAM)                                                                                \
    X(RECURSIVE_API_CALL)                                                                          \
    X(AUTH_ERROR)                                                                                  \
    X(HTTP3)                                                                                       \
    X(QUIC_CONNECT_ERROR)                                                                          \
    X(PROXY)                                                                                       \
    X(SSL_CLIENTCERT)                                                                              \
    X(UNRECOVERABLE_POLL)

struct name {
    CURLcode code;
    const char *text;
};

static const struct name names[] = {
#define RESULT_NAME(name) {CURLE_##name, #name},
    RESULT_LIST(RESULT_NAME)
#undef RESULT_NAME
};

const char *aimp__http_result_name(CURLcode code)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == code)
            return names[i].text;
    return "UNKNOWN";
}
