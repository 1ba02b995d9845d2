/* SPDX-License-Identifier: BSD-2-Clause
 *
 * rotate_headers: response heads out of a file. Lenient where the proxy is strict: HTTP/2 status
 * lines and bare line feeds are what `curl -sI` prints, and nothing is decided about the response.
 */
#include <stdlib.h>

#include "cmd/rotate.h"
#include "lib/dive_sig.h"
#include "lib/signature_input.h"
#include "lib/span.h"

#define FIELDS_MAX 512

int rotate_key_count(struct rotate_state *state, const char *key_id, const char *fqdn,
                     uint64_t *seen)
{
    struct rotate_key *key = rotate_key_add(state, key_id, fqdn);
    size_t at;

    if (key == NULL)
        return DIVE_E_LIMIT;
    at = (size_t)(key - state->keys);
    key->responses += (*seen >> at & 1) == 0; /* two signatures by one key count once */
    *seen |= UINT64_C(1) << at;
    return 0;
}

_Static_assert(ROTATE_KEYS_MAX <= 64, "one bit a key");

static int note_draft_01(struct rotate_state *state, const struct dive_fields *fields,
                         const char *domain, uint64_t *seen)
{
    struct dive_signatures signatures;
    int r = dive_signatures_parse(&signatures, fields, domain);

    if (r == DIVE_E_NOMEM)
        return r;
    for (size_t i = 0; r == 0 && i < signatures.n; i++) {
        const struct dive_signature_entry *e = &signatures.entry[i];

        if (e->fault == DIVE_ENTRY_NONE)
            r = rotate_key_count(state, e->key_id, e->fqdn, seen);
    }
    dive_signatures_free(&signatures);
    return r == DIVE_E_LIMIT ? r : 0; /* fields that don't parse sign nothing */
}

static int note_draft_00(struct rotate_state *state, const struct dive_fields *fields,
                         const char *domain, uint64_t *seen)
{
    struct dive_sig sig;
    char *value;
    size_t n;
    int r = dive_fields_join(fields, "DIVE-Sig", &value, &n);

    if (r != 0)
        return r == DIVE_E_NOMEM ? r : 0;
    if (dive_sig_parse(&sig, dive_span(value, n), domain) != 0)
        sig.n = 0;
    for (size_t i = 0; r == 0 && i < sig.n; i++) {
        if (!sig.entry[i].fqdn_not_parent)
            r = rotate_key_count(state, sig.entry[i].key_id, sig.entry[i].fqdn, seen);
    }
    free(value);
    return r;
}

/* A number of seconds, at most what RFC 9111 (section 1.2.2) takes for the longest. */
static int64_t seconds_of(const char *text)
{
    long seconds = strtol(text, NULL, 10);

    return seconds < 0 ? 0 : seconds > INT32_MAX ? INT32_MAX : seconds;
}

/* Seconds that a shared cache may still serve it (RFC 9111 section 4.2.1), by Cache-Control. */
static int64_t freshness_of(const struct dive_fields *fields)
{
    static const char *const names[] = {"s-maxage=", "max-age="};
    char *value = NULL, *age = NULL;
    int64_t seconds = 0;
    size_t n;

    if (dive_fields_join(fields, "Cache-Control", &value, &n) != 0)
        return 0;
    for (size_t i = 0; i < 2 && seconds == 0; i++) {
        const char *at = strcasestr(value, names[i]);

        if (at != NULL)
            seconds = seconds_of(at + strlen(names[i]) + (at[strlen(names[i])] == '"'));
    }
    if (seconds > 0 && dive_fields_join(fields, "Age", &age, &n) == 0)
        seconds -= seconds_of(age);
    free(age);
    free(value);
    return seconds > 0 ? seconds : 0;
}

int rotate_response(struct rotate_state *state, int status, const struct dive_fields *fields,
                    const char *domain, enum dive_version version)
{
    uint64_t seen = 0;
    int64_t freshness;
    int r;

    if (status != 200) {
        state->others++;
        return 0;
    }
    r = version == DIVE_VERSION_DRAFT_00 ? note_draft_00(state, fields, domain, &seen)
                                         : note_draft_01(state, fields, domain, &seen);
    state->responses++;
    state->unsigned_responses += seen == 0;
    freshness = freshness_of(fields);
    if (freshness > state->freshness)
        state->freshness = freshness;
    return r;
}

/* "HTTP/1.1 200 OK", "HTTP/2 200": the status, or 0. */
static int status_of(struct dive_span line)
{
    struct dive_span version;
    int status = 0;

    if (line.n < 5 || memcmp(line.p, "HTTP/", 5) != 0 || !span_split(&line, ' ', &version))
        return 0;
    for (size_t i = 0; i < 3 && i < line.n && line.p[i] >= '0' && line.p[i] <= '9'; i++)
        status = status * 10 + (line.p[i] - '0');
    return status >= 100 ? status : 0;
}

int rotate_headers(struct rotate_state *state, struct dive_span text, const char *domain,
                   enum dive_version version)
{
    struct dive_field *v = calloc(FIELDS_MAX, sizeof(*v));
    struct dive_fields fields = {v, 0};
    struct dive_span line;
    int status = 0, heads = 0, r = v != NULL ? 0 : DIVE_E_NOMEM;

    while (r == 0 && text.n > 0) {
        struct dive_span name;
        int next;

        span_split(&text, '\n', &line);
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        next = status_of(line);
        if (next != 0) {
            if (status != 0)
                r = rotate_response(state, status, &fields, domain, version);
            heads++;
            status = next;
            fields.n = 0;
        } else if (span_split(&line, ':', &name)) {
            if (fields.n == FIELDS_MAX)
                r = DIVE_E_LIMIT;
            else
                v[fields.n++] = (struct dive_field){span_trim(name), span_trim(line)};
        }
    }
    if (r == 0 && status != 0)
        r = rotate_response(state, status, &fields, domain, version);
    free(v);
    return r == 0 && heads == 0 ? DIVE_E_SYNTAX : r;
}
