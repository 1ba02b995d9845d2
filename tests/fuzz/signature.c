/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Signature-Input, Signature and the signature base. Invariants: an entry without fault has all
 * that a check needs; a base has one line for each component and one for the parameters, no other
 * control character than HTAB and nothing that isn't ASCII; no base is made of components that the
 * parser called faulty.
 *
 * Input, divided by NULs: Signature-Input, Signature, Content-Digest, another field, the query.
 */
#include "lib/signature_base.h"
#include "lib/signature_input.h"
#include "tests/fuzz/fuzz.h"

#define ORIGIN "www.example.com"

static void check_entry(const struct dive_signature_entry *e)
{
    CHECK(memchr(e->key_id, 0, sizeof e->key_id) && memchr(e->fqdn, 0, sizeof e->fqdn));
    if (e->fault != DIVE_ENTRY_NONE)
        return;
    CHECK(e->input && e->input->is_inner_list && e->input->n_items <= DIVE_COMPONENTS_MAX);
    CHECK(e->alg != DIVE_ALGORITHM_NONE);
    CHECK(dive_key_id_valid(dive_span_str(e->key_id)));
    CHECK(e->fqdn[0] == 0 || dive_domain_covers(e->fqdn, ORIGIN));
}

static void check_base(const struct dive_signature_entry *e, const char *base, size_t n)
{
    size_t lines = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)base[i];

        lines += c == '\n';
        CHECK(c == '\n' || c == '\t' || (c >= 0x20 && c <= 0x7e));
    }
    CHECK(lines == e->input->n_items && base[n] == 0);
    CHECK(e->fault != DIVE_ENTRY_BAD_COMPONENT && e->fault != DIVE_ENTRY_NOT_INNER_LIST &&
          e->fault != DIVE_ENTRY_TOO_MANY_COMPONENTS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz f = {data, n};
    struct dive_span part[5];
    struct dive_signatures s;

    for (size_t i = 0; i < 5; i++)
        part[i] = fuzz_until(&f, 0);
    struct dive_field fields[] = {{dive_span_str("Signature-Input"), part[0]},
                                  {dive_span_str("Signature"), part[1]},
                                  {dive_span_str("content-digest"), part[2]},
                                  {dive_span_str("a"), part[3]},
                                  {dive_span_str("A"), part[2]}};
    struct dive_response response = {200, true, {fields, 5}};
    struct dive_request request = {.method = dive_span_str("GET"),
                                   .scheme = dive_span_str("https"),
                                   .authority = dive_span_str(ORIGIN),
                                   .path = dive_span_str("/p"),
                                   .query = part[4],
                                   .target = dive_span_str("/p"),
                                   .fields = {fields, 5}};
    int r = dive_signatures_parse(&s, &response.fields, ORIGIN);

    CHECK(s.n <= DIVE_SIGNATURE_ENTRIES_MAX && (r == 0 || s.n == 0));
    for (size_t i = 0; i < s.n; i++) {
        char *base = NULL;
        size_t len = 1;

        check_entry(&s.entry[i]);
        if (s.entry[i].input == NULL)
            continue;
        if (dive_signature_base(s.entry[i].input, &request, &response, &base, &len) == 0)
            check_base(&s.entry[i], base, len);
        else
            CHECK(base == NULL && len == 0);
        free(base);
    }
    dive_signatures_free(&s);
    return 0;
}
