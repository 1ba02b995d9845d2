/* SPDX-License-Identifier: BSD-2-Clause
 *
 * error: looks up the words and statuses of enum http_error. Only failures come here, so that a
 * walk through the table is good enough.
 */
#include "http/error.h"

struct entry {
    int code;
    int status;
    const char *name;
    const char *text;
};

static const struct entry entries[] = {
#define HTTP_ERROR_ENTRY(symbol, name, code, status, text) {(code), (status), (name), (text)},
    HTTP_ERRORS(HTTP_ERROR_ENTRY)
#undef HTTP_ERROR_ENTRY
};

static const struct entry *find(int error)
{
    for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        if (entries[i].code == error)
            return &entries[i];
    }
    return &entries[0];
}

const char *http_error_name(int error)
{
    return find(error)->name;
}

const char *http_error_text(int error)
{
    return find(error)->text;
}

int http_error_status(int error)
{
    return find(error)->status;
}
