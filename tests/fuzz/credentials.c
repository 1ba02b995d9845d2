/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Proxy-Authorization. Invariants: what parses as Basic is two strings of text that were in the
 * token, which encodes back to what was read; nothing is kept of what doesn't parse.
 */
#include <openssl/evp.h>

#include "access/credentials.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *in = fuzz_copy(data, n);
    struct credentials c;
    int r = credentials_parse(&c, dive_span(in, n));

    if (r != 0) {
        CHECK(c.scheme == CREDENTIALS_NONE && c.bytes == NULL && c.user == NULL);
    } else if (c.scheme == CREDENTIALS_OTHER) {
        CHECK(c.bytes == NULL && c.user == NULL);
    } else {
        char *again = malloc(c.n / 3 * 4 + 8);

        CHECK(c.bytes != NULL && c.n <= CREDENTIALS_TOKEN_MAX);
        if (c.scheme == CREDENTIALS_BASIC) {
            size_t user = strlen(c.user), password = strlen(c.password);

            CHECK(c.user == c.bytes && c.password == c.bytes + user + 1);
            CHECK(user + 1 + password == c.n && password <= ACCESS_PASSWORD_MAX);
            CHECK(access_text_is_user(c.user, user) && memchr(c.user, ':', user) == NULL);
            c.bytes[user] = ':';
        }
        CHECK(again != NULL);
        (void)EVP_EncodeBlock((unsigned char *)again, (const unsigned char *)c.bytes, (int)c.n);
        CHECK(strlen(again) <= n && memcmp(in + n - strlen(again), again, strlen(again)) == 0);
        free(again);
    }
    credentials_clear(&c);
    CHECK(c.bytes == NULL);
    free(in);
    return 0;
}
