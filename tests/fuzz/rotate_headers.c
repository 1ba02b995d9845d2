/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Response heads for `divectl rotate`, and the advice that follows from them. Invariants: the
 * counts agree with each other, no lifetime is negative or past what a time can be added to, the
 * advice ends within its arrays.
 *
 * Input: one byte (draft, whether there is a policy), then the heads.
 */
#include "cmd/rotate.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct rotate_advice advice;
    static struct rotate_state state;
    struct fuzz f = {data, n};
    uint8_t mode = fuzz_byte(&f);
    char *in = fuzz_copy(f.p, f.n);
    int r;

    state =
        (struct rotate_state){.now = 1750000000, .has_policy = mode & 2, .has_scopes = mode & 2};
    r = rotate_headers(&state, dive_span(in, f.n), "www.dive.example",
                       mode & 1 ? DIVE_VERSION_DRAFT_00 : DIVE_VERSION_DRAFT_01);
    free(in);
    CHECK(r == 0 || r == DIVE_E_SYNTAX || r == DIVE_E_LIMIT);
    CHECK(state.n_keys <= ROTATE_KEYS_MAX && state.unsigned_responses <= state.responses);
    CHECK(state.freshness >= 0 && state.freshness <= INT32_MAX);
    for (size_t i = 0; i < state.n_keys; i++)
        CHECK(state.keys[i].responses <= state.responses);
    rotate_judge(&state, &advice);
    CHECK(advice.n_findings <= ROTATE_LINES_MAX);
    CHECK(advice.n_steps <= sizeof(advice.steps) / sizeof(advice.steps[0]));
    return 0;
}
