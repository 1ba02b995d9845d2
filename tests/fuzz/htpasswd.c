/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The password file. Invariants: every user of a file that is taken is found and has a hash of an
 * accepted kind; the complaint about one that isn't is a line that begins with its name.
 */
#include "access/htpasswd.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *in = fuzz_copy(data, n), why[256];
    struct fuzz f = {data, n};
    struct htpasswd *h;
    size_t found = 0;
    int r = htpasswd_parse(&h, "f", in, n, why, sizeof why);

    if (r != 0) {
        CHECK(h == NULL && strncmp(why, "f:", 2) == 0 && strchr(why, '\n') == NULL);
    } else {
        while (f.n > 0) {
            struct dive_span line = fuzz_until(&f, '\n');
            const char *colon = line.n > 0 ? memchr(line.p, ':', line.n) : NULL;
            char *user = colon != NULL ? strndup(line.p, (size_t)(colon - line.p)) : NULL;
            const char *hash = user != NULL && user[0] != '#' ? htpasswd_find(h, user) : NULL;

            if (hash != NULL) {
                found++;
                CHECK(hash[0] == '$' && strchr("26y", hash[1]) != NULL);
                CHECK(strlen(hash) <= HTPASSWD_HASH_MAX && access_text_is_user(user, strlen(user)));
            }
            free(user);
        }
        CHECK(found == htpasswd_count(h));
        CHECK(htpasswd_decoy(h)[0] == '$' && htpasswd_find(h, "") == NULL);
    }
    htpasswd_free(&h);
    CHECK(h == NULL);
    free(in);
    return 0;
}
