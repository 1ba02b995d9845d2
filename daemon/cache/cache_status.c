/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cache_status: see cache_status.h.
 */
#include <inttypes.h>
#include <stdio.h>

#include "cache/cache_status.h"
#include "cache/control.h"
#include "http/chars.h"

const char *cache_forward_word(enum cache_forward forward)
{
    static const char *const words[] = {
#define CACHE_FORWARD_WORD(symbol, word) word,
        CACHE_FORWARDS(CACHE_FORWARD_WORD)
#undef CACHE_FORWARD_WORD
    };

    return (size_t)forward < sizeof(words) / sizeof(words[0]) ? words[forward] : "";
}

/* sf-token (RFC 9651 section 3.3.4): begins with a letter; ":" and "/" may follow. */
static bool is_token(struct dive_span text)
{
    char first = text.n > 0 ? http_lower(text.p[0]) : '\0';

    if (first < 'a' || first > 'z')
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (!http_is(text.p[i], HTTP_CHAR_TOKEN) && text.p[i] != ':' && text.p[i] != '/')
            return false;
    }
    return true;
}

/* As much of it as fits. */
static size_t add_detail(char out[CACHE_STATUS_SIZE], size_t n, const char *detail)
{
    struct dive_span text = dive_span_str(detail);
    const size_t frame = strlen("; detail=\"\"") + 1;

    if (text.n == 0 || n + frame + 2 > CACHE_STATUS_SIZE)
        return n;
    if (is_token(text) && n + frame + text.n <= CACHE_STATUS_SIZE)
        return n + (size_t)snprintf(out + n, CACHE_STATUS_SIZE - n, "; detail=%s", detail);
    n += (size_t)snprintf(out + n, CACHE_STATUS_SIZE - n, "; detail=\"");
    for (size_t i = 0; i < text.n && n + 4 <= CACHE_STATUS_SIZE; i++) {
        char c = text.p[i];
        if (c == '"' || c == '\\')
            out[n++] = '\\';
        out[n++] = c >= ' ' && c <= '~' ? c : '?';
    }
    out[n++] = '"';
    out[n] = '\0';
    return n;
}

size_t cache_status_format(char out[CACHE_STATUS_SIZE], const struct cache_status *status)
{
    /* The longest of these takes less than 120 bytes: nothing is cut before the detail. */
    char fwd[32] = "", fwd_status[32] = "", ttl[40] = "";
    int64_t seconds = status->ttl;
    size_t n;

    if (!status->hit && status->forward != CACHE_FORWARD_NONE)
        snprintf(fwd, sizeof(fwd), "; fwd=%s", cache_forward_word(status->forward));
    if (fwd[0] != '\0' && status->forward_status > 0)
        snprintf(fwd_status, sizeof(fwd_status), "; fwd-status=%d", status->forward_status);
    if (seconds < -CONTROL_SECONDS_MAX)
        seconds = -CONTROL_SECONDS_MAX;
    if (seconds > CONTROL_SECONDS_MAX)
        seconds = CONTROL_SECONDS_MAX;
    if (status->has_ttl)
        snprintf(ttl, sizeof(ttl), "; ttl=%" PRId64, seconds);
    n = (size_t)snprintf(out, CACHE_STATUS_SIZE, "dived%s%s%s%s%s%s", status->hit ? "; hit" : "",
                         fwd, fwd_status, ttl, fwd[0] != '\0' && status->stored ? "; stored" : "",
                         fwd[0] != '\0' && status->collapsed ? "; collapsed" : "");
    return status->detail != NULL ? add_detail(out, n, status->detail) : n;
}

void cache_age_format(char out[CACHE_AGE_SIZE], int64_t age)
{
    if (age < 0)
        age = 0;
    snprintf(out, CACHE_AGE_SIZE, "%" PRId64,
             age > CONTROL_SECONDS_MAX ? CONTROL_SECONDS_MAX : age);
}
