/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl rotate: where a domain stands in key rotation or in the response to a compromise. See
 * rotate.h.
 */
#include "cmd/rotate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cmd/download.h"
#include "http/date.h"

#define URL_REDIRECTS_MAX 10

/* The command line. */
struct rotate_options {
    struct command_list key_ids, news, compromised, headers, urls;
    const char *since;
};

struct rotate {
    struct rotate_options given;
    struct records_run run;
    struct rotate_state state;
    struct rotate_advice advice;
};

/* The files are read before DNS is asked: the keys that they name are asked for as well. */
static int read_headers(struct rotate *rotate, const char *path, enum dive_version version)
{
    char *text = malloc(ROTATE_HEADERS_MAX + 1);
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *f = is_stdin ? stdin : fopen(path, "re");
    const char *name = is_stdin ? "standard input" : path;
    size_t n;
    int r = EX_NOINPUT, error;

    if (f == NULL || text == NULL) {
        command_error("%s: %s", name, strerror(errno));
        goto out;
    }
    r = EX_DATAERR;
    n = fread(text, 1, ROTATE_HEADERS_MAX + 1, f);
    if (ferror(f) != 0) {
        command_error("%s: %s", name, strerror(errno));
        r = EX_IOERR;
        goto out;
    }
    error = n > ROTATE_HEADERS_MAX
                ? DIVE_E_LIMIT
                : rotate_headers(&rotate->state, dive_span(text, n), rotate->run.domain, version);
    if (error == 0)
        r = COMMAND_OK;
    else if (error == DIVE_E_SYNTAX)
        command_error("%s: no response head, as curl -sI prints it", name);
    else
        command_error("%s: %s", name, dive_strerror(error));
out:
    if (f != NULL && !is_stdin)
        fclose(f);
    free(text);
    return r;
}

/* A download by the daemon's own client: its trace tells the Key IDs of the signatures. It has no
 * other fields, so what HTTP caches may keep is known from --headers only. */
static int count_download(struct rotate *rotate, const struct download_result *result,
                          const char *url)
{
    struct rotate_state *s = &rotate->state;
    const json_t *entry;
    uint64_t seen = 0;
    size_t i;

    if (result->status != 0 && result->status != 200) {
        s->others++;
        return COMMAND_OK;
    }
    if (result->end == DOWNLOAD_FAILED || result->status == 0) {
        command_error("%s: %s", url, result->error);
        return result->exit != 0 ? result->exit : EX_UNAVAILABLE;
    }
    json_array_foreach(json_object_get(result->trace, "entries"), i, entry)
    {
        const char *key_id = json_string_value(json_object_get(entry, "key-id"));

        if (key_id != NULL && dive_key_id_valid(dive_span_str(key_id)) &&
            rotate_key_count(s, key_id, "", &seen) != 0) {
            command_error("more than %d keys", ROTATE_KEYS_MAX);
            return EX_DATAERR;
        }
    }
    s->responses++;
    s->unsigned_responses += seen == 0;
    return COMMAND_OK;
}

static int fetch_urls(struct rotate *rotate, struct config *config)
{
    struct runtime *runtime = NULL;
    char why[512] = "";
    int r = COMMAND_OK;

    if (rotate->given.urls.n == 0)
        return r;
    if (runtime_new_outgoing(&runtime, config_ref(config), why, sizeof(why)) != 0) {
        command_error("%s", why);
        return EX_CONFIG;
    }
    for (size_t i = 0; i < rotate->given.urls.n && r == COMMAND_OK; i++) {
        struct download_options options = {
            .url = rotate->given.urls.v[i], .max_redirects = URL_REDIRECTS_MAX, .quiet = true};
        struct download_result result = {0};

        download_run(runtime, &options, &result);
        r = count_download(rotate, &result, options.url);
        download_result_clear(&result);
    }
    runtime_unref(&runtime);
    return r;
}

static int take_keys(struct rotate *rotate, const struct command_list *values, bool is_new,
                     bool is_compromised)
{
    for (size_t i = 0; i < values->n; i++) {
        struct records_key parsed;
        struct rotate_key *key;

        if (records_key_parse(&parsed, values->v[i]) != 0) {
            command_error("%s is neither KEYID (A-Z a-z 0-9 _) nor KEYID@domain", values->v[i]);
            return COMMAND_USAGE;
        }
        key = rotate_key_add(&rotate->state, parsed.key_id, parsed.fqdn);
        if (key == NULL) {
            command_error("more than %d keys", ROTATE_KEYS_MAX);
            return COMMAND_USAGE;
        }
        key->is_new = key->is_new || is_new;
        key->is_compromised = key->is_compromised || is_compromised;
    }
    return COMMAND_OK;
}

static int take_since(struct rotate *rotate)
{
    char *end = NULL;

    if (rotate->given.since == NULL)
        return COMMAND_OK;
    errno = 0;
    rotate->state.since = strtoll(rotate->given.since, &end, 10);
    if (errno == 0 && *end == '\0' && rotate->state.since > 0 &&
        rotate->state.since <= time(NULL) + 1)
        return COMMAND_OK;
    command_error("--since: %s is no Unix time up to now", rotate->given.since);
    return COMMAND_USAGE;
}

/* DNS */

static void judge_key(struct rotate *rotate, struct rotate_key *key)
{
    const struct records_name *name = records_key_name(&rotate->run, &key->key);
    struct dive_key parsed[DIVE_KEYS_PER_NAME_MAX];
    const char *bound;
    int error;

    key->published = ROTATE_ABSENT;
    if (name == NULL)
        return;
    key->ttl = name->ttl;
    if (name->security != DIVE_DNS_SECURE) {
        key->published = ROTATE_UNVALIDATED;
        return;
    }
    key->published = records_good_keys(&rotate->run, name) > 0 ? ROTATE_VALID : ROTATE_INVALID;
    if (dive_key_select(parsed, name->txt, name->n, &error) > 0)
        key->lifetime = records_lifetime(parsed[0].cache, DIVE_KEY_CACHE_CAP, name->ttl, &bound);
    if (error != 0)
        rotate->run.broken = true;
}

/* The policy's own record may have been cached by the resolver and then by the client. */
static void judge_dns(struct rotate *rotate)
{
    struct rotate_state *s = &rotate->state;
    const struct dive_policy *policy = dive_verifier_policy(rotate->run.verifier);
    const char *level = dive_verifier_policy_domain(rotate->run.verifier), *bound;
    const struct records_name *name;

    s->now = rotate->run.now;
    s->has_policy = policy != NULL;
    if (policy != NULL) {
        name = records_find(&rotate->run.names, RECORDS_POLICY, level);
        s->has_scopes = dive_verifier_policy_has_scopes(rotate->run.verifier);
        s->report_only = policy->report_only;
        s->has_invalidate = policy->has_invalidate_keys;
        s->invalidate = policy->invalidate_keys;
        s->policy_age = (name != NULL ? name->ttl : 0) +
                        records_lifetime(policy->cache, dive_version_policy_cap(policy->version),
                                         name != NULL ? name->ttl : 0, &bound);
    }
    for (size_t i = 0; i < rotate->run.names.n; i++) {
        const struct records_name *probe = &rotate->run.names.v[i];

        if (probe->kind == RECORDS_KEY_PROBE && probe->n == 0 && probe->ttl > s->negative_ttl)
            s->negative_ttl = probe->ttl;
    }
    for (size_t i = 0; i < s->n_keys; i++)
        judge_key(rotate, &s->keys[i]);
}

static int gather_keys(struct rotate *rotate)
{
    int r = take_keys(rotate, &rotate->given.key_ids, false, false);

    if (r == COMMAND_OK)
        r = take_keys(rotate, &rotate->given.news, true, false);
    return r == COMMAND_OK ? take_keys(rotate, &rotate->given.compromised, false, true) : r;
}

/* Output */

static const char *published_word(enum rotate_published published)
{
    static const char *const words[] = {"absent", "valid", "invalid", "unvalidated"};

    return words[published];
}

static json_t *lines_json(const struct rotate_line *lines, size_t n, bool steps)
{
    json_t *array = json_array();

    for (size_t i = 0; i < n; i++) {
        json_t *o =
            steps ? json_pack("{s:I, s:s}", "not-before", (json_int_t)lines[i].not_before, "text",
                              lines[i].text)
                  : json_pack("{s:s, s:s}", "severity", records_severity_word(lines[i].severity),
                              "text", lines[i].text);

        if (json_array_append_new(array, o) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *keys_json(const struct rotate_state *s)
{
    json_t *array = json_array();

    for (size_t i = 0; i < s->n_keys; i++) {
        const struct rotate_key *k = &s->keys[i];
        json_t *o = json_pack("{s:s, s:s?, s:s, s:I, s:I, s:I}", "key-id", k->key.key_id, "domain",
                              k->key.fqdn[0] != '\0' ? k->key.fqdn : NULL, "record",
                              published_word(k->published), "ttl", (json_int_t)k->ttl, "lifetime",
                              (json_int_t)k->lifetime, "responses", (json_int_t)k->responses);

        if (json_array_append_new(array, o) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static int print_json(const struct rotate *rotate)
{
    const struct rotate_advice *advice = &rotate->advice;
    json_t *o =
        json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:b}", "domain", rotate->run.domain, "phase",
                  rotate_phase_word(advice->phase), "responses",
                  (json_int_t)rotate->state.responses, "keys", keys_json(&rotate->state),
                  "findings", lines_json(advice->findings, advice->n_findings, false), "steps",
                  lines_json(advice->steps, advice->n_steps, true), "ok", !advice->wrong);
    int r = EX_OSERR;

    if (o != NULL)
        r = command_print_json(o);
    else
        command_error("memory ran out");
    json_decref(o);
    return r;
}

static void print_text(const struct rotate *rotate)
{
    const struct rotate_advice *advice = &rotate->advice;
    const struct rotate_state *s = &rotate->state;

    printf("%s: %s, %zu response(s) looked at\n", rotate->run.domain,
           rotate_phase_word(advice->phase), s->responses);
    for (size_t i = 0; i < s->n_keys; i++) {
        const struct rotate_key *k = &s->keys[i];

        printf("  key %s%s%s: record %s, ttl %u, signs %zu of %zu\n", k->key.key_id,
               k->key.fqdn[0] != '\0' ? "@" : "", k->key.fqdn, published_word(k->published), k->ttl,
               k->responses, s->responses);
    }
    for (size_t i = 0; i < advice->n_findings; i++) {
        printf("%s: ", records_severity_word(advice->findings[i].severity));
        command_print_text(advice->findings[i].text);
        putchar('\n');
    }
    puts("next:");
    for (size_t i = 0; i < advice->n_steps; i++) {
        char date[HTTP_DATE_SIZE];

        if (advice->steps[i].not_before > s->now) {
            http_date_format(date, advice->steps[i].not_before);
            printf("  %zu. not before %s (in %lld s): ", i + 1, date,
                   (long long)(advice->steps[i].not_before - s->now));
        } else {
            printf("  %zu. ", i + 1);
        }
        command_print_text(advice->steps[i].text);
        putchar('\n');
    }
}

/* The policy first: its version says which fields of the responses count. Their keys, and those of
 * the command line, are asked for afterwards. */
static int look(struct rotate *rotate, struct config *config)
{
    enum dive_version version = DIVE_VERSION_DRAFT_01;
    int r = records_run_start(&rotate->run, config);

    if (r == COMMAND_OK && dive_verifier_policy(rotate->run.verifier) != NULL)
        version = dive_verifier_policy(rotate->run.verifier)->version;
    for (size_t i = 0; i < rotate->given.headers.n && r == COMMAND_OK; i++)
        r = read_headers(rotate, rotate->given.headers.v[i], version);
    if (r == COMMAND_OK)
        r = fetch_urls(rotate, config);
    for (size_t i = 0; i < rotate->state.n_keys; i++)
        rotate->run.keys[rotate->run.n_keys++] = rotate->state.keys[i].key;
    if (r == COMMAND_OK)
        r = records_run_keys(&rotate->run);
    if (r != COMMAND_OK)
        return r;
    judge_dns(rotate);
    rotate_judge(&rotate->state, &rotate->advice);
    if (!rotate->run.broken)
        return COMMAND_OK;
    command_error("memory ran out");
    return EX_OSERR;
}

static int run(struct rotate *rotate, const struct command_options *options)
{
    struct config *config = NULL;
    int r = COMMAND_USAGE;

    if (dive_domain_normalize(dive_span_str(options->argv[0]), rotate->run.domain) != 0) {
        command_error("%s is no domain name", options->argv[0]);
        return r;
    }
    r = gather_keys(rotate);
    if (r == COMMAND_OK)
        r = take_since(rotate);
    if (r == COMMAND_OK)
        r = command_config_or_defaults(options, &config);
    if (r == COMMAND_OK)
        r = look(rotate, config);
    if (r == COMMAND_OK && options->json)
        r = print_json(rotate);
    else if (r == COMMAND_OK)
        print_text(rotate);
    if (r == COMMAND_OK && rotate->advice.wrong)
        r = COMMAND_NO;
    records_run_clear(&rotate->run);
    config_unref(&config);
    return r;
}

int command_rotate(const struct command *command, int argc, char **argv)
{
    struct command_options options;
    struct rotate *rotate = calloc(1, sizeof(*rotate));
    int r = EX_OSERR;

    if (rotate == NULL) {
        command_error("memory ran out");
        return r;
    }
    const struct command_option own[] = {
        {"url", true, NULL, &rotate->given.urls, "URL"},
        {"headers", true, NULL, &rotate->given.headers, "FILE"},
        {"key-id", true, NULL, &rotate->given.key_ids, "KEYID"},
        {"new", true, NULL, &rotate->given.news, "KEYID"},
        {"compromised", true, NULL, &rotate->given.compromised, "KEYID"},
        {"since", true, &rotate->given.since, NULL, "TIMESTAMP"},
        {NULL, false, NULL},
    };
    r = command_parse(command, argc, argv, own, 1, 1, &options);
    if (r == 0)
        r = run(rotate, &options);
    else if (r < 0)
        r = COMMAND_OK;
    free(rotate);
    return r;
}
