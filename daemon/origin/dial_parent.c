/* SPDX-License-Identifier: BSD-2-Clause
 *
 * dial_parent: dialling through a parent proxy, which looks up and connects to what it is asked
 * for. What can be known of the target without a look-up is put to the guard here.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "origin/dial_private.h"
#include "origin/literal.h"
#include "origin/parent_connect.h"

#define HOST_SIZE 256
#define AUTHORITY_SIZE (HOST_SIZE + 16)

struct target {
    struct sockaddr_storage address; /* ss_family 0: it is a name */
    socklen_t length;
    char authority[AUTHORITY_SIZE];
};

static bool is_localhost(const char *host)
{
    static const char name[] = "localhost";
    size_t n = strlen(host), length = sizeof name - 1;

    if (n > 0 && host[n - 1] == '.')
        n--;
    if (n < length || strncasecmp(host + n - length, name, length) != 0)
        return false;
    return n == length || host[n - length - 1] == '.';
}

static void set_address(struct target *target, int family, const uint8_t bytes[16], unsigned port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&target->address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&target->address;

    if (family == AF_INET) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        memcpy(&in->sin_addr, bytes, 4);
        target->length = sizeof *in;
    } else {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        memcpy(&in6->sin6_addr, bytes, 16);
        target->length = sizeof *in6;
    }
}

/* 0, or DIVE_E_SYNTAX. */
static int take_target(struct target *target, const char *host, unsigned port)
{
    static const uint8_t loopback[16] = {127, 0, 0, 1};
    char text[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    int family = AF_UNSPEC, r = literal_parse(host, &family, bytes);

    *target = (struct target){0};
    if (r < 0 || port < 1 || port > 65535 || strlen(host) >= HOST_SIZE)
        return DIVE_E_SYNTAX;
    snprintf(target->authority, AUTHORITY_SIZE, "%s:%u", host, port);
    if (r == 1)
        set_address(target, family, bytes, port);
    else if (is_localhost(host))
        set_address(target, AF_INET, loopback, port);
    if (r == 1 && family == AF_INET6 && inet_ntop(AF_INET6, bytes, text, sizeof text))
        snprintf(target->authority, AUTHORITY_SIZE, "[%s]:%u", text, port);
    return 0;
}

int dial_start_parent(struct loop *loop, struct resolver *resolver, const struct guard *guard,
                      const struct dial_through *through, const char *host, unsigned port,
                      int64_t timeout_ms, dial_fn *cb, void *arg, struct dial **dial)
{
    const struct parent *parent = through->parent;
    enum guard_reason refused = GUARD_ALLOWED;
    struct target target;
    int r = take_target(&target, host, port);

    *dial = NULL;
    if (r)
        return r;
    if (through->via && strlen(through->via) > PARENT_VIA_MAX)
        return DIVE_E_LIMIT;
    r = dial_start(loop, resolver, guard, parent->host, parent->port, timeout_ms, cb, arg, dial);
    if (r)
        return r;
    r = dial_through(*dial, through, through->tunnel ? target.authority : NULL);
    if (r) {
        dial_cancel(dial);
        return r;
    }
    if (target.length > 0)
        refused = guard_check(guard, (const struct sockaddr *)&target.address);
    if (refused != GUARD_ALLOWED)
        dial_refuse(*dial, &target.address, target.length, refused);
    return 0;
}
