/* SPDX-License-Identifier: BSD-2-Clause
 *
 * control: see control.h. One pass over the directives; the rare qualified forms are read again
 * when a field is asked for, so that nothing is allocated.
 */
#include "cache/control.h"
#include "http/chars.h"
#include "http/writer.h"

struct directive {
    struct dive_span name;
    struct dive_span value; /* without its quotes */
    bool has_value;
    bool malformed; /* a quoted string without an end, or with something behind it */
    bool spaced;    /* white space around "=", which the grammar doesn't have */
};

/* Whether every quoted string in it ends. */
static bool is_balanced(struct dive_span in)
{
    bool quoted = false;

    for (size_t i = 0; i < in.n; i++) {
        if (quoted && in.p[i] == '\\')
            i++;
        else if (in.p[i] == '"')
            quoted = !quoted;
    }
    return !quoted;
}

static struct directive read_directive(struct dive_span member)
{
    const char *equals = memchr(member.p, '=', member.n);
    struct directive d = {.name = member};

    d.malformed = !is_balanced(member);
    if (equals == NULL)
        return d;
    d.has_value = true;
    d.name = http_trim(dive_span(member.p, (size_t)(equals - member.p)));
    d.value = http_trim(dive_span(equals + 1, member.n - (size_t)(equals + 1 - member.p)));
    d.spaced = d.name.n + 1 + d.value.n != member.n;
    if (d.value.n > 0 && d.value.p[0] == '"') {
        if (d.value.n < 2 || d.value.p[d.value.n - 1] != '"')
            d.malformed = true;
        else
            d.value = dive_span(d.value.p + 1, d.value.n - 2);
    }
    return d;
}

/* Iterates over all directives of all lines. Zero `*line` and `*rest` first. */
static bool next_directive(const struct http_head *head, size_t *line, struct dive_span *rest,
                           struct directive *out)
{
    struct dive_span member;

    for (;;) {
        if (rest->n > 0 && http_list_next(rest, &member)) {
            *out = read_directive(member);
            return true;
        }
        while (*line < head->n_fields && !http_is_name(head->fields[*line].name, "cache-control"))
            (*line)++;
        if (*line == head->n_fields)
            return false;
        *rest = head->fields[(*line)++].value;
    }
}

bool control_seconds(int64_t *out, struct dive_span in)
{
    int64_t seconds = 0;

    *out = 0;
    if (!http_all(in, HTTP_CHAR_DIGIT))
        return false;
    for (size_t i = 0; i < in.n; i++) {
        seconds = seconds * 10 + (in.p[i] - '0');
        if (seconds > CONTROL_SECONDS_MAX)
            seconds = CONTROL_SECONDS_MAX;
    }
    *out = seconds;
    return true;
}

/* Of two values the smaller counts, except for min-fresh, where the larger reuses less; what is no
 * number counts as the least, too. */
static void take_seconds(int64_t *slot, const struct directive *d, bool larger, int64_t if_invalid)
{
    int64_t seconds;

    if (d->malformed || d->spaced || !control_seconds(&seconds, d->value))
        seconds = if_invalid;
    if (*slot == CONTROL_ABSENT || (larger ? seconds > *slot : seconds < *slot))
        *slot = seconds;
}

static void take_number(struct cache_control *out, const struct directive *d)
{
    if (http_is_name(d->name, "max-age"))
        take_seconds(&out->max_age, d, false, 0);
    else if (http_is_name(d->name, "s-maxage"))
        take_seconds(&out->s_maxage, d, false, 0);
    else if (http_is_name(d->name, "min-fresh"))
        take_seconds(&out->min_fresh, d, true, CONTROL_SECONDS_MAX);
    else if (http_is_name(d->name, "stale-while-revalidate"))
        take_seconds(&out->stale_while_revalidate, d, false, 0);
    else if (http_is_name(d->name, "stale-if-error"))
        take_seconds(&out->stale_if_error, d, false, 0);
    else if (http_is_name(d->name, "max-stale"))
        take_seconds(&out->max_stale, d, false, d->has_value ? 0 : CONTROL_SECONDS_MAX);
}

static unsigned flag_of(struct dive_span name)
{
    static const struct {
        const char *name;
        unsigned flag;
    } flags[] = {
#define CONTROL_NAME(symbol, directive) {directive, CONTROL_##symbol},
        CONTROL_FLAGS(CONTROL_NAME)
#undef CONTROL_NAME
    };

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (http_is_name(name, flags[i].name))
            return flags[i].flag;
    }
    return 0;
}

static void clear(struct cache_control *out)
{
    *out = (struct cache_control){
        .max_age = CONTROL_ABSENT,
        .s_maxage = CONTROL_ABSENT,
        .max_stale = CONTROL_ABSENT,
        .min_fresh = CONTROL_ABSENT,
        .stale_while_revalidate = CONTROL_ABSENT,
        .stale_if_error = CONTROL_ABSENT,
    };
}

/* An open quote hides whatever stands behind it: nobody knows what was meant. */
static void take(struct cache_control *out, const struct directive *d, unsigned flag)
{
    out->flags |= flag;
    if (d->malformed)
        out->flags |= CONTROL_NO_STORE | CONTROL_NO_CACHE;
    if (flag == 0)
        take_number(out, d);
}

void control_of_request(struct cache_control *out, const struct http_head *request)
{
    struct dive_span rest = {NULL, 0};
    struct directive d;
    size_t line = 0;

    clear(out);
    while (next_directive(request, &line, &rest, &d))
        take(out, &d, flag_of(d.name));
    out->present = http_field_get(request, "cache-control") != NULL;
    if (!out->present && http_field_has_token(request, "pragma", "no-cache"))
        out->flags |= CONTROL_NO_CACHE;
}

/* Left out, the response would be another one. Set-Cookie is what the qualified forms are for. */
static bool may_leave_out(struct dive_span name)
{
    return http_name_is_valid(name) &&
           (!http_field_is_end_to_end(name) || http_is_name(name, "set-cookie"));
}

static bool is_signed(const struct http_head *response)
{
    return http_field_get(response, "signature-input") != NULL ||
           http_field_get(response, "dive-sig") != NULL;
}

/* The flag of no-cache or private, unqualified or not. */
static unsigned qualify(const struct http_head *response, const struct directive *d, unsigned flag)
{
    struct dive_span rest = d->value, name;
    bool any = false;

    if (!d->has_value || d->malformed || d->spaced || is_signed(response))
        return flag;
    while (http_list_next(&rest, &name)) {
        if (!may_leave_out(name))
            return flag;
        any = true;
    }
    if (!any)
        return flag;
    return flag == CONTROL_PRIVATE ? CONTROL_PRIVATE_FIELDS : CONTROL_NO_CACHE_FIELDS;
}

void control_of_response(struct cache_control *out, const struct http_head *response)
{
    struct dive_span rest = {NULL, 0};
    struct directive d;
    size_t line = 0;

    clear(out);
    while (next_directive(response, &line, &rest, &d)) {
        unsigned flag = flag_of(d.name);
        if (flag == CONTROL_NO_CACHE || flag == CONTROL_PRIVATE)
            flag = qualify(response, &d, flag);
        out->present = true;
        take(out, &d, flag);
    }
    out->present = out->present || http_field_get(response, "cache-control") != NULL;
}

bool control_names_field(const struct http_head *response, struct dive_span name)
{
    struct dive_span rest = {NULL, 0};
    struct directive d;
    size_t line = 0;

    while (next_directive(response, &line, &rest, &d)) {
        unsigned flag = flag_of(d.name);
        struct dive_span names = d.value, member;
        if ((flag != CONTROL_NO_CACHE && flag != CONTROL_PRIVATE) ||
            qualify(response, &d, flag) == flag)
            continue;
        while (http_list_next(&names, &member)) {
            if (dive_span_caseeq(member, name))
                return true;
        }
    }
    return false;
}
