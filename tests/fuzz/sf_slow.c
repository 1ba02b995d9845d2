/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Structured Fields, by lib/sf_*.c and by the slow implementation of tests/lib/sf_slow.h: both take
 * the input or neither does, with the same values, and both write the same text.
 *
 * Input: one byte (kind, flags), then the field: as of the target sf.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/lib/sf_slow_compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz f = {data, n};
    uint8_t mode = fuzz_byte(&f);
    char *in = fuzz_copy(f.p, f.n);
    const char *what =
        slow_difference(DIVE_SF_ITEM + (mode & 3) % 3, in, f.n, (mode & 4) != 0, NULL);

    if (what)
        fprintf(stderr, "the two implementations differ: %s\n", what);
    CHECK(what == NULL);
    free(in);
    return 0;
}
