/* SPDX-License-Identifier: BSD-2-Clause
 *
 * message: see message.h. Two passes: the sections are indexed into a table of records, then the
 * chain is walked over the table. Names are compared decompressed and in lower case.
 */
#include "dns/message.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_SIZE 12
#define NAME_MAX_WIRE 255 /* RFC 1035 section 2.3.4 */
#define CLASS_IN 1
#define FLAG_QR 0x8000
#define FLAG_TC 0x0200

/* A name in wire format, uncompressed, lower case, the root label included. */
struct name {
    size_t n;
    uint8_t bytes[NAME_MAX_WIRE];
};

struct record {
    uint16_t owner; /* offset in the packet */
    uint16_t type;
    uint16_t class;
    uint32_t ttl;
    uint16_t rdata; /* offset */
    uint16_t length;
    bool authority;
};

struct parser {
    const uint8_t *packet;
    size_t n;
    size_t at;
    size_t count;
    struct record record[DNS_SECTION_MAX];
};

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* Reads the name at `at`; `*end` is where it ends in the packet. Every pointer must lead to before
 * all that was read of this name so far (section 4.1.4: "a prior occurrence"), so the walk ends. */
static int read_name(const struct parser *p, size_t at, struct name *out, size_t *end)
{
    size_t floor = at;
    bool jumped = false;

    out->n = 0;
    for (;;) {
        uint8_t length;

        if (at >= p->n)
            return DIVE_E_SYNTAX;
        length = p->packet[at];
        if (length >= 0xc0) {
            if (at + 2 > p->n)
                return DIVE_E_SYNTAX;
            if (!jumped)
                *end = at + 2;
            jumped = true;
            at = get16(p->packet + at) & 0x3fff;
            if (at >= floor || at < HEADER_SIZE)
                return DIVE_E_SYNTAX;
            floor = at;
            continue;
        }
        if (length > 63 || at + 1 + length > p->n || out->n + 1 + length > sizeof out->bytes)
            return DIVE_E_SYNTAX;
        out->bytes[out->n++] = length;
        for (size_t i = 0; i < length; i++) {
            uint8_t c = p->packet[at + 1 + i];

            out->bytes[out->n++] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
        }
        at += 1 + (size_t)length;
        if (length == 0)
            break;
    }
    if (!jumped)
        *end = at;
    return 0;
}

static bool name_eq(const struct name *a, const struct name *b)
{
    return a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0;
}

/* Is `name` strictly below `ancestor`, on a label boundary? */
static bool name_below(const struct name *name, const struct name *ancestor)
{
    size_t at = 0;

    while (at < name->n && name->n - at > ancestor->n)
        at += 1 + (size_t)name->bytes[at];
    return at > 0 && at < name->n && name->n - at == ancestor->n &&
           memcmp(name->bytes + at, ancestor->bytes, ancestor->n) == 0;
}

static int read_record(struct parser *p, bool authority)
{
    struct record *rr;
    struct name owner;
    size_t start = p->at;
    int r;

    if (p->count == DNS_SECTION_MAX)
        return DIVE_E_LIMIT;
    r = read_name(p, p->at, &owner, &p->at);
    if (r)
        return r;
    if (p->n - p->at < 10)
        return DIVE_E_SYNTAX;
    rr = &p->record[p->count];
    rr->owner = (uint16_t)start;
    rr->type = get16(p->packet + p->at);
    rr->class = get16(p->packet + p->at + 2);
    rr->ttl = get32(p->packet + p->at + 4);
    if (rr->ttl > INT32_MAX) /* RFC 2181 section 8 */
        rr->ttl = 0;
    rr->length = get16(p->packet + p->at + 8);
    rr->rdata = (uint16_t)(p->at + 10);
    rr->authority = authority;
    p->at += 10;
    if (p->n - p->at < rr->length)
        return DIVE_E_SYNTAX;
    p->at += rr->length;
    p->count++;
    return 0;
}

/* Header, question and the index of records. The additional section is not looked at. */
static int index_message(struct parser *p, uint16_t type, int *rcode, struct name *question)
{
    uint16_t flags, answers, authorities;
    int r;

    if (p->n < HEADER_SIZE)
        return DIVE_E_SYNTAX;
    flags = get16(p->packet + 2);
    answers = get16(p->packet + 6);
    authorities = get16(p->packet + 8);
    if (!(flags & FLAG_QR) || flags & FLAG_TC || get16(p->packet + 4) != 1)
        return DIVE_E_SYNTAX;
    *rcode = flags & 15;
    p->at = HEADER_SIZE;
    r = read_name(p, p->at, question, &p->at);
    if (r)
        return r;
    if (p->n - p->at < 4 || get16(p->packet + p->at) != type ||
        get16(p->packet + p->at + 2) != CLASS_IN)
        return DIVE_E_SYNTAX;
    p->at += 4;
    for (unsigned i = 0; i < answers + (unsigned)authorities; i++) {
        r = read_record(p, i >= answers);
        if (r)
            return r;
    }
    return 0;
}

/* The names in the table were read once without error, so reading them again can't fail. */
static struct name owner_of(const struct parser *p, const struct record *rr)
{
    struct name owner;
    size_t end;

    if (read_name(p, rr->owner, &owner, &end))
        owner.n = 0;
    return owner;
}

static int read_target(const struct parser *p, const struct record *rr, struct name *target)
{
    size_t end = 0;
    int r = read_name(p, rr->rdata, target, &end);

    return r ? r : end == (size_t)rr->rdata + rr->length ? 0 : DIVE_E_SYNTAX;
}

/* RFC 6672 section 2.2: `name` with its suffix `owner` replaced by `target`. */
static int substitute(struct name *name, const struct name *owner, const struct name *target)
{
    size_t kept = name->n - owner->n;

    if (kept + target->n > sizeof name->bytes)
        return DIVE_E_SYNTAX;
    memcpy(name->bytes + kept, target->bytes, target->n);
    name->n = kept + target->n;
    return 0;
}

/* One step along the chain. 1: `name` is now the alias's target. 0: `name` has no alias. */
static int follow(const struct parser *p, struct name *name, uint32_t *ttl)
{
    const struct record *dname = NULL;
    struct name owner, target;
    int r;

    for (size_t i = 0; i < p->count; i++) {
        const struct record *rr = &p->record[i];

        if (rr->authority || rr->class != CLASS_IN ||
            (rr->type != DNS_TYPE_CNAME && rr->type != DNS_TYPE_DNAME))
            continue;
        owner = owner_of(p, rr);
        if (rr->type == DNS_TYPE_DNAME) {
            if (name_below(name, &owner))
                dname = rr;
            continue;
        }
        if (!name_eq(name, &owner))
            continue;
        r = read_target(p, rr, name);
        if (rr->ttl < *ttl)
            *ttl = rr->ttl;
        return r ? r : 1;
    }
    if (!dname)
        return 0;
    /* No CNAME was made of it for us. */
    owner = owner_of(p, dname);
    r = read_target(p, dname, &target);
    if (r == 0)
        r = substitute(name, &owner, &target);
    if (dname->ttl < *ttl)
        *ttl = dname->ttl;
    return r ? r : 1;
}

/* The CNAME and what a DNAME above says are both in the answer when a server made the former of the
 * latter: the DNAME's TTL counts too. */
static void count_dnames(const struct parser *p, const struct name *name, uint32_t *ttl)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct record *rr = &p->record[i];
        struct name owner;

        if (rr->authority || rr->class != CLASS_IN || rr->type != DNS_TYPE_DNAME)
            continue;
        owner = owner_of(p, rr);
        if (name_below(name, &owner) && rr->ttl < *ttl)
            *ttl = rr->ttl;
    }
}

/* Joins the character-strings (RFC 1035 section 3.3.14). */
static int join_strings(const uint8_t *rdata, size_t n, char *to, size_t *length)
{
    size_t at = 0;

    *length = 0;
    if (n == 0)
        return DIVE_E_SYNTAX; /* one or more */
    while (at < n) {
        size_t piece = rdata[at];

        if (piece > n - at - 1)
            return DIVE_E_SYNTAX;
        memcpy(to + *length, rdata + at + 1, piece);
        *length += piece;
        at += 1 + piece;
    }
    return 0;
}

static int copy_rdata(const struct parser *p, const struct record *rr, char *to, size_t *length)
{
    const uint8_t *rdata = p->packet + rr->rdata;

    if (rr->type == DNS_TYPE_TXT)
        return join_strings(rdata, rr->length, to, length);
    if ((rr->type == DNS_TYPE_A && rr->length != 4) ||
        (rr->type == DNS_TYPE_AAAA && rr->length != 16))
        return DIVE_E_SYNTAX;
    memcpy(to, rdata, rr->length);
    *length = rr->length;
    return 0;
}

static int collect(const struct parser *p, const struct name *name, uint16_t type,
                   struct dns_answer *out)
{
    char *to = (char *)(out + 1); /* as long as the packet: all RDATA together are shorter */

    for (size_t i = 0; i < p->count; i++) {
        const struct record *rr = &p->record[i];
        struct name owner;
        size_t length;
        int r;

        if (rr->authority || rr->class != CLASS_IN || rr->type != type)
            continue;
        owner = owner_of(p, rr);
        if (!name_eq(name, &owner))
            continue;
        if (out->n == DNS_ANSWER_MAX)
            return DIVE_E_LIMIT;
        r = copy_rdata(p, rr, to, &length);
        if (r)
            return r;
        out->record[out->n++] = dive_span(to, length);
        to += length;
        if (rr->ttl < out->ttl)
            out->ttl = rr->ttl;
    }
    return 0;
}

/* RFC 2308 section 5. MINIMUM is the last field of the SOA. */
static int bound_negative(const struct parser *p, uint32_t *ttl)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct record *rr = &p->record[i];
        uint32_t minimum;

        if (!rr->authority || rr->class != CLASS_IN || rr->type != DNS_TYPE_SOA)
            continue;
        if (rr->length < 22) /* two root names and five numbers */
            return DIVE_E_SYNTAX;
        minimum = get32(p->packet + rr->rdata + rr->length - 4);
        if (minimum > INT32_MAX)
            minimum = 0;
        if (rr->ttl < minimum)
            minimum = rr->ttl;
        if (minimum < *ttl)
            *ttl = minimum;
        return 0;
    }
    *ttl = 0;
    return 0;
}

static int walk(const struct parser *p, struct name *name, uint16_t type, struct dns_answer *out)
{
    int r;

    while (type != DNS_TYPE_CNAME && type != DNS_TYPE_DNAME) {
        struct name before = *name;

        r = follow(p, name, &out->ttl);
        if (r < 0)
            return r;
        if (r == 0)
            break;
        count_dnames(p, &before, &out->ttl);
        if (++out->aliases > DNS_CHAIN_MAX)
            return DIVE_E_LIMIT;
    }
    if (out->rcode == DNS_RCODE_NOERROR) {
        r = collect(p, name, type, out);
        if (r)
            return r;
    }
    return out->n ? 0 : bound_negative(p, &out->ttl);
}

int dns_message_parse(const uint8_t *packet, size_t n, uint16_t type, struct dns_answer **out)
{
    struct parser *p = NULL;
    struct dns_answer *answer = NULL;
    struct name name;
    int r = DIVE_E_INTERNAL;

    *out = NULL;
    if (n > DNS_MESSAGE_MAX)
        return DIVE_E_LIMIT;
    p = malloc(sizeof *p);
    answer = malloc(sizeof *answer + n);
    if (!p || !answer) {
        r = DIVE_E_NOMEM;
        goto out;
    }
    *p = (struct parser){.packet = packet, .n = n};
    memset(answer, 0, sizeof *answer);
    answer->ttl = INT32_MAX;
    r = index_message(p, type, &answer->rcode, &name);
    if (r)
        goto out;
    r = walk(p, &name, type, answer);
    if (r)
        goto out;
    *out = answer;
    answer = NULL;
    r = 0;
out:
    free(answer);
    free(p);
    return r;
}

bool dns_name_valid(const char *name)
{
    size_t label = 0, n = 0;

    for (; name[n]; n++) {
        char c = name[n];

        if (n > DNS_NAME_TEXT_MAX)
            return false;
        if (c == '.') {
            if (label == 0)
                return false;
            label = 0;
            continue;
        }
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_') ||
            ++label > 63)
            return false;
    }
    if (n > 0 && name[n - 1] == '.')
        n--;
    return n > 0 && n <= DNS_NAME_TEXT_MAX;
}
