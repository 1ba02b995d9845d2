/* SPDX-License-Identifier: BSD-2-Clause
 *
 * via: see via.h.
 */
#include "http/via.h"

#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct dive_span field_name = {"via", 3};

static char name[sizeof("dived-") + 8];
static pthread_once_t name_once = PTHREAD_ONCE_INIT;

static void make_name(void)
{
    uint32_t id = 0;

    /* It is no secret: without random bytes something that differs between processes will do. */
    if (RAND_bytes((unsigned char *)&id, sizeof(id)) != 1)
        id = (uint32_t)getpid() ^ (uint32_t)time(NULL) << 12;
    snprintf(name, sizeof(name), "dived-%08x", (unsigned)id);
}

const char *http_via_name(void)
{
    (void)pthread_once(&name_once, make_name);
    return name;
}

/* A member is: protocol, white space, received-by, and perhaps a comment. */
static bool is_own(struct dive_span member)
{
    const char *space = memchr(member.p, ' ', member.n);
    const char *own = http_via_name();
    size_t n = strlen(own), left;

    if (space == NULL)
        space = memchr(member.p, '\t', member.n);
    if (space == NULL)
        return false;
    left = member.n - (size_t)(space - member.p);
    while (left > 0 && (*space == ' ' || *space == '\t')) {
        space++;
        left--;
    }
    return left >= n && memcmp(space, own, n) == 0 &&
           (left == n || space[n] == ' ' || space[n] == '\t' || space[n] == '(');
}

bool http_via_is_loop(const struct http_head *head)
{
    unsigned hops = 0;

    for (size_t i = 0; i < head->n_fields; i++) {
        struct dive_span rest = head->fields[i].value, member;

        if (!dive_span_caseeq(head->fields[i].name, field_name))
            continue;
        while (http_list_next(&rest, &member))
            if (is_own(member) || ++hops > HTTP_VIA_HOPS_MAX)
                return true;
    }
    return false;
}

char *http_via_received(const struct http_head *head)
{
    size_t n = 0, length = 0;
    char *out;

    for (size_t i = 0; i < head->n_fields; i++)
        if (dive_span_caseeq(head->fields[i].name, field_name))
            n += head->fields[i].value.n + 2;
    out = malloc(n + 1);
    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct dive_span *value = &head->fields[i].value;

        if (!dive_span_caseeq(head->fields[i].name, field_name) || value->n == 0)
            continue;
        if (length > 0) {
            memcpy(out + length, ", ", 2);
            length += 2;
        }
        memcpy(out + length, value->p, value->n);
        length += value->n;
    }
    out[length] = '\0';
    return out;
}
