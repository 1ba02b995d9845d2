/* SPDX-License-Identifier: BSD-2-Clause
 *
 * dive_sig: the DIVE-Sig field of draft-callec-dive-00 (section 5.1) and the bytes that its
 * signatures are made over (section 6.6.1).
 */
#ifndef DIVE_DIVE_SIG_H
#define DIVE_DIVE_SIG_H

#include "content_digest.h"
#include "domain.h"
#include "message.h"

DIVE_API_BEGIN

#define DIVE_SIG_ENTRIES_MAX 8
#define DIVE_SIG_BYTES_MAX 114 /* an Ed448 signature */
#define DIVE_SIG_INPUT_MAX (16 + DIVE_HASH_MAX_BYTES)

struct dive_sig_entry {
    char key_id[DIVE_KEY_ID_MAX + 1];
    char fqdn[DIVE_DOMAIN_BUF]; /* normal form; "" when there is no @ */
    bool fqdn_not_parent;       /* not the origin and no parent of it: this Key ID is invalid */
    enum dive_hash hash;
    uint8_t signature[DIVE_SIG_BYTES_MAX];
    size_t signature_len;
};

struct dive_sig {
    struct dive_sig_entry entry[DIVE_SIG_ENTRIES_MAX];
    size_t n;
    size_t ignored; /* well-formed entries past the maximum */
};

/* Parses `field`, all lines joined with ",", for a resource of `origin` (normal form). One Key ID
 * twice, whatever the FQDN: the first counts. DIVE_E_SYNTAX: an entry is malformed or there is
 * none; DIVE_E_UNSUPPORTED: an entry names a prohibited hash. Either rejects the response. */
int dive_sig_parse(struct dive_sig *out, struct dive_span field, const char *origin) DIVE_MUST_USE;

/* "sha256:" and the raw digest. Returns the length written to `out`. `digest` has
 * dive_hash_bytes(). */
size_t dive_sig_input(enum dive_hash hash, const uint8_t *digest, uint8_t out[DIVE_SIG_INPUT_MAX]);

DIVE_API_END

#endif
