/* SPDX-License-Identifier: BSD-2-Clause
 *
 * audit_html: the report of the audit store as one page: no script, nothing from outside, and every
 * text that isn't ours escaped. A Content-Security-Policy in the page says so to the browser too.
 */
#include <stdlib.h>
#include <string.h>

#include "audit/style.h"
#include "cmd/audit.h"
#include "cmd/command.h"

#define HTML_SERIES 6 /* reasons of a plot by name; the rest together */

void audit_html_text(FILE *f, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        case '&':
            fputs("&amp;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        case '\'':
            fputs("&#39;", f);
            break;
        default:
            if ((unsigned char)*text < 0x20 && *text != '\n' && *text != '\t')
                fputs("\xef\xbf\xbd", f);
            else
                fputc(*text, f);
        }
    }
}

static void html_member(FILE *f, const json_t *object, const char *name)
{
    audit_html_text(f, command_string(object, name));
}

/* "1,234,567" */
static const char *html_grouped(long long n, char out[32])
{
    char plain[24];
    size_t length = (size_t)snprintf(plain, sizeof(plain), "%lld", n), at = 0;

    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0 && plain[i - 1] != '-')
            out[at++] = ',';
        out[at++] = plain[i];
    }
    out[at] = '\0';
    return out;
}

/* A table's cell. */
static void html_cell(FILE *f, const json_t *object, const char *name)
{
    char text[32];

    fprintf(f, "<td class=\"n\">%s</td>", html_grouped(command_number(object, name), text));
}

static void html_card(FILE *f, const char *kind, long long n, const char *label)
{
    char text[32];

    fprintf(f, "<div class=\"card\"><b%s%s%s>%s</b><span>%s</span></div>\n",
            n > 0 && *kind != '\0' ? " class=\"" : "", n > 0 ? kind : "",
            n > 0 && *kind != '\0' ? "\"" : "", html_grouped(n, text), label);
}

static void html_head(FILE *f, const json_t *report)
{
    char source[STYLE_SOURCE];

    if (style_csp_source(style_sheet, strlen(style_sheet), source) != 0)
        source[0] = '\0'; /* then it is shown without style */
    fprintf(f,
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
            "style-src %s; base-uri 'none'; form-action 'none'\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            "<meta name=\"referrer\" content=\"no-referrer\">\n"
            "<title>dived: audit report</title>\n<style>%s</style></head>\n<body>\n<header>",
            source, style_sheet);
    fputs("<h1>DIVE audit report</h1>\n<p class=\"soft\">", f);
    html_member(f, report, "since");
    fputs(" to ", f);
    html_member(f, report, "until");
    fputs(" (days in UTC), from ", f);
    html_member(f, report, "file");
    fputs("</p></header>\n<main>\n", f);
}

static void html_cards(FILE *f, const json_t *report)
{
    const json_t *t = json_object_get(report, "totals"), *e = json_object_get(report, "events");

    fputs("<div class=\"cards\">\n", f);
    html_card(f, "", command_number(t, "exchanges"), "exchanges");
    html_card(f, "", command_number(t, "domains"), "domains with a policy");
    html_card(f, "", command_number(t, "verified") + command_number(t, "failed"), "covered");
    html_card(f, "good", command_number(t, "verified"), "verified");
    html_card(f, "bad", command_number(t, "failed"), "failed");
    html_card(f, "bad", command_number(e, "blocked"), "blocked");
    html_card(f, "warn", command_number(e, "would_block"), "would be blocked");
    html_card(f, "", command_number(e, "denied"), "denied by rules");
    fputs("</div>\n", f);
}

static void html_legend(FILE *f, const char *const *words)
{
    fputs("<div class=\"legend\">", f);
    for (unsigned i = 0; words[i] != NULL; i++) {
        fprintf(f, "<span><i class=\"s%u\"></i>", i);
        audit_html_text(f, words[i]);
        fputs("</span>", f);
    }
    fputs("</div>\n", f);
}

static void html_days(FILE *f, const json_t *report)
{
    static const char *const keys[] = {"verified", "failed", "not_covered", NULL};
    static const char *const words[] = {"verified", "failed", "not covered", NULL};

    fputs("<section><h2>Exchanges with domains that have a policy</h2>\n", f);
    audit_svg_bars(f, json_object_get(report, "days"), keys, "exchanges a day by verdict");
    html_legend(f, words);
    fputs("</section>\n", f);
}

/* One object a day with a member for each of `words`, out of rows of day, reason and number; the
 * last word takes what has none of its own. A new reference, or NULL. */
static json_t *html_pivot(const json_t *rows, const char *const *words, size_t n)
{
    json_t *days = json_array(), *day = NULL;
    const json_t *row;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        const char *word = command_string(row, "reason"), *name = command_string(row, "day");
        size_t at = 0;

        if (day == NULL || strcmp(command_string(day, "day"), name) != 0) {
            day = json_pack("{s:s}", "day", name);
            if (json_array_append_new(days, day) != 0)
                break;
        }
        while (at + 1 < n && strcmp(words[at], word) != 0)
            at++;
        if (json_object_set_new(
                day, words[at],
                json_integer(command_number(day, words[at]) + command_number(row, "n"))) != 0)
            break;
    }
    return days;
}

static void html_reasons(FILE *f, const json_t *report)
{
    const json_t *reasons = json_object_get(report, "reasons"), *reason;
    const char *words[HTML_SERIES + 2] = {NULL};
    size_t n = 0, i;
    json_t *days;

    json_array_foreach(reasons, i, reason)
    {
        if (n < HTML_SERIES)
            words[n++] = command_string(reason, "reason");
    }
    if (json_array_size(reasons) > n)
        words[n++] = "other reasons";
    fputs("<section><h2>Reasons over time</h2>\n", f);
    days = html_pivot(json_object_get(report, "reasons_by_day"), words, n);
    audit_svg_bars(f, days, words, "recorded events a day by reason");
    json_decref(days);
    html_legend(f, words);
    if (n > 0)
        fputs("<div class=\"wide\"><table><tr><th>reason</th><th class=\"n\">total</th><th "
              "class=\"n\">blocked</th><th class=\"n\">would be</th></tr>\n",
              f);
    json_array_foreach(reasons, i, reason)
    {
        fputs("<tr><td class=\"w\">", f);
        html_member(f, reason, "reason");
        fputs("</td>", f);
        html_cell(f, reason, "n");
        html_cell(f, reason, "blocked");
        html_cell(f, reason, "would_block");
        fputs("</tr>\n", f);
    }
    fputs(n > 0 ? "</table></div></section>\n" : "</section>\n", f);
}

static void html_domains(FILE *f, const json_t *report)
{
    const json_t *domains = json_object_get(report, "domains"), *domain;
    size_t i;

    fputs("<section><h2>Domains with a policy</h2>\n", f);
    if (json_array_size(domains) == 0)
        fputs("<p class=\"soft\">none in this time</p>", f);
    else
        fputs("<div class=\"wide\"><table><tr><th>domain</th><th class=\"n\">verified</th><th "
              "class=\"n\">failed</th><th class=\"n\">blocked</th><th class=\"n\">not "
              "covered</th></tr>\n",
              f);
    json_array_foreach(domains, i, domain)
    {
        fputs("<tr><td class=\"w\">", f);
        html_member(f, domain, "domain");
        fputs("</td>", f);
        html_cell(f, domain, "verified");
        html_cell(f, domain, "failed");
        html_cell(f, domain, "blocked");
        html_cell(f, domain, "not_covered");
        fputs("</tr>\n", f);
    }
    fputs(i > 0 ? "</table></div></section>\n" : "</section>\n", f);
}

static void html_clients(FILE *f, const json_t *report)
{
    const json_t *clients = json_object_get(report, "clients"), *client;
    size_t i;

    fputs("<section><h2>Clients with the most events</h2>\n", f);
    if (json_array_size(clients) == 0)
        fputs("<p class=\"soft\">none in this time</p>", f);
    else
        fputs("<div class=\"wide\"><table><tr><th>client</th><th class=\"n\">events</th><th "
              "class=\"n\">blocked</th><th class=\"n\">would be</th><th "
              "class=\"n\">hosts</th></tr>\n",
              f);
    json_array_foreach(clients, i, client)
    {
        fputs("<tr><td class=\"w\">", f);
        html_member(f, client, "client");
        fputs("</td>", f);
        html_cell(f, client, "n");
        html_cell(f, client, "blocked");
        html_cell(f, client, "would_block");
        html_cell(f, client, "hosts");
        fputs("</tr>\n", f);
    }
    fputs(i > 0 ? "</table></div></section>\n" : "</section>\n", f);
}

static void html_hosts(FILE *f, const json_t *list, const char *title, const char *advice)
{
    const json_t *host;
    size_t i;

    fprintf(f, "<section><h2>%s</h2>\n", title);
    if (json_array_size(list) == 0) {
        fputs("<p class=\"soft\">nothing</p></section>\n", f);
        return;
    }
    fputs("<div class=\"wide\"><table><tr><th>host</th><th class=\"n\">exchanges</th><th "
          "class=\"n\">clients</th><th>reasons</th><th>for example</th></tr>\n",
          f);
    json_array_foreach(list, i, host)
    {
        fputs("<tr><td class=\"w\">", f);
        html_member(f, host, "host");
        fputs("</td>", f);
        html_cell(f, host, "n");
        html_cell(f, host, "clients");
        fputs("<td class=\"w\">", f);
        html_member(f, host, "reasons");
        fputs("</td><td class=\"u\">", f);
        html_member(f, host, "url");
        fputs("</td></tr>\n", f);
    }
    fprintf(f, "</table></div>\n<p>%s</p>\n<pre>", advice);
    json_array_foreach(list, i, host)
    {
        html_member(f, host, "rule");
        fputc('\n', f);
    }
    fputs("</pre></section>\n", f);
}

void audit_html_write(FILE *f, const json_t *report)
{
    html_head(f, report);
    html_cards(f, report);
    html_days(f, report);
    html_hosts(f, json_object_get(report, "would_block"), "What enforce would have blocked",
               "With <code>dive.mode: enforce</code>, these lines under <code>rules:</code> would "
               "let it pass, still reported:");
    html_hosts(f, json_object_get(report, "blocked"), "What was blocked",
               "These lines under <code>rules:</code> would let it pass, still reported:");
    html_reasons(f, report);
    fputs("<div class=\"pair\">\n", f);
    html_domains(f, report);
    html_clients(f, report);
    fputs("</div>\n</main></body></html>\n", f);
}
