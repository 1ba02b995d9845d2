/* SPDX-License-Identifier: BSD-2-Clause
 *
 * problems: the list of errors and warnings about one file, bounded, in the order of the file.
 */
#include "config/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 1024

__attribute__((format(printf, 4, 0))) static void problems_add(struct config_problems *problems,
                                                               bool warning, struct place place,
                                                               const char *format, va_list ap)
{
    size_t *count = warning ? &problems->warnings : &problems->errors;
    struct config_problem *v;
    char text[TEXT_MAX];
    char *copy, *file;

    (*count)++;
    if (*count > CONFIG_PROBLEMS_MAX)
        return;
    vsnprintf(text, sizeof(text), format, ap);
    copy = strdup(text);
    file = place.file ? strdup(place.file) : NULL;
    v = copy && (file || !place.file) ? reallocarray(problems->v, problems->n + 1, sizeof(*v))
                                      : NULL;
    if (!v) {
        free(copy);
        free(file);
        return;
    }
    problems->v = v;
    v[problems->n++] = (struct config_problem){warning, place.line, place.column, file, copy};
}

void problems_error(struct config_problems *problems, struct place place, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    problems_add(problems, false, place, format, ap);
    va_end(ap);
}

void problems_warning(struct config_problems *problems, struct place place, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    problems_add(problems, true, place, format, ap);
    va_end(ap);
}

static bool comes_after(const struct config_problem *a, const struct config_problem *b)
{
    int c = strcmp(a->file ? a->file : "", b->file ? b->file : "");

    if (c != 0)
        return c > 0;
    return a->line != b->line ? a->line > b->line : a->column > b->column;
}

/* Insertion: stable, and there are at most 40. */
void problems_sort(struct config_problems *problems)
{
    for (size_t i = 1; i < problems->n; i++) {
        struct config_problem moving = problems->v[i];
        size_t at = i;

        for (; at > 0 && comes_after(&problems->v[at - 1], &moving); at--)
            problems->v[at] = problems->v[at - 1];
        problems->v[at] = moving;
    }
}

void config_problems_free(struct config_problems *problems)
{
    for (size_t i = 0; i < problems->n; i++) {
        free(problems->v[i].file);
        free(problems->v[i].text);
    }
    free(problems->v);
    free(problems->file);
    *problems = (struct config_problems){0};
}

void config_problem_format(const struct config_problems *problems, size_t i, char *buf, size_t size)
{
    const struct config_problem *problem = &problems->v[i];
    const char *file = problem->file    ? problem->file
                       : problems->file ? problems->file
                                        : "configuration";
    const char *kind = problem->warning ? "warning" : "error";

    if (problem->line > 0)
        snprintf(buf, size, "%s:%u:%u: %s: %s", file, problem->line, problem->column, kind,
                 problem->text);
    else
        snprintf(buf, size, "%s: %s: %s", file, kind, problem->text);
}
