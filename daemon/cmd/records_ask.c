/* SPDX-License-Identifier: BSD-2-Clause
 *
 * records_ask: see records_ask.h.
 */
#include "cmd/records_ask.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/command.h"
#include "worker/resolver_settings.h"

struct records_asker {
    struct loop loop;
    bool loop_ready;
    struct resolver *resolver;
    struct resolver_settings settings;
    char random_label[33]; /* no zone has a name that begins so but by a wildcard */
    /* Of the call that runs: */
    size_t pending;
    int error;
};

struct question {
    struct records_asker *asker;
    struct records_name *name;
    struct resolver_query *query;
};

static int make_random_label(struct records_asker *asker)
{
    unsigned char bytes[12];

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return DIVE_E_INTERNAL;
    snprintf(asker->random_label, sizeof(asker->random_label), "dive-");
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(asker->random_label + 5 + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

int records_asker_new(struct records_asker **out, const struct config *config)
{
    struct records_asker *asker = calloc(1, sizeof(*asker));
    char why[512] = "";
    int r = EX_OSERR;

    *out = NULL;
    if (asker == NULL || resolver_settings_init(&asker->settings, config) != 0 ||
        make_random_label(asker) != 0 || loop_init(&asker->loop) != 0) {
        command_error("memory ran out");
        goto out;
    }
    asker->loop_ready = true;
    if (resolver_new(&asker->resolver, &asker->loop, &asker->settings.resolver, why, sizeof(why)) !=
        0) {
        command_error("%s", why);
        r = EX_CONFIG;
        goto out;
    }
    *out = asker;
    asker = NULL;
    r = COMMAND_OK;
out:
    records_asker_free(&asker);
    return r;
}

void records_asker_free(struct records_asker **asker)
{
    struct records_asker *a = *asker;

    *asker = NULL;
    if (a == NULL)
        return;
    resolver_free(&a->resolver);
    if (a->loop_ready)
        loop_destroy(&a->loop);
    resolver_settings_clear(&a->settings);
    free(a);
}

static int names_grow(struct records_names *names)
{
    struct records_name *grown;

    if (names->n == RECORDS_NAMES_MAX)
        return DIVE_E_LIMIT;
    if (names->n % 16 != 0)
        return 0;
    grown = realloc(names->v, (names->n + 16) * sizeof(*grown));
    if (grown == NULL)
        return DIVE_E_NOMEM;
    names->v = grown;
    return 0;
}

int records_add(struct records_names *names, enum records_kind kind, const char *level,
                const char *key_id, bool exact)
{
    struct records_name *name;
    int r = names_grow(names);

    if (r != 0)
        return r;
    name = &names->v[names->n++];
    *name = (struct records_name){.kind = kind, .level = level, .exact = exact};
    if (kind == RECORDS_KEY)
        snprintf(name->key_id, sizeof(name->key_id), "%s", key_id);
    return 0;
}

void records_names_free(struct records_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        free(names->v[i].txt);
        free(names->v[i].why);
    }
    free(names->v);
    *names = (struct records_names){0};
}

static void write_name(const struct records_asker *asker, struct records_name *name)
{
    static const char *const middle[] = {[RECORDS_POLICY] = "_dive.",
                                         [RECORDS_PROBE] = ".",
                                         [RECORDS_KEY] = "._divekey.",
                                         [RECORDS_KEY_PROBE] = "._divekey."};
    const char *first = name->kind == RECORDS_POLICY ? ""
                        : name->kind == RECORDS_KEY  ? name->key_id
                                                     : asker->random_label;

    snprintf(name->name, sizeof(name->name), "%s%s%s", first, middle[name->kind], name->level);
    name->too_long = strlen(name->name) > DIVE_DOMAIN_MAX;
}

/* One allocation: the spans, then the bytes. */
static int copy_records(struct records_name *name, const struct dive_answer *answer)
{
    size_t bytes = 0;
    char *p;

    for (size_t i = 0; i < answer->n; i++)
        bytes += answer->txt[i].n;
    if (answer->n == 0)
        return 0;
    name->txt = malloc(answer->n * sizeof(*name->txt) + bytes + 1);
    if (name->txt == NULL)
        return DIVE_E_NOMEM;
    p = (char *)(name->txt + answer->n);
    for (size_t i = 0; i < answer->n; i++) {
        if (answer->txt[i].n > 0)
            memcpy(p, answer->txt[i].p, answer->txt[i].n);
        name->txt[i] = dive_span(p, answer->txt[i].n);
        p += answer->txt[i].n;
    }
    name->n = answer->n;
    return 0;
}

static void on_answer(void *arg, const struct dive_answer *answer)
{
    struct question *question = arg;
    struct records_asker *asker = question->asker;
    struct records_name *name = question->name;

    question->query = NULL;
    name->security = answer->security;
    name->ttl = answer->ttl;
    if (copy_records(name, answer) != 0)
        asker->error = DIVE_E_NOMEM;
    if (answer->why != NULL && (name->why = strdup(answer->why)) == NULL)
        asker->error = DIVE_E_NOMEM;
    if (--asker->pending == 0)
        loop_stop(&asker->loop);
}

int records_ask(struct records_asker *asker, struct records_names *names)
{
    size_t n = names->n - names->asked;
    struct question *questions = calloc(n + 1, sizeof(*questions));
    int r = DIVE_E_NOMEM;

    if (questions == NULL)
        return r;
    asker->pending = 0;
    asker->error = 0;
    for (size_t i = 0; i < n; i++) {
        struct question *q = &questions[i];

        *q = (struct question){asker, &names->v[names->asked + i], NULL};
        write_name(asker, q->name);
        if (q->name->too_long) {
            q->name->security = DIVE_DNS_SECURE;
            continue;
        }
        r = resolver_txt(asker->resolver, q->name->name, false, on_answer, q, &q->query);
        if (r != 0)
            goto out;
        asker->pending++;
    }
    if (asker->pending > 0 && loop_run(&asker->loop) != 0) {
        r = DIVE_E_INTERNAL;
        goto out;
    }
    names->asked = names->n;
    r = asker->error;
out:
    for (size_t i = 0; i < n; i++)
        resolver_cancel(&questions[i].query);
    free(questions);
    return r;
}

const struct records_name *records_find(const struct records_names *names, enum records_kind kind,
                                        const char *level)
{
    for (size_t i = 0; i < names->n; i++) {
        if (names->v[i].kind == kind && strcmp(names->v[i].level, level) == 0)
            return &names->v[i];
    }
    return NULL;
}

static const struct records_name *find_by_name(const struct records_names *names, const char *name)
{
    for (size_t i = 0; i < names->asked; i++) {
        if (strcmp(names->v[i].name, name) == 0)
            return &names->v[i];
    }
    return NULL;
}

int records_walk(struct dive_verifier *verifier, const struct records_names *names, int64_t now)
{
    struct dive_want want;

    while (dive_verifier_next_want(verifier, &want)) {
        const struct records_name *name = find_by_name(names, want.name);
        struct dive_answer answer = {.security = DIVE_DNS_NO_ANSWER};
        int r;

        if (name != NULL)
            answer = (struct dive_answer){name->security, name->txt, name->n, name->ttl, name->why};
        if (answer.security != DIVE_DNS_SECURE)
            answer.n = 0;
        r = dive_verifier_answer(verifier, want.id, &answer, now);
        if (r != 0)
            return r;
    }
    return 0;
}
