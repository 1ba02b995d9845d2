/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Domain names. Invariants: the normal form is its own normal form, a name that the resolver's side
 * takes (dns_name_valid), without trailing dot or upper case; the walk up takes as many steps as
 * there are labels, and each level covers the name. A failure leaves "". Case makes no difference.
 *
 * Input: the name.
 */
#include "lib/domain.h"

#include "dns/message.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *in = fuzz_copy(data, n);
    char out[DIVE_DOMAIN_BUF], again[DIVE_DOMAIN_BUF];
    int r = dive_domain_normalize(dive_span(in, n), out);
    size_t levels = 0;

    (void)dive_key_id_valid(dive_span(in, n));
    for (size_t i = 0; i < n; i++)
        in[i] = (char)(in[i] >= 'a' && in[i] <= 'z' ? in[i] - 0x20 : in[i]);
    CHECK(dive_domain_normalize(dive_span(in, n), again) == r && strcmp(out, again) == 0);
    free(in);
    if (r != 0) {
        CHECK(out[0] == 0);
        return 0;
    }
    CHECK(strlen(out) == n || strlen(out) + 1 == n);
    CHECK(dive_domain_normalize(dive_span_str(out), again) == 0 && strcmp(out, again) == 0);
    CHECK(dns_name_valid(out) && out[strlen(out) - 1] != '.');
    for (const char *c = out; *c != 0; c++)
        CHECK(*c < 'A' || *c > 'Z');
    for (const char *level = out; level != NULL; level = dive_domain_parent(level)) {
        CHECK(level >= out && level < out + strlen(out));
        CHECK(dive_domain_covers(level, out) && (level == out || !dive_domain_covers(out, level)));
        levels++;
    }
    CHECK(levels == dive_domain_labels(out));
    return 0;
}
