/* SPDX-License-Identifier: BSD-2-Clause
 *
 * explain_text: the paragraphs. One table for the failure reasons of the drafts, in the order of
 * DIVE_REASONS, one for the outcomes of single entries.
 */
#include <string.h>

#include "cmd/explain.h"

static const struct {
    const char *cause, *remedy;
} paragraphs[] = {
    [DIVE_REASON_NONE] = {"Nothing failed.", "Nothing is to be done."},
    [DIVE_REASON_MISSING_HEADERS] =
        {"The policy covers the resource, but the response carries no fields that DIVE could use: "
         "they are absent, can't be parsed, or sign something else than the content. Mostly a file "
         "was published without being signed, or a CDN, a load balancer or another server in front "
         "drops or rewrites the fields. A response other than 200 with content, or a part (206) "
         "that nobody asked for, is refused under this reason as well.",
         "Look at what really arrives: curl -sI URL. For dive-draft-01 there must be "
         "Content-Digest, "
         "Signature-Input and Signature, where an entry covers \"content-digest\" and has keyid "
         "and "
         "alg; for dive-draft-00 there must be DIVE-Sig. Sign the file (divectl sign) and make the "
         "web server send the fields with it. What is not meant to be covered belongs on a host of "
         "its own, with a policy without scopes."},
    [DIVE_REASON_KEY_NOT_FOUND] =
        {"Validated DNS says that no key record stands at KEYID._divekey of the host or of any "
         "level "
         "up to the policy's. The key was not published yet, was removed while responses were "
         "still "
         "signed by it, or is published under another Key ID (upper and lower case count in the "
         "signature, while DNS doesn't tell them apart) or at a level that isn't searched. A zone "
         "without DNSSEC counts as empty.",
         "divectl records HOST KEYID shows each name that is looked up and what stands there. "
         "Publish "
         "the key (divectl records --make HOST --key KEYID=FILE), or sign anew by one that is "
         "published. When rotating, remove a key only after no response carries its signature: "
         "divectl rotate HOST tells when."},
    [DIVE_REASON_KEY_INVALID] =
        {"A key record was found, but it is not one that may be used: it doesn't parse, its "
         "algorithm is neither ed25519 nor ed448, the key has the wrong length or is a weak one, "
         "or "
         "allowed-hash lists a hash that is prohibited. The closest level counts: a broken record "
         "is "
         "not skipped for the parent's. A keyid whose @domain is neither the host nor a parent of "
         "it is invalid too.",
         "divectl records HOST KEYID names each fault and its place. Replace the record by the "
         "line "
         "that divectl records --make prints, or remove it if the key of a level above should "
         "count."},
    [DIVE_REASON_DNSSEC_UNAVAILABLE] =
        {"DNS gave no answer that could be validated: a signature has expired or doesn't match "
         "(the "
         "DS record in the parent zone may be that of an old key), the servers don't answer, or "
         "something on the way changes DNS. This is also how an attack on DNS looks, so nothing "
         "that depends on it is let through.",
         "divectl records HOST shows the security of each name, and the resolver's sentence about "
         "it. "
         "If the whole world sees it bogus, repair the zone's signatures or DS record. If only "
         "this "
         "machine does, look at its clock, its trust anchor (dns.trust-anchor-file) and whether "
         "its forwarder passes DNSSEC records on."},
    [DIVE_REASON_HASH_NOT_ALLOWED] =
        {"The digest uses a hash that is not permitted: either none that DIVE knows (MD5, SHA-1), "
         "or "
         "one that the key's allowed-hash doesn't list. An empty allowed-hash permits nothing.",
         "Sign with a hash out of allowed-hash, or list the hash there. Content-Digest must not "
         "name "
         "a prohibited hash even beside a good one. Records write sha256, Content-Digest writes "
         "sha-256."},
    [DIVE_REASON_SIGNATURE_MISMATCH] =
        {"The fields are there and so is the key, but they don't fit the content: the content is "
         "not "
         "what was signed. The file was replaced without being signed anew, something on the way "
         "changed it (compressing it, inserting into it, cutting it short), it was signed by "
         "another "
         "private key than the published one, a covered field was changed or is absent, or the "
         "signature has expired. Or somebody has tampered with the file: take that possibility "
         "seriously until you know better.",
         "Compare the file at the origin with what was signed. If it is right, sign it anew; check "
         "that the public key in DNS is that of the signing key, and that the server doesn't code "
         "or "
         "transform it after signing (the digest is over the bytes as sent). If the file is not "
         "what "
         "was released, treat the origin as compromised."},
    [DIVE_REASON_NO_VALID_KEY] =
        {"Several signatures were given and each of them failed, for different reasons. The "
         "entries "
         "tell which.",
         "One entry that verifies is enough. Repair the one that should have; take out those whose "
         "keys are gone."},
};

_Static_assert(sizeof(paragraphs) / sizeof(paragraphs[0]) == DIVE_REASON_COUNT,
               "every reason has its paragraphs");

static const struct {
    const char *word, *text;
} outcomes[] = {
    {"unusable",
     "the entry must stand in Signature-Input and in Signature, cover \"content-digest\", "
     "and have keyid and alg (ed25519 or ed448)"},
    {"key-name-invalid", "keyid must be a Key ID (A-Z a-z 0-9 _), or KEYID@domain where the domain "
                         "is the host or a parent of it"},
    {"not-yet-valid",
     "`created` is in the future: the signer's clock, or this machine's, is wrong"},
    {"expired", "`expires` has passed: sign the file anew"},
    {"key-not-found", "publish this key, or sign by one that is published"},
    {"key-unvalidated", "the key's name got no validated answer: look at the zone's DNSSEC"},
    {"key-invalid", "the key record is broken: divectl records HOST KEYID names the faults"},
    {"alg-mismatch", "`alg` in Signature-Input must be the `sig` of the key record"},
    {"hash-not-allowed", "the digest's hash must be in the key's allowed-hash"},
    {"not-covering", "the signature doesn't cover a component that a rule of this proxy requires "
                     "(require-components). If the domain can't be asked to sign it, take it out "
                     "of the rule."},
    {"base-failed", "a covered component is not in the response that arrived: something on the way "
                    "drops it, or a request component lacks ;req"},
    {"signature-mismatch", "the signature was made by another key, or over other values of the "
                           "covered fields"},
    {"pending", "it wasn't needed, or the verification never came to it"},
};

const char *explain_cause(enum dive_reason reason)
{
    return (unsigned)reason < DIVE_REASON_COUNT ? paragraphs[reason].cause : "";
}

const char *explain_remedy(enum dive_reason reason)
{
    return (unsigned)reason < DIVE_REASON_COUNT ? paragraphs[reason].remedy : "";
}

int explain_reason_from_word(const char *word, enum dive_reason *out)
{
    *out = DIVE_REASON_NONE;
    for (unsigned i = 0; i < DIVE_REASON_COUNT; i++) {
        if (strcmp(word, dive_reason_word(i)) == 0) {
            *out = (enum dive_reason)i;
            return 0;
        }
    }
    return DIVE_E_UNSUPPORTED;
}

const char *explain_outcome(const char *word)
{
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        if (strcmp(word, outcomes[i].word) == 0)
            return outcomes[i].text;
    }
    return NULL;
}
