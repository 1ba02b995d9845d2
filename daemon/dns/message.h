/* SPDX-License-Identifier: BSD-2-Clause
 *
 * message: what we need out of a DNS response in wire format (RFC 1035 section 4): the records of
 * one type at the end of the alias chain, and how long the answer may be remembered. A pure
 * function on bytes; validation is libunbound's, done before.
 */
#ifndef DIVED_DNS_MESSAGE_H
#define DIVED_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

#define DNS_MESSAGE_MAX 65535 /* bytes of a message */
#define DNS_SECTION_MAX 512   /* records in answer and authority together */
#define DNS_CHAIN_MAX 16      /* CNAMEs and DNAMEs followed */
#define DNS_ANSWER_MAX 64     /* records of the type asked for */

enum dns_type {
    DNS_TYPE_A = 1,
    DNS_TYPE_CNAME = 5,
    DNS_TYPE_SOA = 6,
    DNS_TYPE_TXT = 16,
    DNS_TYPE_AAAA = 28,
    DNS_TYPE_DNAME = 39,
};

enum dns_rcode {
    DNS_RCODE_NOERROR = 0,
    DNS_RCODE_FORMERR = 1,
    DNS_RCODE_SERVFAIL = 2,
    DNS_RCODE_NXDOMAIN = 3,
    DNS_RCODE_REFUSED = 5,
};

struct dns_answer {
    int rcode; /* of the header; the upper bits of EDNS are libunbound's affair */
    /* Seconds: the least along the chain; without records min(SOA TTL, SOA MINIMUM) bounds it as
     * well (RFC 2308 section 5), and it is 0 if there is no SOA. */
    uint32_t ttl;
    size_t aliases; /* CNAMEs and DNAMEs followed */
    size_t n;       /* 0 unless rcode is NOERROR */
    /* TXT: character-strings joined; A and AAAA: 4 and 16 bytes; others: RDATA as it stands. */
    struct dive_span record[DNS_ANSWER_MAX];
};

/* Parses a response to one question of `type`, class IN; follows the answer section's aliases from
 * the question's name. `*out` is one malloc'd block (free(3) it) that doesn't point into `packet`.
 * DIVE_E_SYNTAX: malformed, not a response, truncated, not the question's type, aliases that form a
 * loop. DIVE_E_LIMIT: a maximum above is exceeded: nothing is ever dropped silently. DIVE_E_NOMEM.
 */
int dns_message_parse(const uint8_t *packet, size_t n, uint16_t type,
                      struct dns_answer **out) DIVE_MUST_USE;

#define DNS_NAME_TEXT_MAX 253

/* Is `name` a domain name as we ask for: labels of 1 to 63 letters, digits, '-' and '_'; 253
 * characters at most; a trailing dot is allowed? (No escapes: what isn't here isn't passed to a
 * parser of them.) */
bool dns_name_valid(const char *name);

#endif
