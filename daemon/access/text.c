/* SPDX-License-Identifier: BSD-2-Clause
 *
 * text: see text.h.
 */
#include "access/text.h"

#include "lib/sf_private.h"

bool access_text_is_plain(const char *text, size_t n)
{
    struct dive_sf_utf8 state = {0};
    unsigned char before = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c == 0x7f || (before == 0xc2 && c < 0xa0) || !dive_sf_utf8_next(&state, c))
            return false;
        before = c;
    }
    return state.need == 0;
}

bool access_text_is_user(const char *p, size_t n)
{
    return n > 0 && n <= ACCESS_USER_MAX && access_text_is_plain(p, n);
}
