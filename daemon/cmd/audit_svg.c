/* SPDX-License-Identifier: BSD-2-Clause
 *
 * audit_svg: plots as SVG elements within an HTML page: sizes in the view box's units, colours by
 * class, nothing from outside, no script.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd/audit.h"
#include "cmd/command.h"

#define SVG_WIDTH 1040
#define SVG_HEIGHT 230
#define SVG_LEFT 52
#define SVG_RIGHT 8
#define SVG_TOP 10
#define SVG_BOTTOM 24
#define SVG_DAYS_MAX 4000
#define SVG_LABELS 10

static long svg_day(const json_t *object)
{
    struct tm tm = {0};
    const char *text = command_string(object, "day");
    const char *end = strptime(text, "%Y-%m-%d", &tm);

    return end != NULL && *end == '\0' ? (long)(timegm(&tm) / 86400) : -1;
}

static long long svg_sum(const json_t *object, const char *const *keys)
{
    long long sum = 0;

    for (; *keys != NULL; keys++)
        sum += command_number(object, *keys);
    return sum;
}

/* 1, 2 or 5 times a power of ten, not below `n`. */
static long long svg_round_up(long long n)
{
    static const int steps[] = {1, 2, 5};
    long long scale = 1;

    for (;; scale *= 10)
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
            if (steps[i] * scale >= n || scale > 1000000000000000)
                return steps[i] * scale;
}

static void svg_number(FILE *f, long long n)
{
    if (n >= 10000000)
        fprintf(f, "%lldM", n / 1000000);
    else if (n >= 10000)
        fprintf(f, "%lldk", n / 1000);
    else
        fprintf(f, "%lld", n);
}

static void svg_grid(FILE *f, long long top)
{
    const double height = SVG_HEIGHT - SVG_TOP - SVG_BOTTOM;
    long long lines = top % 4 == 0 ? 4 : top % 5 == 0 ? 5 : top % 2 == 0 ? 2 : 1;

    for (long long i = 0; i <= lines; i++) {
        double y = SVG_TOP + height - height * (double)i / (double)lines;

        fprintf(f, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", SVG_LEFT, y, SVG_WIDTH - SVG_RIGHT);
        fprintf(f, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", SVG_LEFT - 8, y + 4);
        svg_number(f, top * i / lines);
        fputs("</text>", f);
    }
}

struct svg_frame {
    long first, count; /* days */
    long long top;
    double step; /* width of a day */
};

static void svg_bar(FILE *f, const struct svg_frame *frame, const json_t *day,
                    const char *const *keys)
{
    const double height = SVG_HEIGHT - SVG_TOP - SVG_BOTTOM;
    double x = SVG_LEFT + frame->step * (double)(svg_day(day) - frame->first);
    double gap = frame->step > 5 ? frame->step * 0.15 : 0, y = SVG_HEIGHT - SVG_BOTTOM;
    double width = frame->step - 2 * gap > 64 ? 64 : frame->step - 2 * gap;

    x += (frame->step - width) / 2;
    for (unsigned i = 0; keys[i] != NULL; i++) {
        long long n = command_number(day, keys[i]);
        double h = height * (double)n / (double)frame->top;

        if (n <= 0)
            continue;
        y -= h;
        fprintf(f,
                "<rect class=\"s%u\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"><title>",
                i, x, y, width, h);
        audit_html_text(f, command_string(day, "day"));
        fputs(": ", f);
        audit_html_text(f, keys[i]);
        fprintf(f, " %lld</title></rect>", n);
    }
}

/* Month and day below the bars, as many as there is place for. */
static void svg_labels(FILE *f, const struct svg_frame *frame)
{
    long every = (frame->count + SVG_LABELS - 1) / SVG_LABELS;

    for (long i = 0; i < frame->count; i += every) {
        time_t at = (time_t)(frame->first + i) * 86400;
        struct tm tm;
        char text[32] = "";

        if (gmtime_r(&at, &tm) != NULL)
            strftime(text, sizeof(text), "%d %b", &tm);
        fprintf(f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>",
                SVG_LEFT + frame->step * ((double)i + 0.5), SVG_HEIGHT - 6, text);
    }
}

void audit_svg_bars(FILE *f, const json_t *days, const char *const *keys, const char *title)
{
    struct svg_frame frame = {.first = -1};
    const json_t *day;
    long long most = 1;
    long last = -1;
    size_t i;

    json_array_foreach(days, i, day)
    {
        long number = svg_day(day);

        if (number < 0)
            continue;
        if (frame.first < 0 || number < frame.first)
            frame.first = number;
        if (number > last)
            last = number;
        if (svg_sum(day, keys) > most)
            most = svg_sum(day, keys);
    }
    if (frame.first < 0 || last - frame.first >= SVG_DAYS_MAX) {
        fputs("<p class=\"soft\">nothing in this time</p>", f);
        return;
    }
    frame.count = last - frame.first + 1;
    frame.top = svg_round_up(most);
    frame.step = (double)(SVG_WIDTH - SVG_LEFT - SVG_RIGHT) / (double)frame.count;
    fprintf(f, "<div class=\"wide\"><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"",
            SVG_WIDTH, SVG_HEIGHT);
    audit_html_text(f, title);
    fputs("\">", f);
    svg_grid(f, frame.top);
    json_array_foreach(days, i, day) if (svg_day(day) >= 0) svg_bar(f, &frame, day, keys);
    svg_labels(f, &frame);
    fputs("</svg></div>\n", f);
}
