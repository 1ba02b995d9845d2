/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Policy records. Invariants: what parses is of an accepted version, its texts end within their
 * arrays, custom scopes begin with "x-" and the report URL with "https://"; the choice among
 * several records is ambiguous or wrong only as a failure; the order of two records is no matter.
 *
 * Input: one byte (accepted versions), then records divided by line feeds.
 */
#include "lib/policy_record.h"

#include "tests/fuzz/fuzz.h"

static void check_policy(const struct dive_policy *p, unsigned accepted)
{
    CHECK(p->version < DIVE_VERSION_COUNT && (accepted & DIVE_VERSION_BIT(p->version)));
    CHECK(p->n_scopes <= DIVE_SCOPES_MAX && p->cache >= 0);
    for (size_t i = 0; i < p->n_scopes; i++) {
        CHECK(memchr(p->scopes[i], 0, sizeof p->scopes[i]) != NULL);
        CHECK(strncmp(p->scopes[i], "x-", 2) == 0);
    }
    CHECK(memchr(p->report_to, 0, sizeof p->report_to) != NULL);
    CHECK(p->report_to[0] == 0 || strncasecmp(p->report_to, "https://", 8) == 0);
}

static void check_fault(const struct dive_fault *fault)
{
    CHECK(memchr(fault->parameter, 0, sizeof fault->parameter) != NULL);
    CHECK(fault->text != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz f = {data, n};
    unsigned accepted = fuzz_byte(&f) & DIVE_VERSIONS_ALL;
    static struct dive_policy policy, other;
    struct dive_span texts[4];
    struct dive_fault fault;
    bool ambiguous;
    size_t count = 0;
    int r;

    while (f.n > 0 && count < 4)
        texts[count++] = fuzz_until(&f, '\n');
    for (size_t i = 0; i < count; i++) {
        fault = (struct dive_fault){.text = NULL};
        r = dive_policy_parse(&policy, texts[i], accepted, &fault);
        if (r == 0)
            check_policy(&policy, accepted);
        else
            check_fault(&fault);
    }
    r = dive_policy_select(&policy, texts, count, accepted, &ambiguous, NULL);
    CHECK(r == 0 || r == DIVE_E_UNSUPPORTED);
    if (r == 0) {
        CHECK(!ambiguous);
        check_policy(&policy, accepted);
    }
    if (count == 2) {
        struct dive_span swapped[2] = {texts[1], texts[0]};

        CHECK(dive_policy_select(&other, swapped, 2, accepted, &ambiguous, NULL) == r);
        CHECK(r != 0 || other.version == policy.version);
    }
    return 0;
}
