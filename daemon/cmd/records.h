/* SPDX-License-Identifier: BSD-2-Clause
 *
 * records: what the files of `divectl records` share.
 *
 *      records.c        the command; the walk, then the keys
 *      records_ask.c    DNS, and the verifier's decision
 *      records_lint.c   one record's text
 *      records_judge.c  what the answers mean together: wildcards, unsigned zones, lifetimes
 *      records_print.c  for people
 *      records_make.c   --make: the other way round, from options to zone-file lines
 *
 * Everything found goes into one JSON object first; the text for people is printed from it.
 */
#ifndef DIVED_CMD_RECORDS_H
#define DIVED_CMD_RECORDS_H

#include <jansson.h>

#include "cmd/command.h"
#include "cmd/records_ask.h"
#include "cmd/records_lint.h"

#define RECORDS_KEYS_MAX 64

/* A key that was asked for on the command line. */
struct records_key {
    char key_id[DIVE_KEY_ID_MAX + 1];
    char fqdn[DIVE_DOMAIN_BUF]; /* "": looked for from the domain upward */
};

/* One run. */
struct records_run {
    const struct config *config;
    char domain[DIVE_DOMAIN_BUF]; /* in normal form */
    struct records_key keys[RECORDS_KEYS_MAX];
    size_t n_keys;
    struct records_asker *asker;
    struct dive_verifier *verifier; /* its policy walk is over */
    struct records_names names;
    int64_t now;    /* Unix seconds */
    json_t *report; /* what was found */
    size_t errors, warnings;
    bool broken; /* memory ran out somewhere in the report */
};

/* "KEYID" or "KEYID@fqdn"; DIVE_E_SYNTAX when it is neither. */
int records_key_parse(struct records_key *out, const char *text) DIVE_MUST_USE;

/* Walks for the policy of run->domain; then asks for run->keys and the wildcards beside them. Both
 * give an exit code that was told, or COMMAND_OK. records_run_clear() in any case. */
int records_run_start(struct records_run *run, const struct config *config) DIVE_MUST_USE;
int records_run_keys(struct records_run *run) DIVE_MUST_USE;
void records_run_clear(struct records_run *run);

/* Makes run->report. 0 or a negative DIVE_E*. */
int records_judge(struct records_run *run) DIVE_MUST_USE;

/* Whether both names have the same set of records, and any. */
bool records_same(const struct records_name *a, const struct records_name *b);

/* The seconds that the daemon keeps the record: the least of the three; *bound says which, "ttl",
 * "cache" or "cap". */
int64_t records_lifetime(int64_t cache, int64_t cap, uint32_t ttl, const char **bound);

/* The name whose records are used for the key, or which gives no validated answer about it; NULL:
 * the key is not found. */
const struct records_name *records_key_name(const struct records_run *run,
                                            const struct records_key *key);
/* How many usable keys stand there. Sets run->broken when memory runs out. */
size_t records_good_keys(struct records_run *run, const struct records_name *name);

void records_print(const json_t *report);

/* divectl records --make. */
struct records_make_options {
    const char *policy;         /* version: "01" or "00"; NULL: no policy line */
    const char *scopes;         /* words with commas; NULL: absent */
    const char *https_required; /* not NULL: given */
    const char *report_only;
    const char *cache;
    const char *invalidate;
    const char *report_to;
    const char *allowed_hash;
    const char *key_cache;
    const char *ttl, *key_ttl;
    struct command_list keys; /* KEYID=FILE or KEYID=BASE64 */
};
int records_make(const struct command_options *options, const char *domain,
                 const struct records_make_options *make);

#endif
