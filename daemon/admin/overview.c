/* SPDX-License-Identifier: BSD-2-Clause
 *
 * overview: what this daemon is doing, as one JSON object: for the admin page (/api/status.json)
 * and for `divectl top` (the control socket's "top"). Nothing in it is a secret; names of hosts and
 * clients are.
 */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "admin/private.h"

#ifndef DIVED_VERSION
#define DIVED_VERSION "unknown"
#endif

#define X(id, word) word,
static const char *const overview_modes[] = {CONFIG_MODES(X)};
#undef X

const char *admin_not_ready(const struct admin *admin)
{
    struct history_totals totals;

    if (admin->shared->draining)
        return "draining";
    if (!admin->shared->listening)
        return "the listeners are not open yet";
    history_totals(&totals);
    /* Nobody has asked yet: it can, for all we know. The trust anchors are loaded, or we wouldn't
     * run. */
    if (totals.dns_answers == 0 && totals.dns_unanswered > 0)
        return "DNS has not given a single answer";
    return NULL;
}

static json_t *overview_counters(void)
{
    struct history_totals totals;
    json_t *verdicts = json_object(), *reasons = json_object();
    int r = 0;

    history_totals(&totals);
    for (unsigned v = 0; v < VERDICT_COUNT; v++)
        r |= json_object_set_new(verdicts, verdict_word(v),
                                 json_integer((json_int_t)totals.verdicts[v]));
    for (unsigned i = DIVE_REASON_NONE + 1; i < DIVE_REASON_COUNT; i++)
        r |= json_object_set_new(reasons, dive_reason_word(i),
                                 json_integer((json_int_t)totals.reasons[i]));
    if (r != 0) {
        json_decref(verdicts);
        json_decref(reasons);
        return NULL;
    }
    return json_pack("{s:I, s:o, s:o, s:I, s:I, s:I, s:I}", "requests", (json_int_t)totals.requests,
                     "verdicts", verdicts, "reasons", reasons, "blocked",
                     (json_int_t)totals.blocked, "reported", (json_int_t)totals.reported,
                     "dns_answers", (json_int_t)totals.dns_answers, "dns_unanswered",
                     (json_int_t)totals.dns_unanswered);
}

static json_t *overview_cache(const struct admin *admin)
{
    struct store_stats stored = {0};

    if (admin->shared->store != NULL)
        store_stats(admin->shared->store, &stored);
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "hits", (json_int_t)metrics.cache_hits, "misses",
                     (json_int_t)metrics.cache_misses, "memory_bytes",
                     (json_int_t)stored.memory_bytes, "disk_bytes", (json_int_t)stored.disk_bytes,
                     "objects", (json_int_t)stored.objects);
}

static json_t *overview_audit(const struct audit_view *view)
{
    char head[CHAIN_TEXT];

    chain_text(&view->head, head);
    return json_pack("{s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:s}", "on", view->keeps, "failing",
                     view->failing, "queued", (json_int_t)view->queued, "events",
                     (json_int_t)metrics.audit_events, "lost", (json_int_t)metrics.audit_lost,
                     "rows", (json_int_t)metrics.audit_rows, "bytes",
                     (json_int_t)metrics.audit_bytes, "head", head);
}

/* A name as JSON text, whatever bytes are in it: the event's columns are UTF-8, the names of the
 * tops are what was seen. */
static json_t *overview_name(const char *name)
{
    json_t *text = json_string(name);

    return text != NULL ? text : json_string("(unprintable)");
}

static json_t *overview_tops(const struct tops_entry *entry, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < n; i++) {
        if (json_array_append_new(list, json_pack("{s:o, s:I, s:I, s:I}", "name",
                                                  overview_name(entry[i].name), "requests",
                                                  (json_int_t)entry[i].requests, "bytes",
                                                  (json_int_t)entry[i].bytes, "failed",
                                                  (json_int_t)entry[i].failed)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *overview_recent(const struct audit_view *view)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < view->n_recent; i++) {
        const struct audit_recent *e = &view->recent[i];

        if (json_array_append_new(
                list, json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "time_ms",
                                (json_int_t)e->time_ms, "exchange", overview_name(e->exchange),
                                "kind", overview_name(e->kind), "client", overview_name(e->client),
                                "method", overview_name(e->method), "host", overview_name(e->host),
                                "url", overview_name(e->url), "reason", overview_name(e->reason),
                                "action", overview_name(e->action))) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* Arrays beside each other take a third of what objects do. */
static json_t *overview_history(const struct history *h)
{
    json_t *list = json_array();

    for (unsigned i = 0; list != NULL && i < h->n; i++) {
        const struct history_sample *s = history_at(h, i);

        if (json_array_append_new(list, json_pack("[I, I, I, I, I, I, I]", (json_int_t)s->time_ms,
                                                  (json_int_t)s->requests, (json_int_t)s->verified,
                                                  (json_int_t)s->failed, (json_int_t)s->blocked,
                                                  (json_int_t)s->connections,
                                                  (json_int_t)s->held_bytes)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return json_pack("{s:i, s:[s, s, s, s, s, s, s], s:o}", "step_s", HISTORY_STEP, "columns",
                     "time_ms", "requests", "verified", "failed", "blocked", "connections",
                     "held_bytes", "samples", list);
}

static json_t *overview_process(struct admin *admin)
{
    struct admin_status status = {0};
    const char *why = admin_not_ready(admin);

    admin->hooks.status(admin->hooks.arg, &status);
    return json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:s, s:b, s:s?, s:I, s:I, s:I, s:I}", "version", DIVED_VERSION,
        "pid", (json_int_t)getpid(), "time_ms", (json_int_t)admin_unix_ms(), "uptime_s",
        (json_int_t)((loop_now_ms(&admin->loop) - admin->started_ms) / 1000), "workers",
        (json_int_t)status.workers, "mode", overview_modes[admin->config->dive.mode], "ready",
        why == NULL, "not_ready", why, "connections", (json_int_t)admin->shared->connections,
        "held_bytes", (json_int_t)hold_account_bytes(&admin->shared->hold), "record_cache_entries",
        (json_int_t)dive_record_cache_entries(admin->shared->records), "log_lines_lost",
        (json_int_t)log_lost_lines());
}

json_t *admin_overview(struct admin *admin, bool whole)
{
    static const struct audit_view nothing;
    struct audit_view *view =
        admin->shared->audit != NULL ? audit_view(admin->shared->audit) : NULL;
    const struct audit_view *seen = view != NULL ? view : &nothing;
    json_t *o = overview_process(admin);
    int r = 0;

    r |= json_object_set_new(o, "counters", overview_counters());
    r |= json_object_set_new(o, "cache", overview_cache(admin));
    r |= json_object_set_new(o, "audit", overview_audit(seen));
    r |= json_object_set_new(o, "hosts", overview_tops(seen->hosts, seen->n_hosts));
    r |= json_object_set_new(o, "clients", overview_tops(seen->clients, seen->n_clients));
    if (whole) {
        r |= json_object_set_new(o, "recent", overview_recent(seen));
        r |= json_object_set_new(o, "history", overview_history(&admin->history));
    }
    free(view);
    if (r == 0)
        return o;
    json_decref(o);
    return NULL;
}
