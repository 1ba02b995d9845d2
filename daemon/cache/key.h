/* SPDX-License-Identifier: BSD-2-Clause
 *
 * key: under which name a response is stored: method, scheme, authority and target as the origin is
 * asked for them, and nothing else that a client sends. What else the response depends on is in its
 * Vary (cache/vary.h).
 */
#ifndef DIVED_CACHE_KEY_H
#define DIVED_CACHE_KEY_H

#include "cache/object.h"
#include "http/url.h"

/* The first bytes of a SHA-256 over pieces, each with an end mark. False without memory. */
bool key_of_pieces(struct store_key *out, const struct dive_span *piece, size_t n) DIVE_MUST_USE;
/* Of GET (RFC 9111 section 2). */
bool key_of_url(struct store_key *out, const struct http_url *url) DIVE_MUST_USE;
/* For transfers of one variant of a URL. */
bool key_of_variant(struct store_key *out, const struct store_key *key, const char *vary,
                    uint64_t variant) DIVE_MUST_USE;

#endif
