/* SPDX-License-Identifier: BSD-2-Clause
 *
 * DIVE-Sig. Invariants: what parses has 1 to 8 entries, each with a valid Key ID that stands once,
 * a permitted hash, a signature that fits and a domain in normal form; "not a parent" is said of
 * every domain that doesn't cover the origin.
 *
 * Input: the field.
 */
#include "lib/dive_sig.h"

#include "tests/fuzz/fuzz.h"

#define ORIGIN "a.www.example.com"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *in = fuzz_copy(data, n);
    static struct dive_sig sig;
    int r = dive_sig_parse(&sig, dive_span(in, n), ORIGIN);

    free(in);
    if (r != 0)
        return 0;
    CHECK(sig.n >= 1 && sig.n <= DIVE_SIG_ENTRIES_MAX);
    for (size_t i = 0; i < sig.n; i++) {
        const struct dive_sig_entry *e = &sig.entry[i];
        char normal[DIVE_DOMAIN_BUF];

        CHECK(dive_key_id_valid(dive_span_str(e->key_id)));
        CHECK(e->hash < DIVE_HASH_COUNT && e->signature_len <= DIVE_SIG_BYTES_MAX);
        if (e->fqdn[0] != 0) {
            if (dive_domain_normalize(dive_span_str(e->fqdn), normal) == 0)
                CHECK(strcmp(normal, e->fqdn) == 0);
            CHECK(e->fqdn_not_parent || dive_domain_covers(e->fqdn, ORIGIN));
        }
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(e->key_id, sig.entry[j].key_id) != 0);
    }
    return 0;
}
