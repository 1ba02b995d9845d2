/* SPDX-License-Identifier: BSD-2-Clause
 *
 * zone_line: see zone_line.h.
 */
#include "cmd/zone_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRING_MAX 255  /* bytes of one character-string (RFC 1035 section 3.3) */
#define ESCAPED_BYTES 4 /* "\DDD" */

static char *put_decimal(char *to, unsigned char c)
{
    return to + sprintf(to, "\\%03u", (unsigned)c);
}

static char *put_owner(char *to, const char *owner)
{
    size_t n = strlen(owner);

    for (; *owner != '\0'; owner++) {
        unsigned char c = (unsigned char)*owner;

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            strchr("-_.*", c) != NULL)
            *to++ = (char)c;
        else
            to = put_decimal(to, c);
    }
    if (n == 0 || owner[-1] != '.')
        *to++ = '.';
    return to;
}

static char *put_value(char *to, const char *value)
{
    size_t in_string = 0;

    *to++ = '"';
    for (; *value != '\0'; value++) {
        unsigned char c = (unsigned char)*value;

        if (in_string == STRING_MAX) {
            to += sprintf(to, "\" \"");
            in_string = 0;
        }
        in_string++;
        if (c < 0x20 || c > 0x7e) {
            to = put_decimal(to, c);
        } else {
            if (c == '"' || c == '\\')
                *to++ = '\\';
            *to++ = (char)c;
        }
    }
    *to++ = '"';
    *to = '\0';
    return to;
}

char *zone_line(const char *owner, uint32_t ttl, const char *value)
{
    size_t n = strlen(value);
    char *line, *to;

    if (n > ZONE_VALUE_MAX) {
        errno = EMSGSIZE;
        return NULL;
    }
    /* Every byte escaped, three more at each split, and the words between. */
    line = malloc(ESCAPED_BYTES * (strlen(owner) + n) + 3 * (n / STRING_MAX + 1) + 64);
    if (line == NULL)
        return NULL;
    to = put_owner(line, owner);
    to += sprintf(to, " %u IN TXT ", (unsigned)ttl);
    put_value(to, value);
    return line;
}
