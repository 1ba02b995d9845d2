/* SPDX-License-Identifier: BSD-2-Clause
 *
 * value: numbers, durations, sizes, booleans and words, and the guess at what was meant.
 */
#include "config/value.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 63 /* longer words are no slips of ours */

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {0}};
static const struct unit sizes[] = {
    {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}, {0}};

/* What people write instead, and what they mean. */
static const struct {
    const char *slip;
    const char *unit;
} slips[] = {
    {"sec", "s"},   {"secs", "s"},   {"second", "s"},  {"seconds", "s"}, {"min", "m"},
    {"mins", "m"},  {"minute", "m"}, {"minutes", "m"}, {"hour", "h"},    {"hours", "h"},
    {"hr", "h"},    {"msec", "ms"},  {"k", "KiB"},     {"kb", "KiB"},    {"kib", "KiB"},
    {"m", "MiB"},   {"mb", "MiB"},   {"mib", "MiB"},   {"g", "GiB"},     {"gb", "GiB"},
    {"gib", "GiB"}, {"b", ""},       {"bytes", ""},    {"s", "s"},       {"h", "h"},
    {"ms", "ms"},
};

int value_wrong(struct value_why *why, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(why->text, sizeof(why->text), format, ap);
    va_end(ap);
    return DIVE_E_SYNTAX;
}

/* Digits up to *end; false when there are none, a useless zero, or too many. */
static bool digits(const char *text, int64_t *out, const char **end)
{
    int64_t value = 0;
    const char *p = text;

    for (; isdigit((unsigned char)*p); p++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *p - '0', &value))
            return false;
    *out = value;
    *end = p;
    return p > text && (p == text + 1 || text[0] != '0');
}

int value_integer(const char *text, int64_t *out, struct value_why *why)
{
    const char *end;

    *out = 0;
    if (!digits(text, out, &end) || *end)
        return value_wrong(why, "is no whole number");
    return 0;
}

/* The unit meant by `text`, in `units`, whatever its case and spelling; NULL for nobody knows. */
static const struct unit *guess_unit(const char *text, const struct unit *units)
{
    while (*text == ' ')
        text++;
    for (size_t i = 0; i < sizeof(slips) / sizeof(slips[0]); i++)
        for (const struct unit *unit = units; unit->name; unit++)
            if (strcasecmp(text, slips[i].slip) == 0 && strcmp(unit->name, slips[i].unit) == 0)
                return unit;
    return NULL;
}

static int quantity(const char *text, const struct unit *units, const char *what, int64_t *out,
                    struct value_why *why)
{
    const struct unit *unit;
    const char *end;
    int64_t value;

    *out = 0;
    if (!digits(text, &value, &end))
        return value_wrong(why, "is no %s: it must begin with a whole number", what);
    for (unit = units; unit->name && strcmp(unit->name, end) != 0; unit++)
        ;
    if (!unit->name && *end == '\0')
        return value_wrong(why, "has no unit; write %.20ss", text);
    if (!unit->name) {
        unit = guess_unit(end, units);
        if (unit)
            return value_wrong(why, "has an unknown unit; write %.*s%s", (int)(end - text), text,
                               unit->name);
        return value_wrong(why, "has an unknown unit; those of a %s are %s", what,
                           units == sizes ? "KiB, MiB, GiB, or none for bytes" : "ms, s, m, h");
    }
    if (__builtin_mul_overflow(value, unit->factor, out)) {
        *out = 0;
        return value_wrong(why, "is too large");
    }
    return 0;
}

int value_duration(const char *text, int64_t *out, struct value_why *why)
{
    return quantity(text, durations, "duration", out, why);
}

int value_size(const char *text, int64_t *out, struct value_why *why)
{
    return quantity(text, sizes, "size", out, why);
}

static void format_quantity(int64_t value, const struct unit *units, char *buf, size_t size)
{
    const struct unit *unit = units;

    while (unit->factor > 1 && (value == 0 || value % unit->factor != 0))
        unit++;
    if (value == 0 && units == durations)
        snprintf(buf, size, "0s");
    else
        snprintf(buf, size, "%lld%s", (long long)(value / unit->factor), unit->name);
}

void value_format_duration(int64_t ms, char *buf, size_t size)
{
    format_quantity(ms, durations, buf, size);
}

void value_format_size(int64_t bytes, char *buf, size_t size)
{
    format_quantity(bytes, sizes, buf, size);
}

int value_bool(const char *text, bool *out, struct value_why *why)
{
    static const char *const yes[] = {"yes", "on", "true", "y", "1", "enabled"};
    static const char *const no[] = {"no", "off", "false", "n", "0", "disabled"};

    *out = false;
    if (strcmp(text, "true") == 0) {
        *out = true;
        return 0;
    }
    if (strcmp(text, "false") == 0)
        return 0;
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (strcasecmp(text, yes[i]) == 0)
            return value_wrong(why, "is no boolean; write true");
        if (strcasecmp(text, no[i]) == 0)
            return value_wrong(why, "is no boolean; write false");
    }
    return value_wrong(why, "is no boolean; write true or false");
}

/* How many edits (insert, drop, change, swap neighbours) make `a` of `b`; both at most WORD_MAX. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t m = strlen(a);
    size_t n = strlen(b);
    size_t *before = rows[0];
    size_t *last = rows[1];
    size_t *now = rows[2];

    for (size_t j = 0; j <= n; j++)
        last[j] = j;
    for (size_t i = 1; i <= m; i++) {
        size_t *free_row = before;

        now[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = last[j - 1] + (tolower((unsigned char)a[i - 1]) != b[j - 1]);

            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        before = last;
        last = now;
        now = free_row;
    }
    return last[n];
}

const char *value_closest(const char *word, const char *const *candidates, size_t n)
{
    const char *closest = NULL;
    size_t length = strlen(word);
    size_t best = length < 3 ? 2 : length / 3 + 1; /* must be below */

    if (length == 0 || length > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t d;

        if (candidates[i][0] == '\0' || strlen(candidates[i]) > WORD_MAX)
            continue;
        d = distance(word, candidates[i]);
        if (length >= 3 && strncasecmp(candidates[i], word, length) == 0 && best > 1)
            d = best - 1; /* the beginning of a word: "warn" */
        if (d < best) {
            best = d;
            closest = candidates[i];
        }
    }
    return closest;
}

int value_word(const char *text, const char *const *words, unsigned *out, struct value_why *why)
{
    char all[128] = "";
    const char *closest;
    size_t used = 0;
    size_t n = 0;

    *out = 0;
    for (; words[n]; n++) {
        if (words[n][0] == '\0')
            continue;
        if (strcmp(text, words[n]) == 0) {
            *out = (unsigned)n;
            return 0;
        }
        if (used < sizeof(all))
            used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "",
                                     words[n]);
    }
    closest = value_closest(text, words, n);
    if (closest)
        return value_wrong(why, "is not one of %s; did you mean %s?", all, closest);
    return value_wrong(why, "is not one of %s", all);
}
