/* SPDX-License-Identifier: BSD-2-Clause
 *
 * token: one private key on a PKCS#11 token, named by a URI (RFC 7512). p11-kit knows the modules
 * of this machine and reads the URI. What a key is good for, its users find out: divectl signs
 * content with one (cmd/pkcs11.h), the interception CA certificates (tls/ca_key.h).
 */
#ifndef DIVED_TLS_TOKEN_H
#define DIVED_TLS_TOKEN_H

#include <p11-kit/pkcs11.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"

struct token;

#define TOKEN_PIN_MAX 256 /* bytes with the NUL */

/* Is it a URI of this kind, and no path? */
bool token_is_uri(const char *text);

/* Asks for the PIN: writes it, NUL-terminated, to `pin`. `source` is the path of the URI's
 * pin-source, borrowed, or NULL. 0; anything else ends token_open(), which returns it. */
typedef int token_pin_fn(void *arg, const char *source, char pin[TOKEN_PIN_MAX]);

/* Finds the one private key that `uri` names, and logs in where the token wants it. *out is the
 * caller's. On failure *out is NULL and `why` has a phrase, but where `pin` failed.
 *   DIVE_E_SYNTAX       no such URI, or one with a pin-value: a command line and a configuration
 *                       are no places for a PIN
 *   DIVE_E_UNSUPPORTED  no such module or token
 *   DIVE_E_LIMIT        it names more than one token or key: it would be chance which one signs
 *   DIVE_E_NOT_FOUND    no such key on the token
 *   DIVE_E_MISMATCH     the PIN is wrong
 *   DIVE_E_STATE        the module failed
 *   DIVE_E_NOMEM
 * `pin` is called before it returns. Blocks on the module. */
int token_open(struct token **out, const char *uri, token_pin_fn *pin, void *arg, char *why,
               size_t why_size) DIVE_MUST_USE;
/* Logs out; NULLs *token. */
void token_close(struct token **token);

/* An attribute of the private key, or of the public key with the same CKA_ID and key type: at most
 * `size` bytes to `out`, *n of them. DIVE_E_NOT_FOUND: there is none, or it is larger. */
int token_attribute(struct token *token, CK_ATTRIBUTE_TYPE type, void *out, size_t size,
                    size_t *n) DIVE_MUST_USE;
int token_public_attribute(struct token *token, CK_ATTRIBUTE_TYPE type, void *out, size_t size,
                           size_t *n) DIVE_MUST_USE;

/* Signs `n` bytes by one of `mechanisms`: the first one that the token takes. *size is what
 * `signature` holds, then what was written. DIVE_E_STATE: the module refused; when the token was
 * taken out meanwhile its session is gone for good, also when it is put back (PKCS#11 v2.40,
 * section 5.6). Calls from several threads take turns at the token's session. */
int token_sign(struct token *token, CK_MECHANISM *mechanisms, size_t n_mechanisms, const void *data,
               size_t n, void *signature, size_t *size) DIVE_MUST_USE;

#endif
