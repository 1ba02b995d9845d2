/* SPDX-License-Identifier: BSD-2-Clause
 *
 * progress: the line, for every size of terminal and file.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "cmd/progress.h"

Test(progress, bytes)
{
    static const struct {
        uint64_t n;
        const char *text;
    } table[] = {{0, "0 B"},
                 {1023, "1023 B"},
                 {1024, "1.0 KiB"},
                 {1536, "1.5 KiB"},
                 {1048524, "1023.9 KiB"},
                 {1048575, "1.0 MiB"},
                 {1048576, "1.0 MiB"},
                 {UINT64_C(10) << 30, "10.0 GiB"},
                 {UINT64_MAX, "16.0 EiB"}};
    char out[16];

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        progress_bytes(out, sizeof(out), table[i].n);
        cr_expect_str_eq(out, table[i].text);
    }
}

Test(progress, with_a_length)
{
    char out[PROGRESS_TEXT_MAX];

    progress_format(out, 79, 50 << 20, 100 << 20, 0, 10000);
    cr_expect_eq(strncmp(out, " 50% [===", 9), 0, "%s", out);
    cr_expect_not_null(strstr(out, "] 50.0 MiB of 100.0 MiB  5.0 MiB/s  00:10"), "%s", out);
    progress_format(out, 79, 100 << 20, 100 << 20, 0, 10000);
    cr_expect_not_null(strstr(out, "100% ["), "%s", out);
    cr_expect_not_null(strstr(out, "00:00"), "%s", out);
    cr_expect_null(strchr(out, '=' + 128));
}

Test(progress, what_was_there_is_no_speed)
{
    char out[PROGRESS_TEXT_MAX];

    progress_format(out, 79, 60 << 20, 100 << 20, 50 << 20, 10000);
    cr_expect_not_null(strstr(out, "1.0 MiB/s  00:40"), "%s", out);
}

Test(progress, without_a_length)
{
    char out[PROGRESS_TEXT_MAX];

    progress_format(out, 79, 2048, 0, 0, 2000);
    cr_expect_str_eq(out, "2.0 KiB  1.0 KiB/s");
    progress_format(out, 79, 2048, 1024, 0, 2000); /* more than was announced */
    cr_expect_str_eq(out, "2.0 KiB  1.0 KiB/s");
}

Test(progress, never_wider_than_the_terminal)
{
    static const uint64_t sizes[] = {0, 1, 1023, 1 << 20, UINT64_C(1) << 62};
    char out[PROGRESS_TEXT_MAX];

    for (unsigned columns = 1; columns < 600; columns++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            progress_format(out, columns, sizes[i], sizes[i], 0, (int64_t)i);
            cr_expect_leq(strlen(out), columns);
            progress_format(out, columns, sizes[i] / 3, sizes[i], sizes[i] / 2, INT64_C(1) << 40);
            cr_expect_leq(strlen(out), columns);
        }
    }
}
