/* SPDX-License-Identifier: BSD-2-Clause
 *
 * error: the words for the result codes, and the comparison that names of fields and hosts need.
 */
#include "error.h"

const char *dive_strerror(int error)
{
    switch ((enum dive_error)error) {
    case DIVE_OK:
        return "success";
    case DIVE_E_INTERNAL:
        return "internal error";
    case DIVE_E_NOMEM:
        return "out of memory";
    case DIVE_E_SYNTAX:
        return "malformed input";
    case DIVE_E_LIMIT:
        return "input exceeds a maximum";
    case DIVE_E_TYPE:
        return "value of the wrong type or out of range";
    case DIVE_E_UNSUPPORTED:
        return "not supported or not permitted";
    case DIVE_E_NOT_FOUND:
        return "not found";
    case DIVE_E_MISMATCH:
        return "signature or digest does not match";
    case DIVE_E_STATE:
        return "call not allowed in this state";
    }
    return "unknown error";
}

/* Not tolower(): what a field name is mustn't depend on the locale. */
static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

int dive_span_caseeq(struct dive_span a, struct dive_span b)
{
    if (a.n != b.n)
        return 0;
    for (size_t i = 0; i < a.n; i++) {
        if (lower(a.p[i]) != lower(b.p[i]))
            return 0;
    }
    return 1;
}
