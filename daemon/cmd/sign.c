/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl sign: makes the header fields for files. This file reads the options, loads the keys and
 * prints, in the order of the files, what the workers of sign_run.h made.
 *
 * A file's output is written whole or not at all. A file that fails doesn't keep the others from
 * being printed; with --output nothing is written unless all of them succeeded.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd/sign_file.h"
#include "cmd/sign_key.h"
#include "cmd/sign_name.h"
#include "cmd/sign_run.h"
#include "http/url.h"

#define HEADERS_MAX 64

struct sign {
    struct command_options options;
    struct command_list key, keyid, label, component, header;
    const char *draft, *hash, *created, *expires, *format, *root, *prefix, *site;
    const char *files_from, *null, *manifest, *output, *output_dir, *force, *jobs;
    const char *passphrase_file, *pin_file, *insecure;

    struct sign_list list;
    struct sign_key *loaded[DIVE_SIGNER_KEYS_MAX];
    struct sign_name name[DIVE_SIGNER_KEYS_MAX];
    struct dive_signing_key signing[DIVE_SIGNER_KEYS_MAX];
    struct dive_span components[COMMAND_LIST_MAX];
    struct dive_field fields[HEADERS_MAX];
    struct dive_response response;
    struct sign_common common;
    unsigned n_jobs;
};

static int usage(const char *option, const char *why)
{
    command_error("--%s: %s", option, why);
    return COMMAND_USAGE;
}

static int check_keys(const struct sign *s)
{
    size_t from_stdin = 0;

    if (s->key.n == 0 || s->key.n != s->keyid.n)
        return usage("key", "as many --key as --keyid, in the same order, and at least one");
    if (s->key.n > DIVE_SIGNER_KEYS_MAX)
        return usage("key", "at most 8: no verifier looks at more");
    if (s->label.n != 0 && s->label.n != s->key.n)
        return usage("label", "one for each --key, or none");
    for (size_t i = 0; i < s->key.n; i++)
        from_stdin += strcmp(s->key.v[i], "-") == 0;
    from_stdin += s->files_from != NULL && strcmp(s->files_from, "-") == 0;
    from_stdin += s->manifest != NULL && strcmp(s->manifest, "-") == 0;
    if (from_stdin > 1)
        return usage("key", "only one thing can come from standard input");
    return COMMAND_OK;
}

/* Unix seconds, "now", or, with what `relative` is measured from, "+SECONDS". */
static int read_time(const char *option, const char *text, int64_t relative, int64_t *out)
{
    int64_t n;

    if (strcmp(text, "now") == 0) {
        *out = (int64_t)time(NULL);
        return COMMAND_OK;
    }
    if (sign_number_parse(text[0] == '+' ? text + 1 : text, &n) != 0)
        return usage(option, "Unix seconds, now, or +SECONDS");
    *out = text[0] == '+' ? relative + n : n;
    return COMMAND_OK;
}

static int read_times(struct sign *s)
{
    struct dive_sign_options *o = &s->common.options;
    int64_t now = (int64_t)time(NULL);
    int r = COMMAND_OK;

    if (s->created != NULL) {
        o->has_created = true;
        r = read_time("created", s->created, now, &o->created);
    }
    if (s->expires != NULL && r == COMMAND_OK) {
        o->has_expires = true;
        r = read_time("expires", s->expires, o->has_created ? o->created : now, &o->expires);
    }
    if (r == COMMAND_OK && o->has_created && o->has_expires && o->expires <= o->created)
        return usage("expires", "not after --created");
    if (r == COMMAND_OK && o->has_expires && o->expires <= now)
        return usage("expires", "in the past: nobody would accept the signature");
    return r;
}

/* "@status" and content-type are written as they are named; what has a quote is taken as the
 * serialised identifier that it is. */
static int read_components(struct sign *s, char **owned)
{
    for (size_t i = 0; i < s->component.n; i++) {
        const char *text = s->component.v[i];
        size_t name = strcspn(text, ";");

        if (text[0] == '"') {
            s->components[i] = dive_span_str(text);
            continue;
        }
        if (asprintf(&owned[i], "\"%.*s\"%s", (int)name, text, text + name) < 0) {
            owned[i] = NULL;
            return EX_OSERR;
        }
        s->components[i] = dive_span_str(owned[i]);
    }
    s->common.options.components = s->components;
    s->common.options.n_components = s->component.n;
    return COMMAND_OK;
}

static int read_headers(struct sign *s)
{
    for (size_t i = 0; i < s->header.n; i++) {
        const char *text = s->header.v[i], *value;
        size_t n = strcspn(text, ":"), len;

        if (n == 0 || text[n] != ':')
            return usage("header", "NAME: VALUE");
        value = text + n + 1;
        value += strspn(value, " \t");
        len = strlen(value);
        while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
            len--;
        s->fields[i] = (struct dive_field){dive_span(text, n), dive_span(value, len)};
    }
    s->response = (struct dive_response){
        .status = 200, .has_content = true, .fields = {s->fields, s->header.n}};
    s->common.options.response = &s->response;
    return COMMAND_OK;
}

static int read_jobs(struct sign *s)
{
    int64_t n = sysconf(_SC_NPROCESSORS_ONLN);

    if (s->jobs != NULL && (sign_number_parse(s->jobs, &n) != 0 || n < 1 || n > SIGN_JOBS_MAX))
        return usage("jobs", "1 to 256");
    s->n_jobs = n < 1 ? 1 : n > SIGN_JOBS_MAX ? SIGN_JOBS_MAX : (unsigned)n;
    return COMMAND_OK;
}

static int check_site(const char *site)
{
    struct http_url url = {0};
    bool good = http_url_parse(&url, dive_span_str(site)) == 0 && strcmp(url.target, "/") == 0 &&
                site[strlen(site) - 1] != '/';

    http_url_clear(&url);
    return good ? COMMAND_OK : usage("site", "https://HOST or https://HOST:PORT, no path");
}

static int read_draft(struct sign *s)
{
    unsigned hashes = DIVE_HASH_BIT(DIVE_HASH_SHA256);

    if (s->draft != NULL && strcmp(s->draft, "00") != 0 && strcmp(s->draft, "01") != 0)
        return usage("draft", "00 or 01");
    s->common.draft_00 = s->draft != NULL && strcmp(s->draft, "00") == 0;
    if (s->hash != NULL && sign_hashes_parse(s->hash, &hashes) != 0)
        return usage("hash", "of sha-256 sha-384 sha-512 sha3-256 sha3-384 sha3-512, with commas");
    s->common.hashes = hashes;
    if (!s->common.draft_00)
        return COMMAND_OK;
    if ((hashes & (hashes - 1)) != 0)
        return usage("hash", "draft 00 signs one hash only");
    if (s->component.n + s->header.n + s->label.n > 0 || s->created != NULL || s->expires != NULL ||
        s->site != NULL)
        return usage("draft", "00 has no components, labels and times");
    return COMMAND_OK;
}

static int read_output(struct sign *s)
{
    const char *format = s->format != NULL ? s->format : "fields";

    if (s->options.json && s->format == NULL)
        format = "json";
    if (sign_format_from_name(format, &s->common.format) != 0)
        return usage("format", "fields, nginx, apache, headers or json");
    if (s->output_dir != NULL && s->common.format != SIGN_FORMAT_HEADERS)
        return usage("output-dir", "for --format headers only");
    if (s->output != NULL && s->common.format == SIGN_FORMAT_HEADERS)
        return usage("output", "not with --format headers: each file gets one");
    if (s->output != NULL && s->force == NULL && access(s->output, F_OK) == 0)
        return usage("output", "exists already (--force replaces it)");
    s->common.output_dir = s->output_dir;
    s->common.force = s->force != NULL;
    return COMMAND_OK;
}

static int read_options(struct sign *s, char **owned)
{
    int r = check_keys(s);

    if (r == COMMAND_OK)
        r = read_draft(s);
    if (r == COMMAND_OK)
        r = read_output(s);
    if (r == COMMAND_OK)
        r = read_times(s);
    if (r == COMMAND_OK)
        r = read_components(s, owned);
    if (r == COMMAND_OK)
        r = read_headers(s);
    if (r == COMMAND_OK)
        r = read_jobs(s);
    if (r == COMMAND_OK && s->site != NULL)
        r = check_site(s->site);
    s->common.site = s->site;
    return r;
}

static int read_files(struct sign *s)
{
    int r = COMMAND_OK;

    s->list.root = s->root;
    s->list.prefix = s->prefix;
    for (int i = 0; i < s->options.argc && r == COMMAND_OK; i++)
        r = sign_list_add(&s->list, s->options.argv[i]);
    if (r == COMMAND_OK && s->files_from != NULL)
        r = sign_list_read_names(&s->list, s->files_from, s->null != NULL);
    if (r == COMMAND_OK && s->manifest != NULL)
        r = sign_list_read_manifest(&s->list, s->manifest);
    if (r == COMMAND_OK && s->list.n == 0) {
        command_error("no file is named");
        r = COMMAND_USAGE;
    }
    return r;
}

static int load_keys(struct sign *s)
{
    for (size_t i = 0; i < s->key.n; i++) {
        struct sign_key_source source = {.from = s->key.v[i],
                                         .passphrase_file = s->passphrase_file,
                                         .pin_file = s->pin_file,
                                         .insecure_permissions = s->insecure != NULL};
        int r;

        if (sign_name_parse(s->keyid.v[i], &s->name[i]) != 0)
            return usage("keyid", "ID or ID@DOMAIN, the ID of 1 to 63 of A-Z a-z 0-9 _");
        r = sign_key_load(&source, &s->loaded[i]);
        if (r != COMMAND_OK)
            return r;
        s->signing[i] = (struct dive_signing_key){
            .algorithm = sign_key_algorithm(s->loaded[i]),
            .key_id = s->name[i].key_id,
            .fqdn = s->name[i].domain[0] != '\0' ? s->name[i].domain : NULL,
            .label = s->label.n > 0 ? s->label.v[i] : NULL,
            .public_key = sign_key_public(s->loaded[i]),
            .sign = sign_key_sign,
            .arg = s->loaded[i],
        };
    }
    s->common.keys = s->signing;
    s->common.n_keys = s->key.n;
    return COMMAND_OK;
}

/* With several files, header lines say which file they are for. */
static void print_item(const struct sign *s, const struct sign_item *item, FILE *to)
{
    if (s->common.format == SIGN_FORMAT_HEADERS)
        return;
    if (s->common.format == SIGN_FORMAT_FIELDS && s->list.n > 1)
        fprintf(to, "# %s\n", item->path != NULL ? item->path : item->file);
    fputs(item->text, to);
    if (s->common.format == SIGN_FORMAT_FIELDS && s->list.n > 1)
        fputc('\n', to);
}

/* In the order of the list. The first failure's code, or 1 when they differ. */
static int collect(struct sign *s, struct sign_run *run, FILE *to)
{
    int r = COMMAND_OK;

    for (size_t i = 0; i < s->list.n; i++) {
        struct sign_item *item = &s->list.v[i];

        sign_run_wait(run, i);
        if (item->text != NULL) {
            print_item(s, item, to);
        } else {
            command_error("%s", item->error != NULL ? item->error : "no memory");
            r = r == COMMAND_OK || r == item->code ? item->code : COMMAND_NO;
        }
        free(item->text);
        item->text = NULL;
    }
    return r;
}

static int write_output(struct sign *s, struct sign_run *run)
{
    char *text = NULL;
    const char *why;
    size_t n = 0;
    FILE *to = s->output != NULL ? open_memstream(&text, &n) : stdout;
    bool whole;
    int r;

    if (to == NULL)
        return EX_OSERR;
    r = collect(s, run, to);
    whole = fflush(to) == 0 && !ferror(to);
    if (s->output != NULL)
        whole = fclose(to) == 0 && whole;
    if (!whole) {
        command_error("can't write the output: %s", strerror(errno));
        r = EX_IOERR;
    } else if (s->output != NULL && r == COMMAND_OK) {
        r = sign_file_write(s->output, text, s->force != NULL, &why);
        if (r != COMMAND_OK)
            command_error("%s: %s", s->output, why);
    } else if (s->output != NULL) {
        command_error("%s: not written, because a file failed", s->output);
    }
    free(text);
    return r;
}

static int sign_all(struct sign *s)
{
    char *owned[COMMAND_LIST_MAX] = {0};
    struct sign_run *run = NULL;
    int r = read_options(s, owned);

    if (r == COMMAND_OK)
        r = load_keys(s);
    if (r == COMMAND_OK)
        r = read_files(s);
    if (r == COMMAND_OK)
        r = sign_run_start(&s->common, &s->list, s->n_jobs, &run);
    if (r == COMMAND_OK)
        r = write_output(s, run);
    sign_run_free(&run);
    for (size_t i = 0; i < COMMAND_LIST_MAX; i++)
        free(owned[i]);
    for (size_t i = 0; i < DIVE_SIGNER_KEYS_MAX; i++)
        sign_key_free(&s->loaded[i]);
    sign_list_free(&s->list);
    return r;
}

int command_sign(const struct command *command, int argc, char **argv)
{
    static struct sign s; /* too large for a stack; the command runs once */
    const struct command_option own[] = {
        {"key", true, .list = &s.key},
        {"keyid", true, .list = &s.keyid},
        {"label", true, .list = &s.label},
        {"component", true, .list = &s.component},
        {"header", true, .list = &s.header},
        {"draft", true, &s.draft},
        {"hash", true, &s.hash},
        {"created", true, &s.created},
        {"expires", true, &s.expires},
        {"format", true, &s.format},
        {"root", true, &s.root},
        {"prefix", true, &s.prefix},
        {"site", true, &s.site},
        {"files-from", true, &s.files_from},
        {"null", false, &s.null},
        {"manifest", true, &s.manifest},
        {"output", true, &s.output},
        {"output-dir", true, &s.output_dir},
        {"force", false, &s.force},
        {"jobs", true, &s.jobs},
        {"passphrase-file", true, &s.passphrase_file},
        {"pin-file", true, &s.pin_file},
        {"insecure-key-permissions", false, &s.insecure},
        {NULL, false, NULL},
    };
    int r = command_parse(command, argc, argv, own, 0, SIGN_FILES_MAX, &s.options);

    if (r != 0)
        return r < 0 ? COMMAND_OK : r;
    return sign_all(&s);
}
