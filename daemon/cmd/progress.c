/* SPDX-License-Identifier: BSD-2-Clause
 *
 * progress: see progress.h.
 */
#include "cmd/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PROGRESS_FIRST_MS 1000
#define PROGRESS_EVERY_MS 200
#define PROGRESS_BAR_MAX 40

void progress_bytes(char *out, size_t size, uint64_t bytes)
{
    static const char units[] = "KMGTPE";
    double value = (double)bytes / 1024;
    unsigned unit = 0;

    if (bytes < 1024) {
        snprintf(out, size, "%u B", (unsigned)bytes);
        return;
    }
    while (value >= 1023.95 && units[unit + 1] != '\0') {
        value /= 1024;
        unit++;
    }
    snprintf(out, size, "%.1f %ciB", value, units[unit]);
}

static void format_left(char *out, size_t size, uint64_t seconds)
{
    if (seconds >= 100 * 3600)
        snprintf(out, size, "--:--");
    else if (seconds >= 3600)
        snprintf(out, size, "%u:%02u:%02u", (unsigned)(seconds / 3600),
                 (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60));
    else
        snprintf(out, size, "%02u:%02u", (unsigned)(seconds / 60), (unsigned)(seconds % 60));
}

static void format_bar(char *out, unsigned width, uint64_t done, uint64_t total)
{
    unsigned full = (unsigned)((double)done / (double)total * width);

    if (full > width)
        full = width;
    out[0] = '[';
    memset(out + 1, '=', full);
    memset(out + 1 + full, ' ', width - full);
    out[width + 1] = ']';
    out[width + 2] = '\0';
}

void progress_format(char out[PROGRESS_TEXT_MAX], unsigned columns, uint64_t done, uint64_t total,
                     uint64_t resumed, int64_t elapsed_ms)
{
    uint64_t got = done > resumed ? done - resumed : 0;
    double rate = elapsed_ms > 0 ? (double)got * 1000 / (double)elapsed_ms : 0;
    char have[32], of[32], speed[32], left[32] = "--:--", bar[PROGRESS_BAR_MAX + 3] = "";
    char head[128], tail[160];
    int used;

    progress_bytes(have, sizeof(have), done);
    progress_bytes(of, sizeof(of), total);
    progress_bytes(speed, sizeof(speed), (uint64_t)rate);
    if (total == 0 || done > total) {
        snprintf(head, sizeof(head), "%s  %s/s", have, speed);
        tail[0] = '\0';
    } else {
        if (rate >= 1)
            format_left(left, sizeof(left), (uint64_t)((double)(total - done) / rate + 0.5));
        snprintf(head, sizeof(head), "%3u%% ", (unsigned)((double)done / (double)total * 100));
        snprintf(tail, sizeof(tail), " %s of %s  %s/s  %s", have, of, speed, left);
        used = (int)(strlen(head) + strlen(tail)) + 2;
        if ((int)columns - used >= 10)
            format_bar(bar,
                       columns - (unsigned)used < PROGRESS_BAR_MAX ? columns - (unsigned)used
                                                                   : PROGRESS_BAR_MAX,
                       done, total);
    }
    if (columns >= PROGRESS_TEXT_MAX)
        columns = PROGRESS_TEXT_MAX - 1;
    snprintf(out, columns + 1, "%s%s%s", head, bar, tail);
}

void progress_start(struct progress *p, bool quiet, int64_t now_ms)
{
    *p = (struct progress){.enabled = !quiet && isatty(STDERR_FILENO), .started_ms = now_ms};
}

void progress_show(struct progress *p, uint64_t done, uint64_t total, int64_t now_ms)
{
    struct winsize window = {0};
    char text[PROGRESS_TEXT_MAX];

    if (!p->enabled || now_ms - p->started_ms < PROGRESS_FIRST_MS ||
        (p->shown && now_ms - p->told_ms < PROGRESS_EVERY_MS))
        return;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col < 20)
        window.ws_col = 80;
    progress_format(text, window.ws_col - 1u, done, total, p->resumed, now_ms - p->started_ms);
    fprintf(stderr, "\r%s\033[K", text);
    fflush(stderr);
    p->shown = true;
    p->told_ms = now_ms;
}

void progress_end(struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}
