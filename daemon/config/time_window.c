/* SPDX-License-Identifier: BSD-2-Clause
 *
 * time_window: see time_window.h.
 */
#include "config/time_window.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#define DAY_MINUTES (24 * 60)
#define ALL_DAYS 0x7f

static const char *const day_words[7] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

/* tm_wday of three letters, or -1. */
static int parse_day(const char *text)
{
    for (int i = 0; i < 7; i++)
        if (strncasecmp(text, day_words[i], 3) == 0)
            return i;
    return -1;
}

/* "mon" or "fri-sun"; *end is what comes after. 0: these are no days. */
static uint8_t parse_days(const char *text, const char **end)
{
    int first = parse_day(text), last = first;
    uint8_t days = 0;

    *end = text;
    if (first < 0)
        return 0;
    text += 3;
    if (*text == '-') {
        last = parse_day(text + 1);
        if (last < 0)
            return 0;
        text += 4;
    }
    if (*text != '\0' && *text != ' ')
        return 0;
    for (int day = first;; day = (day + 1) % 7) {
        days |= (uint8_t)(1u << day);
        if (day == last)
            break;
    }
    *end = text;
    return days;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "08:30", five characters: minutes after midnight, 24:00 included; -1: it isn't. */
static int parse_clock(const char *text)
{
    int hours, minutes;

    for (int i = 0; i < 5; i++)
        if (i == 2 ? text[i] != ':' : !is_digit(text[i]))
            return -1;
    hours = (text[0] - '0') * 10 + text[1] - '0';
    minutes = (text[3] - '0') * 10 + text[4] - '0';
    if (minutes > 59 || hours * 60 + minutes > DAY_MINUTES)
        return -1;
    return hours * 60 + minutes;
}

int value_window(const char *text, struct config_window *out, struct value_why *why)
{
    struct config_window window = {ALL_DAYS, 0, DAY_MINUTES};
    const char *rest = text;
    uint8_t days = parse_days(text, &rest);
    int from, to;

    *out = (struct config_window){0};
    if (strchr(text, ','))
        return value_wrong(why, "has a comma; write several windows as a list");
    if (days)
        window.days = days;
    while (*rest == ' ')
        rest++;
    if (*rest == '\0' && days) {
        *out = window;
        return 0;
    }
    from = parse_clock(rest);
    to = from >= 0 && rest[5] == '-' ? parse_clock(rest + 6) : -1;
    if (to < 0 || rest[11] != '\0' || from == DAY_MINUTES)
        return value_wrong(why, "is no time window; write days and hours, as in \"mon-fri "
                                "08:00-18:00\", \"sat\" or \"22:00-06:00\"");
    if (from == to)
        return value_wrong(why, "ends when it begins; write 00:00-24:00 for the whole day");
    window.from = (uint16_t)from;
    window.to = (uint16_t)to;
    *out = window;
    return 0;
}

bool time_windows_match(const struct config_windows *windows, int64_t now)
{
    time_t seconds = (time_t)now;
    unsigned today, yesterday, minute;
    struct tm tm;

    if (windows->n == 0 || !localtime_r(&seconds, &tm))
        return false;
    today = 1u << tm.tm_wday;
    yesterday = 1u << (tm.tm_wday + 6) % 7;
    minute = (unsigned)(tm.tm_hour * 60 + tm.tm_min);
    for (size_t i = 0; i < windows->n; i++) {
        const struct config_window *w = &windows->v[i];
        bool over_midnight = w->to <= w->from;

        if ((w->days & today) && minute >= w->from && (over_midnight || minute < w->to))
            return true;
        if (over_midnight && (w->days & yesterday) && minute < w->to)
            return true;
    }
    return false;
}
