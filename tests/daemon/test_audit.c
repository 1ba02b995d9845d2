/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The audit store's parts: canonical form and chain, counts, tops, pruning, the queue and the
 * writer.
 */
#include "audit/audit.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "audit/private.h"
#include "audit/query.h"
#include "audit/schema.h"
#include "cmd/audit.h"

struct audit_lab {
    char dir[64], file[96], why[512];
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void lab_open(struct audit_lab *lab)
{
    memset(lab, 0, sizeof(*lab));
    snprintf(lab->dir, sizeof(lab->dir), "/tmp/dived-audit.XXXXXX");
    cr_assert_not_null(mkdtemp(lab->dir));
    snprintf(lab->file, sizeof(lab->file), "%s/audit.db", lab->dir);
}

static void lab_close(struct audit_lab *lab)
{
    nftw(lab->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct audit_event *event_of(const char *host, int64_t time_ms)
{
    struct audit_event *event = audit_event_new();

    cr_assert_not_null(event);
    event->v[AUDIT_TIME].number = time_ms;
    cr_assert_eq(audit_event_string(event, AUDIT_HOST, host), 0);
    cr_assert_eq(audit_event_string(event, AUDIT_KIND, "failed"), 0);
    return event;
}

/* ---- events ---- */

Test(test_audit, text_of_any_bytes_becomes_utf8_without_nul)
{
    struct audit_event *event = audit_event_new();

    cr_assert_eq(audit_event_text(event, AUDIT_URL, dive_span("a\0b", 3)), 0);
    cr_assert_str_eq(event->v[AUDIT_URL].text, "a\xef\xbf\xbd"
                                               "b");
    cr_assert_eq(audit_event_string(event, AUDIT_URL, "\xff"), 0);
    cr_assert_str_eq(event->v[AUDIT_URL].text, "\xc3\xbf");
    cr_assert_eq(audit_event_string(event, AUDIT_USER, NULL), 0);
    cr_assert_null(event->v[AUDIT_USER].text);
    audit_event_free(&event);
    cr_assert_null(event);
}

Test(test_audit, long_text_is_cut_at_the_limit)
{
    struct audit_event *event = audit_event_new();
    char *text = malloc(AUDIT_TEXT_MAX + 2);

    memset(text, 'x', AUDIT_TEXT_MAX + 1);
    cr_assert_eq(audit_event_text(event, AUDIT_URL, dive_span(text, AUDIT_TEXT_MAX)), 0);
    cr_assert_eq(strlen(event->v[AUDIT_URL].text), AUDIT_TEXT_MAX);
    cr_assert_eq(audit_event_text(event, AUDIT_URL, dive_span(text, AUDIT_TEXT_MAX + 1)), 0);
    cr_assert_eq(strlen(event->v[AUDIT_URL].text), AUDIT_TEXT_MAX);
    free(text);
    audit_event_free(&event);
}

Test(test_audit, keys_and_digests_come_from_the_trace)
{
    struct audit_event *event = audit_event_new();

    audit_event_take(
        event, AUDIT_PROOF,
        strdup("{\"trace\":{\"entries\":[{\"key-id\":\"a\"},{\"key-id\":\"a\"},{\"key-id\":null},"
               "{\"key-id\":\"b\"}],\"digests\":[{\"algorithm\":\"sha256\",\"computed\":\"xx=\"},"
               "{\"algorithm\":\"sha512\",\"computed\":null}]}}"));
    audit_event_derive(event);
    cr_assert_str_eq(event->v[AUDIT_KEY_IDS].text, "a, b");
    cr_assert_str_eq(event->v[AUDIT_DIGESTS].text, "sha256=xx=, sha512");
    audit_event_free(&event);

    event = audit_event_new();
    audit_event_take(event, AUDIT_PROOF, strdup("no json"));
    audit_event_derive(event);
    cr_assert_null(event->v[AUDIT_KEY_IDS].text);
    audit_event_free(&event);
}

/* ---- chain ---- */

Test(test_audit, the_hash_tells_every_column_apart)
{
    struct chain_link zero = {0};
    uint8_t first[CHAIN_HASH], other[CHAIN_HASH];

    for (unsigned i = 0; i < AUDIT_COLUMN_COUNT; i++) {
        struct audit_event *event = audit_event_new();

        cr_assert_eq(chain_hash(zero.hash, 1, event, first), 0);
        if (audit_column_is_text(i))
            audit_event_take(event, i, strdup("")); /* "" isn't absent */
        else
            event->v[i].number = 1;
        cr_assert_eq(chain_hash(zero.hash, 1, event, other), 0);
        cr_assert_neq(memcmp(first, other, CHAIN_HASH), 0, "%s", audit_column_name(i));
        cr_assert_eq(chain_hash(zero.hash, 2, event, first), 0);
        cr_assert_neq(memcmp(first, other, CHAIN_HASH), 0, "the number counts");
        audit_event_free(&event);
    }
}

Test(test_audit, text_can_not_move_between_columns)
{
    struct chain_link zero = {0};
    struct audit_event *a = audit_event_new(), *b = audit_event_new();
    uint8_t one[CHAIN_HASH], other[CHAIN_HASH];

    audit_event_take(a, AUDIT_CLIENT, strdup("ab"));
    audit_event_take(a, AUDIT_USER, strdup("c"));
    audit_event_take(b, AUDIT_CLIENT, strdup("a"));
    audit_event_take(b, AUDIT_USER, strdup("bc"));
    cr_assert_eq(chain_hash(zero.hash, 1, a, one), 0);
    cr_assert_eq(chain_hash(zero.hash, 1, b, other), 0);
    cr_assert_neq(memcmp(one, other, CHAIN_HASH), 0);
    audit_event_free(&a);
    audit_event_free(&b);
}

Test(test_audit, a_link_as_text_and_back)
{
    struct chain_link link = {.number = 42}, back;
    char text[CHAIN_TEXT];
    static const char *const bad[] = {"", "42", "42:", ":00", "42:zz", "x:00", "-1:00"};

    for (unsigned i = 0; i < CHAIN_HASH; i++)
        link.hash[i] = (uint8_t)(i * 7);
    chain_text(&link, text);
    cr_assert_eq(chain_parse(&back, text), 0);
    cr_assert_eq(memcmp(&link, &back, sizeof(link)), 0);
    text[strlen(text) - 1] = '\0';
    cr_assert_eq(chain_parse(&back, text), DIVE_E_SYNTAX);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(chain_parse(&back, bad[i]), DIVE_E_SYNTAX, "%s", bad[i]);
}

/* ---- counts and tops ---- */

Test(test_audit, counts_add_up_also_beyond_their_table)
{
    struct counts *counts = calloc(1, sizeof(*counts));
    uint64_t sum = 0, others = 0;

    for (unsigned i = 0; i < 5000; i++) {
        char name[32];

        snprintf(name, sizeof(name), "h%u.example", i % 2500);
        counts_add(counts, name, VERDICT_VERIFIED, DIVE_REASON_NONE, ACTION_RELEASED);
    }
    /* Every word there is, for a domain that has no place. */
    for (unsigned v = 0; v < VERDICT_COUNT; v++)
        for (unsigned r = 0; r < DIVE_REASON_COUNT; r++)
            for (unsigned a = 0; a < ACTION_COUNT; a++)
                counts_add(counts, "late.example", v, r, a);
    for (unsigned i = 0; i < COUNTS_SLOTS; i++) {
        sum += counts->slot[i].n;
        if (strcmp(counts->slot[i].domain, COUNTS_OTHER) == 0)
            others += counts->slot[i].n;
    }
    cr_assert_eq(sum, 5000 + VERDICT_COUNT * DIVE_REASON_COUNT * ACTION_COUNT);
    cr_assert_gt(others, 0);
    cr_assert_lt(counts->used, COUNTS_SLOTS);
    counts_clear(counts);
    counts_add(counts, NULL, VERDICT_NOT_SUPPORTED, DIVE_REASON_NONE, ACTION_STREAMED);
    cr_assert_eq(counts->used, 1);
    free(counts);
}

Test(test_audit, the_busy_stay_at_the_top_whoever_passes_by)
{
    struct tops *tops = calloc(1, sizeof(*tops));
    struct tops_entry out[4];

    for (unsigned i = 0; i < 20000; i++) {
        char name[32];

        snprintf(name, sizeof(name), "passer%u", i);
        tops_add(tops, name, 1, 0, i);
        if (i % 10 == 0)
            tops_add(tops, "busy", 10, i % 20 == 0, i);
    }
    tops_add(tops, NULL, 1, 0, 1);
    tops_add(tops, "", 1, 0, 1);
    cr_assert_eq(tops_list(tops, out, 4), 4);
    cr_assert_str_eq(out[0].name, "busy");
    cr_assert_eq(out[0].requests, 2000);
    cr_assert_eq(out[0].bytes, 20000);
    cr_assert_eq(out[0].failed, 1000);
    free(tops);
}

/* ---- the store ---- */

static void store_add(struct audit_store *store, unsigned n, int64_t time_ms, size_t proof)
{
    cr_assert_eq(audit_store_begin(store), 0, "%s", audit_store_why(store));
    for (unsigned i = 0; i < n; i++) {
        struct audit_event *event = event_of("a.example", time_ms);

        if (proof > 0) {
            char *text = malloc(proof + 3);

            memset(text, 'x', proof + 2);
            text[0] = text[proof + 1] = '"';
            text[proof + 2] = '\0';
            audit_event_take(event, AUDIT_PROOF, text);
        }
        cr_assert_eq(audit_store_append(store, event), 0, "%s", audit_store_why(store));
        audit_event_free(&event);
    }
    cr_assert_eq(audit_store_commit(store), 0, "%s", audit_store_why(store));
}

static struct audit_verdict verify(struct audit_lab *lab, const struct chain_link *through)
{
    struct audit_query *query;
    struct audit_verdict verdict;

    cr_assert_eq(audit_query_open(&query, lab->file, lab->why, sizeof(lab->why)), 0, "%s",
                 lab->why);
    cr_assert_eq(audit_query_verify(query, through, &verdict), 0);
    audit_query_close(&query);
    return verdict;
}

Test(test_audit, pruning_by_size_keeps_the_chain_and_the_limit)
{
    struct audit_lab lab;
    struct audit_store *store;
    struct audit_verdict verdict;
    struct chain_link early, late;
    uint64_t bytes, rows, pruned = 0, n;
    int64_t newest;

    lab_open(&lab);
    cr_assert_eq(audit_store_open(&store, lab.file, false, lab.why, sizeof(lab.why)), 0, "%s",
                 lab.why);
    store_add(store, 100, 1000, 2000);
    audit_store_head(store, &early);
    store_add(store, 1500, 2000, 2000);
    audit_store_size(store, &bytes, &rows, &newest);
    cr_assert_gt(bytes, 2 << 20);
    cr_assert_eq(rows, 1600);
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(audit_store_prune(store, 1 << 20, 0, 8, &n), 0);
        pruned += n;
    }
    audit_store_size(store, &bytes, &rows, &newest);
    cr_assert_eq(pruned % STORE_SEGMENT, 0);
    cr_assert_eq(rows, 1600 - pruned);
    cr_assert_leq(bytes, 1 << 20);
    cr_assert_gt(rows, 0);
    audit_store_head(store, &late);
    cr_assert_eq(late.number, 1600);
    audit_store_close(&store);
    verdict = verify(&lab, &late);
    cr_assert_eq(verdict.walk.fault, CHAIN_NONE);
    cr_assert_eq(verdict.anchor.number, (int64_t)pruned);
    cr_assert_eq(verify(&lab, &early).walk.fault, CHAIN_NONE, "a head that is pruned");
    cr_assert_eq(verify(&lab, &verdict.anchor).walk.fault, CHAIN_NONE);
    late.hash[0] ^= 1;
    cr_assert_eq(verify(&lab, &late).walk.fault, CHAIN_HEAD);
    /* And it goes on. */
    cr_assert_eq(audit_store_open(&store, lab.file, false, lab.why, sizeof(lab.why)), 0, "%s",
                 lab.why);
    store_add(store, 1, 3000, 0);
    audit_store_close(&store);
    cr_assert_eq(verify(&lab, NULL).walk.fault, CHAIN_NONE);
    lab_close(&lab);
}

Test(test_audit, pruning_by_age_takes_whole_segments_of_old_rows_only)
{
    struct audit_lab lab;
    struct audit_store *store;
    uint64_t n;

    lab_open(&lab);
    cr_assert_eq(audit_store_open(&store, lab.file, false, lab.why, sizeof(lab.why)), 0, "%s",
                 lab.why);
    store_add(store, STORE_SEGMENT - 1, 1000, 0);
    cr_assert_eq(audit_store_prune(store, 1 << 30, 5000, 8, &n), 0);
    cr_assert_eq(n, 0, "no whole segment");
    store_add(store, 1, 1000, 0);
    store_add(store, STORE_SEGMENT, 9000, 0);
    cr_assert_eq(audit_store_prune(store, 1 << 30, 1000, 8, &n), 0);
    cr_assert_eq(n, 0, "not old enough");
    cr_assert_eq(audit_store_prune(store, 1 << 30, 1001, 8, &n), 0);
    cr_assert_eq(n, STORE_SEGMENT);
    audit_store_close(&store);
    cr_assert_eq(verify(&lab, NULL).walk.fault, CHAIN_NONE);
    lab_close(&lab);
}

Test(test_audit, only_one_writer_at_a_time)
{
    struct audit_lab lab;
    struct audit_store *one, *two;

    lab_open(&lab);
    cr_assert_eq(audit_store_open(&one, lab.file, false, lab.why, sizeof(lab.why)), 0);
    cr_assert_eq(audit_store_open(&two, lab.file, false, lab.why, sizeof(lab.why)), DIVE_E_STATE);
    cr_assert_null(two);
    cr_assert_not_null(strstr(lab.why, "another daemon"));
    audit_store_close(&one);
    cr_assert_eq(audit_store_open(&two, lab.file, false, lab.why, sizeof(lab.why)), 0);
    audit_store_close(&two);
    lab_close(&lab);
}

/* During an upgrade the old process finishes what it has, and writes that. */
Test(test_audit, a_successor_writes_beside_its_predecessor_into_one_chain)
{
    struct audit_lab lab;
    struct audit_store *one, *two, *three;
    uint64_t bytes, rows, n;
    int64_t newest;

    lab_open(&lab);
    cr_assert_eq(audit_store_open(&one, lab.file, false, lab.why, sizeof(lab.why)), 0);
    store_add(one, STORE_SEGMENT, 1000, 0);
    cr_assert_eq(audit_store_open(&two, lab.file, true, lab.why, sizeof(lab.why)), 0);
    store_add(two, 3, 2000, 0);
    store_add(one, 2, 3000, 0);
    cr_assert_eq(audit_store_prune(one, 1 << 30, 1500, 8, &n), 0);
    cr_assert_eq(n, STORE_SEGMENT);
    store_add(two, 1, 4000, 0);
    audit_store_size(two, &bytes, &rows, &newest);
    cr_assert_eq(rows, 6);
    cr_assert_eq(audit_store_open(&three, lab.file, false, lab.why, sizeof(lab.why)), DIVE_E_STATE);
    audit_store_close(&one);
    store_add(two, 1, 5000, 0); /* and takes the lock */
    cr_assert_eq(audit_store_open(&three, lab.file, false, lab.why, sizeof(lab.why)), DIVE_E_STATE);
    audit_store_close(&two);
    cr_assert_eq(verify(&lab, NULL).walk.fault, CHAIN_NONE);
    cr_assert_eq(verify(&lab, NULL).rows, 7);
    lab_close(&lab);
}

struct prune_job {
    struct audit_store *store;
    atomic_bool started;
};

static void *prune_one(void *arg)
{
    struct prune_job *job = arg;
    uint64_t n;

    atomic_store(&job->started, true);
    (void)!audit_store_prune(job->store, 1 << 30, 5000, 1, &n); /* busy for too long: also right */
    return NULL;
}

/* It has looked at the oldest segment and waits for the write lock, while another process prunes
 * two. The anchor must not go back to the first of them. */
Test(test_audit, two_that_prune_at_a_time_leave_an_honest_chain)
{
    struct audit_lab lab;
    struct prune_job job = {0};
    pthread_t thread;
    sqlite3 *other;

    lab_open(&lab);
    cr_assert_eq(audit_store_open(&job.store, lab.file, false, lab.why, sizeof(lab.why)), 0);
    store_add(job.store, 2 * STORE_SEGMENT, 1000, 0);
    store_add(job.store, 5, 9000, 0);
    cr_assert_eq(sqlite3_open(lab.file, &other), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    cr_assert_eq(pthread_create(&thread, NULL, prune_one, &job), 0);
    while (!atomic_load(&job.started))
        usleep(1000);
    usleep(200000);
    cr_assert_eq(sqlite3_exec(other,
                              "UPDATE chain SET number = 512, hash = (SELECT hash FROM event WHERE "
                              "number = 512) WHERE place = 'anchor';"
                              "DELETE FROM event WHERE number <= 512; COMMIT",
                              NULL, NULL, NULL),
                 SQLITE_OK, "%s", sqlite3_errmsg(other));
    pthread_join(thread, NULL);
    sqlite3_close(other);
    cr_assert_eq(verify(&lab, NULL).walk.fault, CHAIN_NONE);
    cr_assert_eq(verify(&lab, NULL).anchor.number, 512);
    store_add(job.store, 1, 9000, 0);
    audit_store_close(&job.store);
    cr_assert_eq(verify(&lab, NULL).rows, 6);
    lab_close(&lab);
}

/* No byte can be written, as on a full disk: a new store, and one that is there already. */
Test(test_audit, a_full_disk_at_the_start_is_waited_for)
{
    struct audit_lab lab;
    struct audit_store *store;
    struct rlimit none = {0}, before;

    lab_open(&lab);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    none.rlim_max = before.rlim_max;
    for (unsigned i = 0; i < 2; i++) {
        setrlimit(RLIMIT_FSIZE, &none);
        cr_assert_eq(audit_store_open(&store, lab.file, false, lab.why, sizeof(lab.why)), 0, "%s",
                     lab.why);
        cr_assert_not(audit_store_is_attached(store));
        cr_assert_neq(audit_store_begin(store), 0);
        cr_assert_not(audit_store_is_damaged(store));
        setrlimit(RLIMIT_FSIZE, &before);
        store_add(store, 3, 1000, 0);
        audit_store_close(&store);
        cr_assert_eq(verify(&lab, NULL).walk.fault, CHAIN_NONE);
        cr_assert_eq(verify(&lab, NULL).rows, 3 * (i + 1));
    }
    lab_close(&lab);
}

Test(test_audit, the_number_of_damaged_files_is_bounded)
{
    struct audit_lab lab;
    struct audit_store *store;

    lab_open(&lab);
    for (int i = 0; i < STORE_DAMAGED_MAX + 1; i++) {
        FILE *f = fopen(lab.file, "w");
        int r;

        for (int n = 0; n < 500; n++)
            fputs("this is no database\n", f);
        fclose(f);
        r = audit_store_open(&store, lab.file, false, lab.why, sizeof(lab.why));
        if (i < STORE_DAMAGED_MAX)
            cr_assert_eq(r, 0, "%d: %s", i, lab.why);
        else
            cr_assert_neq(r, 0);
        audit_store_close(&store);
    }
    lab_close(&lab);
}

/* ---- the whole ---- */

static const struct audit_options *options_of(const struct audit_lab *lab, unsigned queue)
{
    static struct audit_options options;

    options = (struct audit_options){
        .file = lab->file, .max_size = 1 << 30, .max_age_ms = 0, .queue = queue, .head_ms = 0};
    return &options;
}

Test(test_audit, what_was_submitted_is_there_after_the_end)
{
    struct audit_lab lab;
    struct audit *audit;
    struct audit_view *view;
    struct audit_verdict verdict;

    lab_open(&lab);
    cr_assert_eq(audit_start(&audit, options_of(&lab, 100000), lab.why, sizeof(lab.why)), 0, "%s",
                 lab.why);
    cr_assert(audit_keeps(audit));
    for (int i = 0; i < 1000; i++) {
        struct audit_event *event = event_of("h.example", i);
        const struct audit_seen seen = {.host = "h.example",
                                        .client = "10.0.0.1",
                                        .domain = "example",
                                        .verdict = VERDICT_FAILED,
                                        .reason = DIVE_REASON_KEY_INVALID,
                                        .action = ACTION_BLOCKED};

        audit_count(audit, &seen);
        audit_submit(audit, &event);
        cr_assert_null(event);
    }
    view = audit_view(audit);
    cr_assert_eq(view->n_recent, AUDIT_RECENT);
    cr_assert_eq(view->recent[0].time_ms, 999);
    cr_assert_str_eq(view->hosts[0].name, "h.example");
    cr_assert_eq(view->clients[0].failed, 1000);
    free(view);
    audit_stop(&audit);
    verdict = verify(&lab, NULL);
    cr_assert_eq(verdict.walk.fault, CHAIN_NONE);
    cr_assert_eq(verdict.rows, 1000);
    lab_close(&lab);
}

Test(test_audit, a_full_queue_loses_and_counts_and_never_waits)
{
    struct audit_lab lab;
    struct audit *audit;
    sqlite3 *other;
    uint64_t lost;

    lab_open(&lab);
    cr_assert_eq(audit_start(&audit, options_of(&lab, 16), lab.why, sizeof(lab.why)), 0, "%s",
                 lab.why);
    cr_assert_eq(sqlite3_open(lab.file, &other), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    for (int i = 0; i < 40; i++) {
        struct audit_event *event = event_of("h.example", i);

        audit_submit(audit, &event);
    }
    lost = metrics.audit_lost;
    cr_assert_eq(lost, 40 - 16, "%llu", (unsigned long long)lost);
    sqlite3_close(other);
    audit_stop(&audit);
    cr_assert_eq(verify(&lab, NULL).rows, 16);
    lab_close(&lab);
}

Test(test_audit, without_a_file_there_is_the_live_view_only)
{
    struct audit_options options = {.queue = 16};
    struct audit_event *event = event_of("h.example", 1);
    struct audit_view *view;
    struct audit *audit;
    char why[128];

    cr_assert_eq(audit_start(&audit, &options, why, sizeof(why)), 0);
    cr_assert_not(audit_keeps(audit));
    audit_submit(audit, &event);
    view = audit_view(audit);
    cr_assert_eq(view->n_recent, 1);
    cr_assert_not(view->keeps);
    free(view);
    options.file = "/tmp/another.db";
    cr_assert_not(audit_reload(audit, &options), "a file takes a restart");
    audit_stop(&audit);
    cr_assert_null(audit);
}

Test(test_audit, a_clock_that_jumps_empties_nothing)
{
    struct audit_writer w = {0};
    const int64_t day = 86400000, now = 20000 * day;

    cr_assert(audit_writer_trusts_clock(&w, now, 1000, now - day, 90 * day));
    cr_assert(audit_writer_trusts_clock(&w, now + 60000, 61000, now, 90 * day));
    cr_assert_not(audit_writer_trusts_clock(&w, now + 300 * day, 121000, now, 90 * day));
    cr_assert_not(audit_writer_trusts_clock(&w, now + 120000, 181000, now, 90 * day), "and back");
    cr_assert(
        audit_writer_trusts_clock(&w, now + 2 * day, 181000 + 2 * day - 120000 + 0, now, 90 * day));
    /* A start with a clock that is far ahead. */
    w = (struct audit_writer){0};
    cr_assert_not(audit_writer_trusts_clock(&w, now + 300 * day, 1000, now, 90 * day));
}

/* ---- divectl's side ---- */

Test(test_audit, times_of_the_command_line)
{
    static const struct {
        const char *text;
        int r;
        int64_t ms;
    } rows[] = {
        {"30d", 0, 1000000000000 - 30LL * 86400000},
        {"12h", 0, 1000000000000 - 12LL * 3600000},
        {"2w", 0, 1000000000000 - 14LL * 86400000},
        {"1970-01-02", 0, 86400000},
        {"1970-01-02T01:00:00Z", 0, 90000000},
        {"10000d", 0, 1000000000000 - 10000LL * 86400000},
        {"10001d", DIVE_E_SYNTAX, 0},
        {"", DIVE_E_SYNTAX, 0},
        {"d", DIVE_E_SYNTAX, 0},
        {"30", DIVE_E_SYNTAX, 0},
        {"30days", DIVE_E_SYNTAX, 0},
        {"-3d", DIVE_E_SYNTAX, 0},
        {"1970-01-02T01:00:00", DIVE_E_SYNTAX, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t ms;

        cr_assert_eq(audit_time_parse(rows[i].text, 1000000000000, &ms), rows[i].r, "%s",
                     rows[i].text);
        if (rows[i].r == 0)
            cr_assert_eq(ms, rows[i].ms, "%s: %lld", rows[i].text, (long long)ms);
    }
}

Test(test_audit, markup_in_text_is_text)
{
    char *out = NULL;
    size_t n;
    FILE *f = open_memstream(&out, &n);

    audit_html_text(f, "<b a=\"x\" b='y'>&\x1b[0m\n");
    fclose(f);
    cr_assert_str_eq(out, "&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;\xef\xbf\xbd[0m\n");
    free(out);
}

Test(test_audit, a_host_can_not_break_out_of_its_rule)
{
    struct audit_lab lab;
    struct audit_store *store;
    struct audit_query *query;
    struct audit_event *event;
    json_t *report;

    lab_open(&lab);
    cr_assert_eq(audit_store_open(&store, lab.file, false, lab.why, sizeof(lab.why)), 0, "%s",
                 lab.why);
    event = event_of("x\", deny: true}\n- {host: \"*", 1000);
    event->v[AUDIT_WOULD_BLOCK].number = 1;
    cr_assert_eq(audit_store_begin(store), 0);
    cr_assert_eq(audit_store_append(store, event), 0);
    cr_assert_eq(audit_store_commit(store), 0);
    audit_event_free(&event);
    audit_store_close(&store);
    cr_assert_eq(audit_query_open(&query, lab.file, lab.why, sizeof(lab.why)), 0);
    report = audit_report(query, 0, 2000);
    cr_assert_not_null(report);
    cr_assert_str_eq(json_string_value(json_object_get(
                         json_array_get(json_object_get(report, "would_block"), 0), "rule")),
                     "- {host: \"x\\\", deny: true}\\n- {host: \\\"*\", mode: report-only}");
    json_decref(report);
    audit_query_close(&query);
    lab_close(&lab);
}
