/* SPDX-License-Identifier: BSD-2-Clause
 *
 * audit: the pieces of `divectl audit`.
 *
 *      audit.c          options, the store, list, show, verify, head
 *      audit_report.c   the report for a terminal      audit_html.c   the report as one page
 *      audit_svg.c      its plots
 */
#ifndef DIVED_CMD_AUDIT_H
#define DIVED_CMD_AUDIT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/error.h"

/* A point of time: "30d", "12h", "90m" before `now_ms`; "2026-11-24", "2026-11-24T13:00:00Z" (UTC).
 * DIVE_E_SYNTAX. Unix milliseconds. */
int audit_time_parse(const char *text, int64_t now_ms, int64_t *out) DIVE_MUST_USE;

/* The object of audit_report() (audit/query.h), for people, to standard output. */
void audit_report_print(const json_t *report);

/* The same as one HTML page without script and without anything from outside. */
void audit_html_write(FILE *f, const json_t *report);
/* Text that can't be markup, for content and for attributes in double quotes. */
void audit_html_text(FILE *f, const char *text);

/* A bar for each object of `days`, its members `keys` (a NULL ends them) on top of each other,
 * coloured by the classes s0, s1 ...; `days` are objects with "day". An SVG element. */
void audit_svg_bars(FILE *f, const json_t *days, const char *const *keys, const char *title);

#endif
