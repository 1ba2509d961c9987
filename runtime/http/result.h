/* How a transfer that failed is described. */
/* SPDX-License-Identifier: MIT */
#ifndef AIMP_HTTP_RESULT_H
#define AIMP_HTTP_RESULT_H

#include <curl/curl.h>

/* curl's name of the code without its prefix ("COULDNT_CONNECT"), or "UNKNOWN"
 * for one that no HTTP transfer of this library's version ends with. */
const char *aimp__http_result_name(CURLcode code);

#endif
