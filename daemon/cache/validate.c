/* SPDX-License-Identifier: BSD-2-Clause
 *
 * validate: see validate.h. Conditions and validators; what a 304 makes of a head is in freshen.c.
 */
#include "cache/validate.h"
#include "http/chars.h"
#include "http/date.h"

/* Last-Modified is a strong validator when nothing can have been changed again within its second:
 * if it lies this much before Date (RFC 9110 section 8.8.2.2 asks for one; clocks of origins behind
 * a balancer differ). */
enum { STRONG_DATE = 60 };

const char *const validate_drop[] = {"If-None-Match", "If-Modified-Since", "If-Range", "Range",
                                     NULL};

struct tag {
    struct dive_span opaque; /* with its quotes */
    bool weak;               /* or not in the grammar */
};

static struct tag read_tag(struct dive_span in)
{
    struct tag tag = {.opaque = in};

    if (in.n >= 2 && in.p[0] == 'W' && in.p[1] == '/') {
        tag.weak = true;
        tag.opaque = dive_span(in.p + 2, in.n - 2);
    }
    in = tag.opaque;
    if (in.n < 2 || in.p[0] != '"' || memchr(in.p + 1, '"', in.n - 1) != in.p + in.n - 1)
        tag.weak = true;
    return tag;
}

static bool same_weakly(struct tag a, struct tag b)
{
    return a.opaque.n == b.opaque.n && a.opaque.n > 0 &&
           memcmp(a.opaque.p, b.opaque.p, a.opaque.n) == 0;
}

static bool same_strongly(struct tag a, struct tag b)
{
    return !a.weak && !b.weak && same_weakly(a, b);
}

/* The next tag of a list. Not http_list_next(): a backslash is no escape in an entity tag. */
static bool next_tag(struct dive_span *rest, struct dive_span *out)
{
    size_t start = 0, end;

    while (start < rest->n &&
           (rest->p[start] == ',' || rest->p[start] == ' ' || rest->p[start] == '\t'))
        start++;
    end = start;
    for (bool quoted = false; end < rest->n && (quoted || rest->p[end] != ','); end++) {
        if (rest->p[end] == '"')
            quoted = !quoted;
    }
    *out = http_trim(dive_span(rest->p + start, end - start));
    rest->p += end;
    rest->n -= end;
    return out->n > 0;
}

static bool matches_any(const struct http_head *request, const struct dive_span *etag)
{
    for (size_t i = 0; i < request->n_fields; i++) {
        struct dive_span rest = request->fields[i].value, member;
        if (!http_is_name(request->fields[i].name, "if-none-match"))
            continue;
        while (next_tag(&rest, &member)) {
            if (dive_span_eq(member, "*"))
                return true;
            if (etag != NULL && same_weakly(read_tag(member), read_tag(*etag)))
                return true;
        }
    }
    return false;
}

/* One line with a valid date. */
static bool date_of(int64_t *out, const struct http_head *head, const char *name, int64_t now)
{
    const struct dive_span *value = http_field_get(head, name);

    *out = 0;
    return value != NULL && http_field_count(head, name) == 1 &&
           http_date_parse(out, *value, now) == 0;
}

bool validate_is_for_origin(const struct http_head *request)
{
    return http_field_get(request, "if-match") != NULL ||
           http_field_get(request, "if-unmodified-since") != NULL;
}

bool validate_not_modified(const struct http_head *request, const struct http_head *stored,
                           int64_t now)
{
    int64_t since, modified;

    if (!dive_span_eq(request->method, "GET") && !dive_span_eq(request->method, "HEAD"))
        return false;
    if (stored->status / 100 != 2)
        return false;
    if (http_field_get(request, "if-none-match") != NULL)
        return matches_any(request, http_field_get(stored, "etag"));
    if (!date_of(&since, request, "if-modified-since", now))
        return false;
    if (http_field_get(stored, "last-modified") != NULL)
        return date_of(&modified, stored, "last-modified", now) && modified <= since;
    return date_of(&modified, stored, "date", now) && modified <= since;
}

static bool strong_date(int64_t *out, const struct http_head *stored, int64_t now)
{
    int64_t date;

    return date_of(out, stored, "last-modified", now) && date_of(&date, stored, "date", now) &&
           date - *out >= STRONG_DATE;
}

bool validate_if_range(const struct http_head *request, const struct http_head *stored, int64_t now)
{
    const struct dive_span *value = http_field_get(request, "if-range");
    const struct dive_span *etag = http_field_get(stored, "etag");
    int64_t wanted, modified;

    if (value == NULL)
        return true;
    if (http_field_count(request, "if-range") != 1)
        return false;
    if (memchr(value->p, '"', value->n) != NULL)
        return etag != NULL && same_strongly(read_tag(*value), read_tag(*etag));
    return http_date_parse(&wanted, *value, now) == 0 && strong_date(&modified, stored, now) &&
           wanted == modified;
}

static void add(struct validate_fields *out, const char *name, struct dive_span value)
{
    out->v[out->n++] = (struct dive_field){dive_span_str(name), value};
}

void validate_request(struct validate_fields *out, const struct http_head *stored, int64_t now)
{
    const struct dive_span *etag = http_field_get(stored, "etag");
    int64_t modified;

    *out = (struct validate_fields){.n = 0};
    if (etag != NULL && etag->n > 0)
        add(out, "If-None-Match", *etag);
    if (date_of(&modified, stored, "last-modified", now))
        add(out, "If-Modified-Since", *http_field_get(stored, "last-modified"));
}

const struct dive_span *validate_strong_tag(const struct http_head *response)
{
    const struct dive_span *etag = http_field_get(response, "etag");

    return etag != NULL && !read_tag(*etag).weak ? etag : NULL;
}

bool validate_resume(struct dive_field *out, const struct http_head *stored, int64_t now)
{
    const struct dive_span *etag = validate_strong_tag(stored);
    int64_t modified;

    *out = (struct dive_field){.name = dive_span_str("If-Range")};
    if (etag != NULL)
        out->value = *etag;
    else if (strong_date(&modified, stored, now))
        out->value = *http_field_get(stored, "last-modified");
    return out->value.n > 0;
}

bool validate_selects(const struct http_head *not_modified, const struct http_head *stored,
                      int64_t now)
{
    const struct dive_span *theirs = http_field_get(not_modified, "etag");
    const struct dive_span *ours = http_field_get(stored, "etag");
    int64_t their_date, our_date;

    if (theirs != NULL && ours != NULL) {
        struct tag a = read_tag(*theirs), b = read_tag(*ours);
        return a.weak ? same_weakly(a, b) : same_strongly(a, b);
    }
    if (theirs != NULL && !read_tag(*theirs).weak)
        return false;
    if (date_of(&their_date, not_modified, "last-modified", now) &&
        date_of(&our_date, stored, "last-modified", now))
        return their_date == our_date;
    return true;
}
