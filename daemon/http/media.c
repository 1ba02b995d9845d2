/* SPDX-License-Identifier: BSD-2-Clause
 *
 * media: see media.h. Qualities are kept in thousandths.
 */
#include "http/chars.h"
#include "http/media.h"

enum { RANGES_MAX = 64 }; /* members of Accept that are looked at */

/* What Accept says of one media type: the most specific range that matches counts. */
struct preference {
    const char *type;    /* "text/html" */
    const char *subtree; /* "text/" + star */
    int specificity;
    int quality;
};

/* weight: "0" or "1" with up to three decimals (RFC 9110 section 12.4.2); -1 when malformed. */
static int parse_quality(struct dive_span in)
{
    int quality = 0, unit = 100;

    if (in.n == 0 || in.n > 5 || (in.p[0] != '0' && in.p[0] != '1'))
        return -1;
    quality = (in.p[0] - '0') * 1000;
    if (in.n > 1 && in.p[1] != '.')
        return -1;
    for (size_t i = 2; i < in.n; i++, unit /= 10) {
        if (!http_is(in.p[i], HTTP_CHAR_DIGIT))
            return -1;
        quality += (in.p[i] - '0') * unit;
    }
    return quality <= 1000 ? quality : -1;
}

/* The next ";"-separated piece, trimmed. Media types that matter here have no quoted parameters; a
 * ";" in one only makes a piece that isn't understood. */
static bool next_piece(struct dive_span *rest, struct dive_span *piece)
{
    const char *semicolon = NULL;

    if (rest->n == 0)
        return false;
    semicolon = memchr(rest->p, ';', rest->n);
    size_t n = semicolon != NULL ? (size_t)(semicolon - rest->p) : rest->n;
    *piece = http_trim(dive_span(rest->p, n));
    size_t used = semicolon != NULL ? n + 1 : n;
    rest->p += used;
    rest->n -= used;
    return true;
}

static void weigh(struct preference *preference, struct dive_span range, int quality)
{
    int specificity = http_is_name(range, preference->type)      ? 3
                      : http_is_name(range, preference->subtree) ? 2
                      : http_is_name(range, "*/*")               ? 1
                                                                 : 0;

    if (specificity > preference->specificity) {
        preference->specificity = specificity;
        preference->quality = quality;
    } else if (specificity > 0 && specificity == preference->specificity &&
               quality > preference->quality) {
        preference->quality = quality;
    }
}

bool http_prefers_html(const struct http_head *request)
{
    struct preference html = {"text/html", "text/*", 0, 0};
    struct preference problem = {"application/problem+json", "application/*", 0, 0};
    struct preference json = {"application/json", "application/*", 0, 0};
    size_t seen = 0;

    for (size_t i = 0; i < request->n_fields; i++) {
        struct dive_span rest = request->fields[i].value, member, range, piece;
        if (!http_is_name(request->fields[i].name, "accept"))
            continue;
        while (http_list_next(&rest, &member) && ++seen <= RANGES_MAX) {
            int quality = 1000;
            if (!next_piece(&member, &range))
                continue;
            while (next_piece(&member, &piece)) {
                if (piece.n >= 2 && http_is_name(dive_span(piece.p, 2), "q="))
                    quality = parse_quality(dive_span(piece.p + 2, piece.n - 2));
            }
            if (quality < 0)
                return false;
            weigh(&html, range, quality);
            weigh(&problem, range, quality);
            weigh(&json, range, quality);
        }
    }
    return html.quality > problem.quality && html.quality > json.quality;
}
