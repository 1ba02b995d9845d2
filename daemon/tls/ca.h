/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ca: the interception CA: its certificate and private key, loaded from PEM files or made on first
 * start; the key may also be on a PKCS#11 token. In the daemon the key is in another process
 * (keeper/keeper.h), and the CA here has only the certificate and a way to ask for a minted one.
 * Immutable once it is there, reference-counted, shared by all workers.
 */
#ifndef DIVED_TLS_CA_H
#define DIVED_TLS_CA_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stddef.h>
#include <time.h>

#include "lib/error.h"

struct tls_ca;

#define TLS_CA_FINGERPRINT_BUF 96 /* "AB:CD:..." of SHA-256 and the NUL */
#define TLS_CA_YEARS 10
#define TLS_CA_CHAIN_MAX 8 /* certificates after the first one in the file */

/* How a CA mints whose key is somewhere else. */
struct tls_ca_remote {
    /* The certificate that tls_mint_certificate() would make for `name`, `point` and
     * `lifetime_hours`, as of now. `point`: a P-256 public key, 65 bytes (RFC 5480 section 2.2,
     * uncompressed). *out is the caller's. 0 or a negative DIVE_E*; any thread; blocks. */
    int (*mint)(void *arg, const char *name, const unsigned char *point, unsigned lifetime_hours,
                X509 **out);
    void (*release)(void *arg); /* called once, with the last reference */
    void *arg;
};

/* Loads the pair. `key_file` may also be a pkcs11: URI: see ca_key_load(). When both files are
 * absent it is made first: P-256, CN "dived interception CA <host name>", ten years, pathlen 0, key
 * 0600, certificate 0644, both written aside, synced and renamed; daemons that start at the same
 * time are kept apart by a lock on the key's directory and end up with the same pair.
 *
 * The certificate file may go on with the certificates up to the root that clients trust, for a CA
 * that is itself issued by another one: see tls_ca_chain().
 *
 * *out is the caller's reference (tls_ca_free). On failure *out is NULL, and `why` (may not be
 * NULL) has one sentence: what is wrong, with which file, and what to do. DIVE_E_NOT_FOUND    one
 * of the two is missing, or neither can be made DIVE_E_STATE        unreadable, or a key that its
 * group or others may read or write DIVE_E_SYNTAX       no PEM certificate or key in there
 *   DIVE_E_MISMATCH     the key isn't the certificate's
 *   DIVE_E_TYPE         not a CA, or not allowed to sign certificates
 *   DIVE_E_UNSUPPORTED  neither an EC (P-256, P-384, P-521) nor an RSA (2048 bits and more) key
 *   DIVE_E_LIMIT        expired or not valid yet, more than TLS_CA_CHAIN_MAX further certificates
 *   DIVE_E_NOMEM, DIVE_E_INTERNAL */
int tls_ca_load_or_create(struct tls_ca **out, const char *certificate_file, const char *key_file,
                          time_t now, char *why, size_t why_size) DIVE_MUST_USE;

/* The same without making anything: both absent is DIVE_E_NOT_FOUND. */
int tls_ca_load(struct tls_ca **out, const char *certificate_file, const char *key_file, time_t now,
                char *why, size_t why_size) DIVE_MUST_USE;

/* Only makes the pair; DIVE_E_STATE when one of the files is there already. */
int tls_ca_create(const char *certificate_file, const char *key_file, time_t now, char *why,
                  size_t why_size) DIVE_MUST_USE;

/* A CA without its key, out of DER certificates, one behind the other: the CA's own first. Takes
 * `remote` over, on failure too. Fails as tls_ca_load() does. */
int tls_ca_new_remote(struct tls_ca **out, const unsigned char *der, size_t n,
                      const struct tls_ca_remote *remote, time_t now, char *why,
                      size_t why_size) DIVE_MUST_USE;
/* What tls_ca_new_remote() takes: *n bytes, at most `size` (DIVE_E_LIMIT). */
int tls_ca_export(const struct tls_ca *ca, unsigned char *der, size_t size,
                  size_t *n) DIVE_MUST_USE;

struct tls_ca *tls_ca_ref(struct tls_ca *ca);
/* Drops one reference and NULLs *ca. */
void tls_ca_free(struct tls_ca **ca);

/* Borrowed; as long as a reference is held. */
X509 *tls_ca_certificate(const struct tls_ca *ca);
/* NULL: the key is here. */
const struct tls_ca_remote *tls_ca_remote(const struct tls_ca *ca);
/* What a server must send after the leaf: nothing (an empty stack) when the CA is a root, since a
 * client that trusts it has it; otherwise the CA and what follows it in the file, without a root.
 */
STACK_OF(X509) * tls_ca_chain(const struct tls_ca *ca);
/* SHA-256 of the certificate, upper-case hex with colons, as `openssl x509 -fingerprint` prints. */
const char *tls_ca_fingerprint(const struct tls_ca *ca);
/* Signs with the key that is here, SHA-256. DIVE_E_STATE: it isn't, or its token can't be used any
 * more. DIVE_E_NOMEM, DIVE_E_INTERNAL. */
int tls_ca_sign(const struct tls_ca *ca, X509 *certificate) DIVE_MUST_USE;
time_t tls_ca_not_before(const struct tls_ca *ca);
time_t tls_ca_not_after(const struct tls_ca *ca);

#endif
