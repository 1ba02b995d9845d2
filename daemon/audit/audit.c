/* SPDX-License-Identifier: BSD-2-Clause
 *
 * audit: see audit.h. What the data path and the admin thread call; the thread is writer.c.
 */
#include "audit/audit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/private.h"
#include "core/log.h"

static int64_t audit_clock_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t audit_mono_ms(void)
{
    return audit_clock_ms(CLOCK_MONOTONIC);
}

int64_t audit_wall_ms(void)
{
    return audit_clock_ms(CLOCK_REALTIME);
}

static void audit_destroy(struct audit *audit)
{
    struct audit_event *event;

    while ((event = STAILQ_FIRST(&audit->queue)) != NULL) {
        STAILQ_REMOVE_HEAD(&audit->queue, link);
        audit_event_free(&event);
    }
    audit_store_close(&audit->writer.store);
    free(audit->writer.counts);
    free(audit->counts);
    free(audit->file);
    pthread_cond_destroy(&audit->wake);
    pthread_mutex_destroy(&audit->lock);
    free(audit);
}

static struct audit *audit_new(const struct audit_options *options)
{
    struct audit *audit = calloc(1, sizeof(*audit));
    pthread_condattr_t attributes;

    if (audit == NULL)
        return NULL;
    pthread_mutex_init(&audit->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&audit->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    STAILQ_INIT(&audit->queue);
    STAILQ_INIT(&audit->writer.batch);
    audit->options = *options;
    audit->options.file = NULL;
    if (options->file == NULL)
        return audit;
    audit->file = strdup(options->file);
    audit->counts = calloc(1, sizeof(*audit->counts));
    audit->writer.counts = calloc(1, sizeof(*audit->writer.counts));
    if (audit->file == NULL || audit->counts == NULL || audit->writer.counts == NULL)
        audit_destroy(audit), audit = NULL;
    return audit;
}

static int audit_start_thread(struct audit *audit)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&audit->thread, NULL, audit_writer_run, audit);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0)
        return DIVE_E_INTERNAL;
    pthread_setname_np(audit->thread, "dived-audit");
    return 0;
}

int audit_start(struct audit **out, const struct audit_options *options, char *why, size_t why_size)
{
    struct audit *audit = audit_new(options);
    int r = 0;

    *out = NULL;
    snprintf(why, why_size, "out of memory");
    if (audit == NULL)
        return DIVE_E_NOMEM;
    if (audit->file != NULL) {
        r = audit_store_open(&audit->writer.store, audit->file, options->succeeds, why, why_size);
        if (r == 0)
            audit_store_head(audit->writer.store, &audit->head);
        if (r == 0 && audit_start_thread(audit) != 0) {
            snprintf(why, why_size, "the audit store's thread can't be started");
            r = DIVE_E_INTERNAL;
        }
    }
    if (r == 0)
        *out = audit;
    else
        audit_destroy(audit);
    return r;
}

void audit_stop(struct audit **audit)
{
    struct audit *a = *audit;

    if (a == NULL)
        return;
    *audit = NULL;
    if (a->file != NULL) {
        pthread_mutex_lock(&a->lock);
        a->stopping = true;
        pthread_cond_signal(&a->wake);
        pthread_mutex_unlock(&a->lock);
        pthread_join(a->thread, NULL);
    }
    audit_destroy(a);
}

bool audit_reload(struct audit *audit, const struct audit_options *options)
{
    bool same = audit->file == NULL
                    ? options->file == NULL
                    : options->file != NULL && strcmp(audit->file, options->file) == 0;

    pthread_mutex_lock(&audit->lock);
    audit->options = *options;
    audit->options.file = NULL;
    pthread_mutex_unlock(&audit->lock);
    return same;
}

bool audit_keeps(const struct audit *audit)
{
    return audit->file != NULL;
}

static void recent_text(char *out, size_t size, const struct audit_event *event,
                        enum audit_column column)
{
    const char *text = event->v[column].text;
    size_t n = text != NULL ? strlen(text) : 0;

    if (n >= size) {
        n = size - 1;
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--; /* not within a character */
    }
    if (n > 0)
        memcpy(out, text, n);
    out[n] = '\0';
}

static void audit_add_recent(struct audit *audit, const struct audit_event *event)
{
    struct audit_recent *r = &audit->recent[audit->next_recent];

    audit->next_recent = (audit->next_recent + 1) % AUDIT_RECENT;
    if (audit->n_recent < AUDIT_RECENT)
        audit->n_recent++;
    r->time_ms = event->v[AUDIT_TIME].number;
    recent_text(r->exchange, sizeof(r->exchange), event, AUDIT_EXCHANGE);
    recent_text(r->kind, sizeof(r->kind), event, AUDIT_KIND);
    recent_text(r->client, sizeof(r->client), event, AUDIT_CLIENT);
    recent_text(r->method, sizeof(r->method), event, AUDIT_METHOD);
    recent_text(r->host, sizeof(r->host), event, AUDIT_HOST);
    recent_text(r->url, sizeof(r->url), event, AUDIT_URL);
    recent_text(r->reason, sizeof(r->reason), event, AUDIT_REASON);
    recent_text(r->action, sizeof(r->action), event, AUDIT_ACTION);
}

void audit_submit(struct audit *audit, struct audit_event **event)
{
    struct audit_event *e = *event;
    bool lost = e == NULL;

    *event = NULL;
    pthread_mutex_lock(&audit->lock);
    if (e != NULL)
        audit_add_recent(audit, e);
    if (audit->file == NULL) {
        lost = false;
    } else if (e != NULL) {
        lost = audit->n_queue >= audit->options.queue ||
               audit->queue_bytes + e->bytes > AUDIT_QUEUE_BYTES;
        if (!lost) {
            STAILQ_INSERT_TAIL(&audit->queue, e, link);
            audit->n_queue++;
            audit->queue_bytes += e->bytes;
            e = NULL;
            pthread_cond_signal(&audit->wake);
        }
    }
    audit->lost += lost;
    pthread_mutex_unlock(&audit->lock);
    if (lost)
        metrics_add(&metrics.audit_lost, 1);
    audit_event_free(&e);
}

void audit_count(struct audit *audit, const struct audit_seen *seen)
{
    bool failed = seen->verdict == VERDICT_FAILED;
    int64_t now = audit_mono_ms();

    pthread_mutex_lock(&audit->lock);
    tops_add(&audit->hosts, seen->host, seen->bytes, failed, now);
    tops_add(&audit->clients, seen->client, seen->bytes, failed, now);
    if (audit->counts != NULL)
        counts_add(audit->counts, seen->domain, seen->verdict, seen->reason, seen->action);
    pthread_mutex_unlock(&audit->lock);
}

struct audit_view *audit_view(struct audit *audit)
{
    struct audit_view *view = calloc(1, sizeof(*view));

    if (view == NULL)
        return NULL;
    view->keeps = audit->file != NULL;
    pthread_mutex_lock(&audit->lock);
    view->failing = audit->failing;
    view->queued = audit->n_queue;
    view->head = audit->head;
    view->n_recent = audit->n_recent;
    for (unsigned i = 0; i < audit->n_recent; i++)
        view->recent[i] = audit->recent[(audit->next_recent + AUDIT_RECENT - 1 - i) % AUDIT_RECENT];
    view->n_hosts = tops_list(&audit->hosts, view->hosts, AUDIT_VIEW_TOPS);
    view->n_clients = tops_list(&audit->clients, view->clients, AUDIT_VIEW_TOPS);
    pthread_mutex_unlock(&audit->lock);
    return view;
}
