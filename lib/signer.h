/* SPDX-License-Identifier: BSD-2-Clause
 *
 * signer: makes the header fields of a resource that verifier.h accepts: Content-Digest,
 * Signature-Input and Signature for draft-callec-dive-01 (section 6; RFC 9530, RFC 9421), DIVE-Sig
 * for draft-callec-dive-00 (section 5.1). No I/O: the digests of the content come in, and private
 * keys stay with the caller, behind a callback, so that a token can hold them.
 *
 * All is stateless: calls may run at once on any threads with one set of options, if the callbacks
 * of its keys may.
 */
#ifndef DIVE_SIGNER_H
#define DIVE_SIGNER_H

#include <stdbool.h>

#include "content_digest.h"
#include "crypto.h"
#include "message.h"

DIVE_API_BEGIN

#define DIVE_SIGNER_KEYS_MAX 8        /* as many as a verifier looks at */
#define DIVE_SIGNER_COMPONENTS_MAX 63 /* beside "content-digest" */

/* Signs the `n` bytes at `message` (the algorithm's own hashing included: plain Ed25519 or Ed448 of
 * RFC 8032, no context) and writes dive_algorithm_signature_bytes() to `signature`. 0, or a
 * negative code, which the call that signs then returns. Is called before that call returns. */
typedef int dive_sign_fn(void *arg, const void *message, size_t n, uint8_t *signature);

/* Everything is borrowed. */
struct dive_signing_key {
    enum dive_algorithm algorithm;
    const char *key_id; /* dive_key_id_valid() */
    const char *fqdn;   /* the only domain where the record is to be looked for; NULL: anywhere */
    const char *label; /* of the entry, an sf-key (RFC 9651 section 3.2); NULL: "sig1", "sig2"... by
                        * position. Not used by draft-00 */
    struct dive_span public_key; /* each signature is checked with it; n == 0: not checked */
    dive_sign_fn *sign;
    void *arg; /* for `sign` */
};

/* What a signature of draft-01 says beside the content. Zeroed memory: the content alone. */
struct dive_sign_options {
    /* More covered components, in order, each as RFC 9421 section 2 serialises identifiers:
     * "\"@status\"", "\"@path\";req". "content-digest" comes before them by itself. */
    const struct dive_span *components;
    size_t n_components;
    bool has_created, has_expires;
    int64_t created, expires; /* Unix seconds */
    /* The request, for ;req components; NULL: they fail. */
    const struct dive_request *request;
    /* The response without a Content-Digest, for other components; NULL: status 200, no fields. */
    const struct dive_response *response;
};

/* Field values, NUL-terminated, malloc'd, the caller's: dive_signed_free(). */
struct dive_signed {
    char *content_digest;
    char *signature_input;
    char *signature;
};

/* Signs for draft-01 with `n_keys` keys, one entry each, in order. `digests` is finished; each of
 * its algorithms is listed in Content-Digest, in the order of enum dive_hash. Each key signs the
 * signature base of RFC 9421 section 2.5. *out is cleared first and stays so on failure.
 * DIVE_E_STATE: `digests` isn't finished. DIVE_E_TYPE: a Key ID, FQDN, label, component or time
 * that can't stand there, a label twice, `expires` not after `created`, `response` with a
 * Content-Digest of its own, a key without an algorithm. DIVE_E_LIMIT: no key, or more keys or
 * components than the maxima. DIVE_E_MISMATCH: a key's callback made a signature that its public
 * key doesn't verify. DIVE_E_NOMEM. What dive_signature_base() (signature_base.h) returns for a
 * component that is absent or not supported. What a key's callback returned. */
int dive_sign(struct dive_signed *out, const struct dive_signing_key *keys, size_t n_keys,
              const struct dive_digests *digests,
              const struct dive_sign_options *options) DIVE_MUST_USE;

/* Signs for draft-00 with the digest by `hash`: the value of DIVE-Sig into *out, malloc'd, the
 * caller's; NULL on failure. One Key ID twice, whatever the FQDN, is DIVE_E_TYPE: a verifier would
 * ignore the second. Other failures as above; DIVE_E_STATE also without that hash. */
int dive_sign_00(char **out, const struct dive_signing_key *keys, size_t n_keys,
                 const struct dive_digests *digests, enum dive_hash hash) DIVE_MUST_USE;

/* Frees the three values and clears them. */
void dive_signed_free(struct dive_signed *fields);

DIVE_API_END

#endif
