/* SPDX-License-Identifier: BSD-2-Clause
 *
 * date: see date.h. Days are counted in the proleptic Gregorian calendar from years that begin in
 * March, so that the leap day is the last of its year.
 */
#include <stdbool.h>
#include <stdio.h>

#include "http/chars.h"
#include "http/date.h"

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const long_days[7] = {"sunday",   "monday", "tuesday", "wednesday",
                                         "thursday", "friday", "saturday"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

#define FIRST_SECOND (-62135596800LL) /* 0001-01-01 00:00:00 */
#define LAST_SECOND 253402300799LL    /* 9999-12-31 23:59:59 */
enum { SECONDS_A_DAY = 86400, DAYS_OF_ERA = 146097 /* 400 years */ };

struct civil {
    int year, month, day; /* month 1..12 */
    int hour, minute, second;
};

static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400, of_era = y % 400; /* years are positive */
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * DAYS_OF_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void civil_from_days(int64_t count, struct civil *out)
{
    int64_t z = count + 719468, era = z / DAYS_OF_ERA, of_era = z % DAYS_OF_ERA;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;

    out->day = (int)(of_year - (153 * month + 2) / 5 + 1);
    out->month = (int)(month < 10 ? month + 3 : month - 9);
    out->year = (int)(year + era * 400 + (out->month <= 2));
}

void http_date_format(char out[HTTP_DATE_SIZE], int64_t unix_seconds)
{
    struct civil c = {0};

    if (unix_seconds < FIRST_SECOND)
        unix_seconds = FIRST_SECOND;
    if (unix_seconds > LAST_SECOND)
        unix_seconds = LAST_SECOND;
    int64_t since = unix_seconds - FIRST_SECOND; /* a Monday; not negative */
    int second = (int)(since % SECONDS_A_DAY);
    civil_from_days(since / SECONDS_A_DAY + FIRST_SECOND / SECONDS_A_DAY, &c);
    char text[64];
    snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT",
             days[(since / SECONDS_A_DAY + 1) % 7], c.day, months[c.month - 1], c.year,
             second / 3600, second / 60 % 60, second % 60);
    memcpy(out, text, HTTP_DATE_SIZE);
    out[HTTP_DATE_SIZE - 1] = '\0';
}

const char *http_date_cached(int64_t unix_seconds)
{
    static _Thread_local char text[HTTP_DATE_SIZE];
    static _Thread_local int64_t of;

    if (text[0] == '\0' || of != unix_seconds) {
        http_date_format(text, unix_seconds);
        of = unix_seconds;
    }
    return text;
}

/* `pattern` against all of `in`: "d" a digit (into *fields in order, two or four at a time by "dd",
 * "dddd"), "m" a month name, "w" a day name, "_" a digit or a space, anything else itself. */
static bool match(struct dive_span in, const char *pattern, int *fields)
{
    size_t i = 0;

    while (*pattern != '\0') {
        if (*pattern == 'd' || *pattern == '_') {
            int number = 0;
            for (; *pattern == 'd' || *pattern == '_'; pattern++, i++) {
                if (i >= in.n ||
                    !(http_is(in.p[i], HTTP_CHAR_DIGIT) || (*pattern == '_' && in.p[i] == ' ')))
                    return false;
                number = number * 10 + (in.p[i] == ' ' ? 0 : in.p[i] - '0');
            }
            *fields++ = number;
            continue;
        }
        if (*pattern == 'm' || *pattern == 'w') {
            const char(*names)[4] = *pattern == 'm' ? months : days;
            int n = *pattern == 'm' ? 12 : 7, found = 0;
            if (in.n - i < 3)
                return false;
            while (found < n && memcmp(in.p + i, names[found], 3) != 0)
                found++;
            if (found == n)
                return false;
            if (*pattern == 'm')
                *fields++ = found + 1;
            i += 3;
        } else if (i >= in.n || in.p[i++] != *pattern) {
            return false;
        }
        pattern++;
    }
    return i == in.n;
}

static bool parse_imf(struct civil *c, struct dive_span in)
{
    int f[6];

    if (!match(in, "w, dd m dddd dd:dd:dd GMT", f))
        return false;
    *c = (struct civil){f[2], f[1], f[0], f[3], f[4], f[5]};
    return true;
}

static bool parse_asctime(struct civil *c, struct dive_span in)
{
    int f[6];

    if (!match(in, "w m _d dd:dd:dd dddd", f))
        return false;
    *c = (struct civil){f[5], f[0], f[1], f[2], f[3], f[4]};
    return true;
}

/* A two-digit year more than 50 years ahead is the past one with these digits. */
static bool parse_rfc850(struct civil *c, struct dive_span in, int64_t now)
{
    int f[6];
    struct civil today = {0};
    const char *comma = in.n > 0 ? memchr(in.p, ',', in.n) : NULL;
    size_t n = comma != NULL ? (size_t)(comma - in.p) : 0;
    int day = 0;

    while (day < 7 && !http_is_name(dive_span(in.p, n), long_days[day]))
        day++;
    if (day == 7 || !match(dive_span(in.p + n, in.n - n), ", dd-m-dd dd:dd:dd GMT", f))
        return false;
    civil_from_days(now / SECONDS_A_DAY, &today);
    int year = today.year / 100 * 100 + f[2];
    if (year > today.year + 50)
        year -= 100;
    *c = (struct civil){year, f[1], f[0], f[3], f[4], f[5]};
    return true;
}

int http_date_parse(int64_t *out, struct dive_span in, int64_t now)
{
    static const int length[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct civil c = {0};

    *out = 0;
    if (now < 0 || now > LAST_SECOND)
        now = 0;
    if (!parse_imf(&c, in) && !parse_rfc850(&c, in, now) && !parse_asctime(&c, in))
        return -1;
    bool leap = c.year % 4 == 0 && (c.year % 100 != 0 || c.year % 400 == 0);
    if (c.year < 1 || c.day < 1 || c.day > length[c.month - 1] + (c.month == 2 && leap))
        return -1;
    /* 60: the leap second that the grammar allows. */
    if (c.hour > 23 || c.minute > 59 || c.second > 60)
        return -1;
    *out = days_from_civil(c.year, c.month, c.day) * SECONDS_A_DAY + c.hour * 3600 + c.minute * 60 +
           c.second;
    return 0;
}
