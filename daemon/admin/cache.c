/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The control socket's questions about the cache: what is in it, and that something is to go. They
 * run in the admin's own thread; walking a large store takes its time there and nowhere else.
 */
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "admin/private.h"
#include "cache/freshness.h"
#include "cache/key.h"
#include "cache/store.h"

#define CACHE_LIST_MAX 1000 /* objects of one answer */

static const char *const no_cache = "there is no cache: cache.memory and cache.max-size are both 0";

static json_t *cache_verdict(const struct object_verdict *verdict)
{
    if (verdict->domain == NULL)
        return json_null();
    return json_pack("{s:s, s:s?, s:s, s:s}", "policy_domain", verdict->domain, "key_id",
                     verdict->key_id, "version", dive_version_token(verdict->draft), "digest",
                     verdict->n_digests > 0 ? dive_hash_field_name(verdict->digests[0].hash) : "-");
}

static json_t *cache_object(const struct object_meta *meta, bool in_memory, bool on_disk)
{
    struct cache_control none = {.max_age = CONTROL_ABSENT,
                                 .max_stale = CONTROL_ABSENT,
                                 .min_fresh = CONTROL_ABSENT,
                                 .s_maxage = CONTROL_ABSENT};
    struct freshness freshness;
    struct freshness_decision decision;

    freshness_of(&freshness, &meta->head, meta->request_time, meta->response_time);
    freshness_decide(&decision, &freshness, &none, time(NULL));
    return json_pack("{s:s, s:i, s:I, s:I, s:I, s:I, s:s, s:b, s:b, s:o}", "url", meta->url,
                     "status", meta->head.status, "bytes", (json_int_t)meta->size, "stored",
                     (json_int_t)meta->response_time, "age", (json_int_t)decision.age, "ttl",
                     (json_int_t)decision.ttl, "vary", meta->vary, "memory", in_memory, "disk",
                     on_disk, "dive", cache_verdict(&meta->verdict));
}

json_t *admin_cache_stats(struct admin *admin, const json_t *request)
{
    struct store_stats s = {0};

    if (admin->shared->store == NULL)
        return admin_control_failed(no_cache);
    store_stats(admin->shared->store, &s);
    return json_pack(
        "{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b}", "ok", 1,
        "objects", (json_int_t)s.objects, "memory_objects", (json_int_t)s.memory_objects,
        "disk_bytes", (json_int_t)s.disk_bytes, "memory_bytes", (json_int_t)s.memory_bytes,
        "index_bytes", (json_int_t)s.index_bytes, "evicted", (json_int_t)s.evicted, "deduplicated",
        (json_int_t)s.deduplicated, "dropped_corrupt", (json_int_t)s.dropped_corrupt,
        "write_errors", (json_int_t)s.write_errors, "writes_skipped", (json_int_t)s.writes_skipped,
        "queued", (json_int_t)s.queued, "disk_usable", s.disk_usable, "indexing", s.indexing);
}

struct cache_list {
    json_t *objects;
    const char *prefix; /* of the URL; "" for all */
    const char *url;    /* exactly this one; NULL for all */
    bool cut;           /* there are more */
};

static bool cache_list_add(void *arg, const struct object_meta *meta, bool in_memory, bool on_disk)
{
    struct cache_list *list = arg;

    if (strncmp(meta->url, list->prefix, strlen(list->prefix)) != 0 ||
        (list->url != NULL && strcmp(meta->url, list->url) != 0))
        return true;
    list->cut = json_array_size(list->objects) >= CACHE_LIST_MAX ||
                json_array_append_new(list->objects, cache_object(meta, in_memory, on_disk)) != 0;
    return !list->cut;
}

static json_t *cache_answer(struct admin *admin, struct cache_list *list)
{
    list->objects = json_array();
    if (list->objects == NULL)
        return NULL;
    store_each(admin->shared->store, cache_list_add, list);
    return json_pack("{s:b, s:o, s:b}", "ok", 1, "objects", list->objects, "more", list->cut);
}

json_t *admin_cache_list(struct admin *admin, const json_t *request)
{
    const char *prefix = json_string_value(json_object_get(request, "prefix"));
    struct cache_list list = {.prefix = prefix != NULL ? prefix : ""};

    if (admin->shared->store == NULL)
        return admin_control_failed(no_cache);
    return cache_answer(admin, &list);
}

/* The URL in the form in which objects have it; NULL when it is none. The caller's. */
static char *cache_url(const json_t *request, struct http_url *url)
{
    const char *text = json_string_value(json_object_get(request, "url"));

    if (text == NULL || http_url_parse(url, dive_span_str(text)) != 0)
        return NULL;
    return http_url_string(url, false);
}

json_t *admin_cache_show(struct admin *admin, const json_t *request)
{
    struct http_url url = {0};
    char *text = cache_url(request, &url);
    struct cache_list list = {.prefix = "", .url = text};
    json_t *answer;

    if (text == NULL)
        answer = admin_control_failed("cache-show needs the \"url\": a whole http or https URL");
    else if (admin->shared->store == NULL)
        answer = admin_control_failed(no_cache);
    else
        answer = cache_answer(admin, &list);
    if (json_is_true(json_object_get(answer, "ok")) &&
        json_array_size(json_object_get(answer, "objects")) == 0) {
        json_decref(answer);
        answer = admin_control_failed("nothing is stored for this URL");
    }
    free(text);
    http_url_clear(&url);
    return answer;
}

json_t *admin_cache_purge(struct admin *admin, const json_t *request)
{
    const char *host = json_string_value(json_object_get(request, "host"));
    const char *key_id = json_string_value(json_object_get(request, "key-id"));
    struct store *store = admin->shared->store;
    struct http_url url = {0};
    struct store_key key;
    size_t n = 0;
    char *text;

    if (store == NULL)
        return admin_control_failed(no_cache);
    if (store_is_released(store))
        return admin_control_failed("another process is taking over what is stored: ask again");
    if (host != NULL) {
        n = store_purge_host(store, host);
    } else if (key_id != NULL) {
        n = store_purge_key_id(store, key_id);
    } else {
        text = cache_url(request, &url);
        if (text == NULL)
            return admin_control_failed(
                "purge needs a \"url\" (a whole http or https URL), a \"host\" or a \"key-id\"");
        if (key_of_url(&key, &url))
            n = store_purge(store, &key);
        free(text);
        http_url_clear(&url);
    }
    return json_pack("{s:b, s:I}", "ok", 1, "removed", (json_int_t)n);
}
