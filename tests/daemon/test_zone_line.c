/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_zone_line: quoting, the split at 255 bytes, and the limit.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/zone_line.h"

static void gives(const char *owner, const char *value, const char *line)
{
    char *made = zone_line(owner, 300, value);

    cr_assert_not_null(made);
    cr_assert_str_eq(made, line);
    free(made);
}

Test(zone_line, quotes)
{
    gives("a.example", "", "a.example. 300 IN TXT \"\"");
    gives("_dive.example.", "v=\"x\", y=1;z \\",
          "_dive.example. 300 IN TXT \"v=\\\"x\\\", y=1;z \\\\\"");
    gives("a", "\n\x7f\xc3", "a. 300 IN TXT \"\\010\\127\\195\"");
    gives("a;b c", "x", "a\\059b\\032c. 300 IN TXT \"x\"");
}

Test(zone_line, splits_at_255_bytes)
{
    char value[511 + 1], *line;

    memset(value, 'x', sizeof(value));
    value[255] = '\0';
    line = zone_line("a", 1, value);
    cr_assert_null(strstr(line, "\" \""));
    free(line);
    value[255] = 'x';
    value[256] = '\0';
    line = zone_line("a", 1, value);
    cr_assert_str_eq(line + strlen(line) - 5, "\" \"x\"");
    free(line);
    value[256] = 'x';
    value[254] = '"'; /* two characters of text, one byte of the string */
    value[511] = '\0';
    line = zone_line("a", 1, value);
    cr_assert_str_eq(line + strlen(line) - 5, "\" \"x\"");
    cr_assert_not_null(strstr(line, "x\\\"\" \"x"));
    free(line);
}

Test(zone_line, has_a_limit)
{
    char *value = calloc(1, ZONE_VALUE_MAX + 2), *line;

    memset(value, '"', ZONE_VALUE_MAX);
    line = zone_line("a", UINT32_MAX, value);
    cr_assert_not_null(line);
    free(line);
    value[ZONE_VALUE_MAX] = 'x';
    errno = 0;
    cr_assert_null(zone_line("a", 1, value));
    cr_assert_eq(errno, EMSGSIZE);
    free(value);
}
