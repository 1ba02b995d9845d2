/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The faults of a record as `divectl records` names them. Invariant: there is an error exactly if
 * libdive's parser refuses the record; each fault's place is within it, its texts end.
 *
 * Input: one byte (key or policy, accepted versions), then the record.
 */
#include "cmd/records_lint.h"

#include "lib/crypto.h"
#include "tests/fuzz/fuzz.h"

#define NOW 1750000000

static bool parses(uint8_t mode, struct dive_span text)
{
    static struct dive_policy policy;
    static struct dive_key key;
    struct dive_fault fault;

    if (mode & 1)
        return dive_policy_parse(&policy, text, mode >> 1 & DIVE_VERSIONS_ALL, &fault) == 0;
    return dive_key_parse(&key, text, &fault) == 0 &&
           dive_public_key_check(key.algorithm, dive_span(key.bytes, key.len)) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct records_faults faults;
    struct fuzz f = {data, n};
    uint8_t mode = fuzz_byte(&f);
    char *in = fuzz_copy(f.p, f.n);
    struct dive_span text = dive_span(in, f.n);
    int r = mode & 1 ? records_lint_policy(&faults, text, mode >> 1 & DIVE_VERSIONS_ALL, NOW)
                     : records_lint_key(&faults, text);

    CHECK(r == 0 && faults.n <= RECORDS_FAULTS_MAX);
    CHECK(records_faults_spoil(&faults) == !parses(mode, text));
    for (size_t i = 0; i < faults.n; i++) {
        CHECK(faults.v[i].offset <= f.n);
        CHECK(memchr(faults.v[i].parameter, 0, sizeof(faults.v[i].parameter)) != NULL);
        CHECK(memchr(faults.v[i].text, 0, sizeof(faults.v[i].text)) != NULL);
    }
    free(in);
    return 0;
}
