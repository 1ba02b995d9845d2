/* SPDX-License-Identifier: BSD-2-Clause
 *
 * signature_input: the Signature-Input and Signature fields of a response (RFC 9421 section 4),
 * paired into entries in the order of Signature-Input, with the keyid read as DIVE does
 * (draft-callec-dive-01 sections 6.2 and 7.4).
 */
#ifndef DIVE_SIGNATURE_INPUT_H
#define DIVE_SIGNATURE_INPUT_H

#include "crypto.h"
#include "domain.h"
#include "message.h"
#include "sf.h"

DIVE_API_BEGIN

#define DIVE_SIGNATURE_ENTRIES_MAX 8 /* entries looked at; the draft recommends at most three */
#define DIVE_COMPONENTS_MAX 64       /* covered components in one entry */

/* Why an entry can't be used; it fails alone. */
/* clang-format off */
#define DIVE_ENTRY_FAULTS(X)                                                      \
    X(NONE, "usable")                                                             \
    X(UNPAIRED, "the label stands in only one of Signature-Input and Signature")  \
    X(NOT_INNER_LIST, "the Signature-Input member is not an inner list")          \
    X(NOT_BYTES, "the Signature member is not a byte sequence")                   \
    X(TOO_MANY_COMPONENTS, "more components are covered than are looked at")      \
    X(BAD_COMPONENT, "a covered component is not a string or is listed twice")    \
    X(NO_CONTENT_DIGEST, "content-digest is not among the covered components")    \
    X(NO_KEYID, "keyid is missing or not a string")                               \
    X(FOREIGN_KEYID, "keyid is not a Key ID")                                     \
    X(FQDN_NOT_PARENT, "the domain after @ is not the origin or a parent of it")  \
    X(NO_ALG, "alg is missing or not a string")                                   \
    X(FOREIGN_ALG, "alg is neither ed25519 nor ed448")                            \
    X(BAD_PARAMETER, "a signature parameter has the wrong type")
/* clang-format on */

enum dive_entry_fault {
#define X(id, text) DIVE_ENTRY_##id,
    DIVE_ENTRY_FAULTS(X)
#undef X
};

/* Static text, never NULL. */
const char *dive_entry_fault_text(enum dive_entry_fault fault);

struct dive_signature_entry {
    enum dive_entry_fault fault;
    struct dive_span label;
    const struct dive_sf_member *input; /* components and parameters; NULL when UNPAIRED there */
    struct dive_span signature;         /* decoded bytes */
    struct dive_span keyid;             /* as received, with any @fqdn */
    char key_id[DIVE_KEY_ID_MAX + 1];   /* "" when fault says so */
    char fqdn[DIVE_DOMAIN_BUF];         /* normal form; "" when there is no @ */
    enum dive_algorithm alg;
    bool has_created, has_expires;
    int64_t created, expires; /* Unix seconds */
};

struct dive_signatures {
    struct dive_signature_entry entry[DIVE_SIGNATURE_ENTRIES_MAX];
    size_t n;
    size_t ignored; /* entries past the maximum; labels of Signature alone aren't counted once
                     * Signature-Input fills it */
    struct dive_sf *input, *signature; /* what the spans point into */
};

/* Parses the two fields of `response`, for a resource of `origin` (normal form). *out is cleared
 * first and to be freed with dive_signatures_free() whatever the result. Upper case in labels is
 * accepted. A label given twice: the last wins (RFC 9651). Labels that stand in Signature alone
 * come last. DIVE_E_NOT_FOUND: a field is absent, or empty, which is the same (RFC 9651
 * section 3.2). DIVE_E_SYNTAX: a field is not a dictionary. DIVE_E_LIMIT, DIVE_E_NOMEM. An entry's
 * own faults are in the entry: the first one found, in the order of the table above.
 *
 * The content is covered by "content-digest" as it is, with ;sf or with ;bs. With ;key it isn't:
 * the other members would be anybody's. With ;req it is another message's. */
int dive_signatures_parse(struct dive_signatures *out, const struct dive_fields *response,
                          const char *origin) DIVE_MUST_USE;
void dive_signatures_free(struct dive_signatures *signatures);

DIVE_API_END

#endif
