/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sf_private: what the files behind sf.h share and nobody else includes: the classes of bytes, the
 * UTF-8 check, the reader of bare items and the index of keys.
 *
 *      sf_parse.c      the arena; fields, members, inner lists, parameters
 *      sf_keys.c       repeated keys
 *      sf_bare.c       one bare item: numbers, strings, tokens, byte sequences, ...
 *      sf_chars.c      the tables
 *      sf_serialize.c  the way back
 */
#ifndef DIVE_SF_PRIVATE_H
#define DIVE_SF_PRIVATE_H

#include "sf.h"

/* Classes of bytes. NUL is in none, which lets the reader use one as a sentinel. */
#define SF_LOWER 0x01u      /* a-z */
#define SF_UPPER 0x02u      /* A-Z */
#define SF_DIGIT 0x04u      /* 0-9 */
#define SF_STAR 0x08u       /* "*" starts a key or a token */
#define SF_KEY_MARK 0x10u   /* "_" "-" ".": in a key after its first byte, and in a token */
#define SF_TOKEN_MARK 0x20u /* the rest of tchar, ":" and "/" */
#define SF_PLAIN 0x40u      /* stands for itself in a String: 0x20 to 0x7e but for DQUOTE and "\" */
#define SF_DISPLAY                                                                                 \
    0x80u /* stands for itself in a Display String: the same but for DQUOTE and "%" */

#define SF_KEY_START (SF_LOWER | SF_STAR)
#define SF_KEY_REST (SF_LOWER | SF_DIGIT | SF_STAR | SF_KEY_MARK)
#define SF_TOKEN_START (SF_LOWER | SF_UPPER | SF_STAR)
#define SF_TOKEN_REST (SF_LOWER | SF_UPPER | SF_DIGIT | SF_STAR | SF_KEY_MARK | SF_TOKEN_MARK)

extern const uint8_t dive_sf_class[256];

static inline bool dive_sf_is(char c, unsigned classes)
{
    return (dive_sf_class[(uint8_t)c] & classes) != 0;
}

/* The base64 alphabet (RFC 4648 section 4) and its inverse: 0x40 | value, or 0 for any other byte.
 */
#define SF_BASE64_VALID 0x40u
extern const char dive_sf_base64[64];
extern const uint8_t dive_sf_base64_value[256];

#define SF_NUMBER_MAX 999999999999999LL /* 15 digits: integers, dates, thousandths of decimals */

/* UTF-8 (RFC 3629) one byte at a time: no overlong form, no surrogate, nothing past U+10FFFF.
 * Zeroed memory is the start; the text is complete when `need` is 0. */
struct dive_sf_utf8 {
    uint8_t need;   /* bytes that must follow */
    uint8_t lo, hi; /* what the next of them may be */
};

bool dive_sf_utf8_next(struct dive_sf_utf8 *u, uint8_t byte);

/* Where a parse stands. The text is the arena's own copy, NUL-terminated, and is decoded in place:
 * a decoded value is never longer than what encoded it, so that writing never overtakes reading. */
struct dive_sf_reader {
    char *p;   /* the next byte; after a failure, the byte at which parsing failed */
    char *end; /* the sentinel */
};

/* Reads one bare item (RFC 9651 section 4.2.3.1). DIVE_E_SYNTAX. */
int dive_sf_read_bare(struct dive_sf_reader *in, struct dive_sf_bare *out) DIVE_MUST_USE;

static inline bool dive_sf_same(struct dive_span a, struct dive_span b)
{
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

/* Twice the maxima: the hash tables are never more than half full. */
#define SF_MEMBER_SLOTS (2 * DIVE_SF_MEMBERS_MAX)
#define SF_PARAM_SLOTS (2 * DIVE_SF_PARAMS_MAX)

/* The keys of one dictionary or of one item's parameters. */
struct dive_sf_keys {
    const char *array; /* of structs that begin with their key; borrowed */
    size_t stride;     /* bytes from one key to the next */
    size_t n;          /* how many; the caller counts what it appends */
    uint16_t *slots;   /* position + 1; 0: free. Borrowed; needs no initialising */
    size_t mask;       /* slots - 1 */
    uint32_t seed;
    bool hashed; /* slots are in use */
};

/* The position of `key` among the first k->n, or k->n when it is new: the caller then appends it at
 * once, or gives up on the whole. */
size_t dive_sf_keys_position(struct dive_sf_keys *k, struct dive_span key);

#endif
