/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sign_name: see sign_name.h.
 */
#include "cmd/sign_name.h"

#include <stdbool.h>
#include <stdio.h>

#define NUMBER_DIGITS_MAX 15 /* RFC 9651 section 3.3.1 */

int sign_name_parse(const char *text, struct sign_name *out)
{
    const char *at = strchr(text, '@');
    size_t n = at != NULL ? (size_t)(at - text) : strlen(text);

    *out = (struct sign_name){0};
    if (n == 0 || n > DIVE_KEY_ID_MAX || !dive_key_id_valid(dive_span(text, n)))
        return DIVE_E_SYNTAX;
    if (at != NULL && dive_domain_normalize(dive_span_str(at + 1), out->domain) != 0)
        return DIVE_E_SYNTAX;
    memcpy(out->key_id, text, n);
    return 0;
}

int sign_hashes_parse(const char *text, unsigned *out)
{
    unsigned set = 0;
    enum dive_hash hash;

    *out = 0;
    if (strcmp(text, "all") == 0) {
        *out = DIVE_HASH_BIT(DIVE_HASH_COUNT) - 1;
        return 0;
    }
    for (;;) {
        struct dive_span name = dive_span(text, strcspn(text, ","));

        if (dive_hash_from_field_name(name, &hash) != 0 &&
            dive_hash_from_record_name(name, &hash) != 0)
            return DIVE_E_UNSUPPORTED;
        set |= DIVE_HASH_BIT(hash);
        if (text[name.n] == '\0')
            break;
        text += name.n + 1;
    }
    *out = set;
    return 0;
}

int sign_number_parse(const char *text, int64_t *out)
{
    int64_t n = 0;
    size_t digits = strlen(text);

    *out = 0;
    if (digits == 0 || strspn(text, "0123456789") != digits)
        return DIVE_E_SYNTAX;
    if (digits > NUMBER_DIGITS_MAX)
        return DIVE_E_LIMIT;
    for (; *text != '\0'; text++)
        n = 10 * n + (*text - '0');
    *out = n;
    return 0;
}
