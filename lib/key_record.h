/* SPDX-License-Identifier: BSD-2-Clause
 *
 * key_record: the `<Key-ID>._divekey` TXT record (draft-callec-dive-00 section 4.4, -01
 * section 5.4).
 */
#ifndef DIVE_KEY_RECORD_H
#define DIVE_KEY_RECORD_H

#include <stdbool.h>

#include "content_digest.h"
#include "crypto.h"
#include "policy_record.h"

DIVE_API_BEGIN

#define DIVE_KEY_CACHE_CAP 86400 /* seconds, both drafts */
#define DIVE_KEYS_PER_NAME_MAX 4 /* valid records tried at one name */

struct dive_key {
    enum dive_algorithm algorithm;
    uint8_t bytes[DIVE_PUBLIC_KEY_MAX];
    size_t len;
    bool has_allowed_hash;
    unsigned
        allowed_hashes; /* set of DIVE_HASH_BIT()s; empty with has_allowed_hash permits nothing */
    int64_t cache;      /* seconds; 0 when absent; not capped here */
};

/* Parses one record's text. Every failure means "key invalid": DIVE_E_SYNTAX, DIVE_E_TYPE,
 * DIVE_E_UNSUPPORTED (a prohibited or unknown algorithm), DIVE_E_LIMIT; but for DIVE_E_NOMEM.
 * `fault` may be NULL. Only the length of `key` is looked at: one of small order or not in the
 * encoding of RFC 8032 is a valid record, under which dive_signature_check() lets nothing verify.
 * dive_public_key_check() tells it beforehand. */
int dive_key_parse(struct dive_key *out, struct dive_span text,
                   struct dive_fault *fault) DIVE_MUST_USE;

/* All valid keys among the TXT records at one name, those that don't parse skipped. Returns how
 * many were written to out[DIVE_KEYS_PER_NAME_MAX]; 0: the Key ID is invalid there. Sets *error to
 * DIVE_E_NOMEM when memory ran out (then 0 is returned), else to 0. */
size_t dive_key_select(struct dive_key *out, const struct dive_span *texts, size_t n, int *error);

DIVE_API_END

#endif
