/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl records: what DNS says about a domain, judged as the proxy would judge it. See records.h.
 */
#include "cmd/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int records_key_parse(struct records_key *out, const char *text)
{
    const char *at = strchr(text, '@');
    size_t n = at != NULL ? (size_t)(at - text) : strlen(text);

    *out = (struct records_key){0};
    if (!dive_key_id_valid(dive_span(text, n)))
        return DIVE_E_SYNTAX;
    memcpy(out->key_id, text, n);
    if (at == NULL)
        return 0;
    return dive_domain_normalize(dive_span_str(at + 1), out->fqdn) == 0 ? 0 : DIVE_E_SYNTAX;
}

static int add_walk(struct records_run *run)
{
    int r = 0;

    for (const char *d = run->domain; d != NULL && r == 0; d = dive_domain_parent(d)) {
        r = records_add(&run->names, RECORDS_POLICY, d, NULL, false);
        if (r == 0)
            r = records_add(&run->names, RECORDS_PROBE, d, NULL, false);
    }
    return r;
}

/* Where a key is looked for: up to the policy's level; without a policy up to the top, so that
 * there is something to tell. */
static bool level_counts(const struct records_run *run, const char *level)
{
    if (dive_verifier_policy_state(run->verifier) != DIVE_POLICY_FOUND)
        return true;
    return dive_domain_covers(dive_verifier_policy_domain(run->verifier), level);
}

static int add_keys(struct records_run *run)
{
    int r = 0;

    for (size_t i = 0; i < run->n_keys && r == 0; i++) {
        const struct records_key *key = &run->keys[i];

        if (key->fqdn[0] != '\0')
            r = records_add(&run->names, RECORDS_KEY, key->fqdn, key->key_id, true);
        for (const char *d = run->domain; d != NULL && r == 0 && key->fqdn[0] == '\0';
             d = dive_domain_parent(d)) {
            if (level_counts(run, d))
                r = records_add(&run->names, RECORDS_KEY, d, key->key_id, false);
        }
    }
    for (const char *d = run->domain; d != NULL && r == 0 && run->n_keys > 0;
         d = dive_domain_parent(d)) {
        if (level_counts(run, d))
            r = records_add(&run->names, RECORDS_KEY_PROBE, d, NULL, false);
    }
    return r;
}

static int walk(struct records_run *run)
{
    struct dive_options options = {
        .versions = run->config->dive.versions,
        .ignore_bogus = run->config->dive.bogus == CONFIG_FAILURE_IGNORE,
        .ignore_no_answer = run->config->dive.no_answer == CONFIG_FAILURE_IGNORE,
    };
    int r = add_walk(run);

    if (r == 0)
        r = records_ask(run->asker, &run->names);
    if (r == 0)
        r = dive_verifier_new(&run->verifier, &options);
    if (r == 0)
        r = dive_verifier_start(run->verifier, dive_span_str(run->domain), run->now);
    if (r == 0)
        r = records_walk(run->verifier, &run->names, run->now);
    if (r == 0 && dive_verifier_policy_state(run->verifier) == DIVE_POLICY_PENDING)
        r = DIVE_E_INTERNAL;
    return r;
}

static int tell(const struct records_run *run, int r)
{
    if (r == 0)
        return COMMAND_OK;
    command_error("%s: %s", run->domain, dive_strerror(r));
    return r == DIVE_E_LIMIT ? COMMAND_USAGE : EX_OSERR;
}

int records_run_start(struct records_run *run, const struct config *config)
{
    int r;

    run->config = config;
    run->now = time(NULL);
    r = records_asker_new(&run->asker, config);
    if (r != COMMAND_OK)
        return r;
    return tell(run, walk(run));
}

int records_run_keys(struct records_run *run)
{
    int r = add_keys(run);

    return tell(run, r == 0 ? records_ask(run->asker, &run->names) : r);
}

void records_run_clear(struct records_run *run)
{
    json_decref(run->report);
    dive_verifier_free(&run->verifier);
    records_names_free(&run->names);
    records_asker_free(&run->asker);
}

/* The domain and the keys of the command line. */
static int take_arguments(struct records_run *run, const struct command_options *options)
{
    int r = dive_domain_normalize(dive_span_str(options->argv[0]), run->domain);

    if (r != 0) {
        command_error("%s is no domain name%s", options->argv[0],
                      r == DIVE_E_UNSUPPORTED ? ": an address has no policy" : "");
        return COMMAND_USAGE;
    }
    for (int i = 1; i < options->argc; i++) {
        if (records_key_parse(&run->keys[run->n_keys++], options->argv[i]) != 0) {
            command_error("%s is neither KEYID (A-Z a-z 0-9 _) nor KEYID@domain", options->argv[i]);
            return COMMAND_USAGE;
        }
    }
    return COMMAND_OK;
}

static int check(const struct command_options *options)
{
    struct records_run run = {0};
    struct config *config = NULL;
    int r = take_arguments(&run, options);

    if (r == COMMAND_OK)
        r = command_config_or_defaults(options, &config);
    if (r == COMMAND_OK)
        r = records_run_start(&run, config);
    if (r == COMMAND_OK)
        r = records_run_keys(&run);
    if (r != COMMAND_OK)
        goto out;
    if (records_judge(&run) != 0) {
        command_error("memory ran out");
        r = EX_OSERR;
        goto out;
    }
    if (options->json)
        r = command_print_json(run.report);
    else
        records_print(run.report);
    if (r == COMMAND_OK && run.errors > 0)
        r = COMMAND_NO;
out:
    records_run_clear(&run);
    config_unref(&config);
    return r;
}

/* Options of --make that were given without it. */
static bool make_options_given(const struct records_make_options *make)
{
    return make->policy != NULL || make->scopes != NULL || make->https_required != NULL ||
           make->report_only != NULL || make->cache != NULL || make->invalidate != NULL ||
           make->report_to != NULL || make->allowed_hash != NULL || make->key_cache != NULL ||
           make->ttl != NULL || make->key_ttl != NULL || make->keys.n > 0;
}

int command_records(const struct command *command, int argc, char **argv)
{
    struct command_options options;
    struct records_make_options make = {0};
    const char *is_make = NULL;
    const struct command_option own[] = {
        {"make", false, &is_make},
        {"policy", true, &make.policy, NULL, "00|01"},
        {"scopes", true, &make.scopes, NULL, "SCOPE,..."},
        {"https-required", false, &make.https_required},
        {"report-only", false, &make.report_only},
        {"cache", true, &make.cache, NULL, "SECONDS"},
        {"invalidate-keys-cache", true, &make.invalidate, NULL, "TIMESTAMP|now"},
        {"report-to", true, &make.report_to, NULL, "URL"},
        {"ttl", true, &make.ttl, NULL, "SECONDS"},
        {"key", true, NULL, &make.keys, "KEYID=FILE|BASE64"},
        {"allowed-hash", true, &make.allowed_hash, NULL, "HASH,..."},
        {"key-cache", true, &make.key_cache, NULL, "SECONDS"},
        {"key-ttl", true, &make.key_ttl, NULL, "SECONDS"},
        {NULL, false, NULL},
    };
    int r = command_parse(command, argc, argv, own, 1, 1 + RECORDS_KEYS_MAX, &options);

    if (r != 0)
        return r < 0 ? COMMAND_OK : r;
    if (is_make == NULL && make_options_given(&make)) {
        command_error("that option belongs to --make");
        return command_usage(command);
    }
    if (is_make == NULL)
        return check(&options);
    if (options.argc > 1) {
        command_error("--make takes keys by --key KEYID=FILE");
        return command_usage(command);
    }
    return records_make(&options, options.argv[0], &make);
}
