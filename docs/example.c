/* SPDX-License-Identifier: BSD-2-Clause
 *
 * example HOST FILE HEADERS RECORDS: is FILE, received from https://HOST/ with the header lines in
 * HEADERS, what HOST signed? RECORDS has the TXT records, one a line: name, space, text. They are
 * taken as validated: in your program, only a validating resolver may say DIVE_DNS_SECURE.
 * Exit status: 0 accepted, 1 not accepted, 2 unusable input or an error.
 */
#include <dive/dive.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MANY 256
struct table {
    char text[65536];
    struct dive_field line[MANY];
    size_t n;
};
static struct table headers, records;

/* Reads lines of name, separator, value. */
static int load(struct table *t, const char *path, const char *separator)
{
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(t->text, 1, sizeof(t->text) - 1, f) : 0;
    int bad = !f || ferror(f) || n == sizeof(t->text) - 1;

    for (char *rest = t->text, *line; !bad && (line = strsep(&rest, "\r\n"));) {
        char *at = strstr(line, separator);

        if (at && t->n < MANY)
            t->line[t->n++] = (struct dive_field){dive_span(line, (size_t)(at - line)),
                                                  dive_span_str(at + strlen(separator))};
        else if (*line)
            bad = 1;
    }
    if (f)
        fclose(f);
    return bad;
}

/* Answers every name that the verifier wants by now. */
static int answer_wants(struct dive_verifier *v, time_t now)
{
    struct dive_want want;
    int r = 0;

    while (r == 0 && dive_verifier_next_want(v, &want)) {
        struct dive_span txt[MANY];
        struct dive_answer answer = {.security = DIVE_DNS_SECURE, .txt = txt, .ttl = 300};

        for (size_t i = 0; i < records.n; i++)
            if (dive_span_caseeq(records.line[i].name, dive_span_str(want.name)))
                txt[answer.n++] = records.line[i].value;
        r = dive_verifier_answer(v, want.id, &answer, now);
    }
    return r;
}

static int verify(struct dive_verifier *v, const char *host, FILE *file)
{
    struct dive_request request = {.method = dive_span_str("GET"),
                                   .scheme = dive_span_str("https"),
                                   .authority = dive_span_str(host),
                                   .path = dive_span_str("/"),
                                   .target = dive_span_str("/")};
    struct dive_response response = {
        .status = 200, .has_content = true, .fields = {headers.line, headers.n}};
    time_t now = time(NULL);
    char buffer[16384];
    int r = dive_verifier_start(v, dive_span_str(host), now);

    r = r ? r : answer_wants(v, now);
    r = r ? r : dive_verifier_response(v, &request, &response, now);
    r = r ? r : answer_wants(v, now);
    for (size_t n; r == 0 && (n = fread(buffer, 1, sizeof(buffer), file)) > 0;)
        dive_verifier_body(v, buffer, n);
    r = r ? r : ferror(file) ? DIVE_E_INTERNAL : dive_verifier_end(v, now);
    r = r ? r : answer_wants(v, now);
    if (r) {
        fprintf(stderr, "example: %s\n", dive_strerror(r));
        return 2;
    }
    printf("%s: %s\n", dive_verdict_word(dive_verifier_verdict(v)),
           dive_reason_text(dive_verifier_reason(v)));
    return dive_verifier_verdict(v) == DIVE_ACCEPT ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct dive_options options = {.versions = DIVE_VERSIONS_ALL, .user_agent = "example"};
    struct dive_verifier *v = NULL;
    FILE *file = argc == 5 ? fopen(argv[2], "rb") : NULL;
    int status = 2;

    if (!file || load(&headers, argv[3], ": ") || load(&records, argv[4], " "))
        fprintf(stderr, "usage: example HOST FILE HEADERS RECORDS (all readable)\n");
    else if (dive_verifier_new(&v, &options) == 0)
        status = verify(v, argv[1], file);
    dive_verifier_free(&v);
    if (file)
        fclose(file);
    return status;
}
