/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sign_run: see sign_run.h.
 */
#include "cmd/sign_run.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/sign_file.h"
#include "http/url.h"

/* A result is told of by `done`; the lock is only for a main thread that sleeps. */
struct sign_run {
    const struct sign_common *common;
    struct sign_list *list;
    atomic_size_t next;
    atomic_bool stop;
    atomic_bool *done; /* one an item */
    atomic_size_t waited_for;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    pthread_t thread[SIGN_JOBS_MAX];
    unsigned jobs;
};

static void fail(struct sign_item *item, int code, const char *why)
{
    item->code = code;
    free(item->text);
    item->text = NULL;
    if (why != NULL && asprintf(&item->error, "%s: %s", item->file, why) < 0)
        item->error = NULL;
}

static const char *why_not_signed(int error)
{
    switch (error) {
    case DIVE_E_NOT_FOUND:
        return "a covered component is absent (--header, --site)";
    case DIVE_E_UNSUPPORTED:
        return "a covered component can't stand in the signature of a response";
    case DIVE_E_TYPE:
        return "a component, label or time can't stand in a signature (expires after created?)";
    case DIVE_E_MISMATCH:
        return "the key made a signature that its own public key doesn't verify";
    case DIVE_E_INTERNAL:
        return "the key can't sign";
    default:
        return dive_strerror(error);
    }
}

/* The request that ;req components are made of: GET of the file's URL. */
static int request_of(const struct sign_common *common, const struct sign_item *item,
                      struct http_url *url, struct dive_request *out)
{
    char *path, *text = NULL;
    int r = DIVE_E_NOMEM;

    if (item->path == NULL)
        return DIVE_E_NOT_FOUND;
    path = sign_path_encode(item->path);
    if (path != NULL && asprintf(&text, "%s%s", common->site, path) >= 0)
        r = http_url_parse(url, dive_span_str(text)) == 0 ? 0 : DIVE_E_TYPE;
    free(path);
    free(text);
    if (r == 0)
        *out = (struct dive_request){
            .method = dive_span_str("GET"),
            .scheme = dive_span_str(url->https ? "https" : "http"),
            .authority = dive_span_str(url->authority),
            .path = url->path,
            .query = url->query,
            .target = dive_span_str(url->target),
        };
    return r;
}

static int sign_01(const struct sign_common *common, const struct sign_item *item,
                   const struct dive_digests *digests, struct dive_signed *out)
{
    struct dive_sign_options options = common->options;
    struct dive_span components[SIGN_ITEM_COMPONENTS_MAX];
    struct dive_request request;
    struct http_url url = {0};
    int r = 0;

    *out = (struct dive_signed){0};
    if (item->components != NULL) {
        for (size_t i = 0; i < item->n_components; i++)
            components[i] = dive_span_str(item->components[i]);
        options.components = components;
        options.n_components = item->n_components;
    }
    if (item->has_created) {
        options.has_created = true;
        options.created = item->created;
    }
    if (item->has_expires) {
        options.has_expires = true;
        options.expires = item->expires;
    }
    if (common->site != NULL) {
        r = request_of(common, item, &url, &request);
        options.request = &request;
    }
    if (r == 0)
        r = dive_sign(out, common->keys, common->n_keys, digests, &options);
    http_url_clear(&url);
    return r;
}

static enum dive_hash first_hash(unsigned hashes)
{
    unsigned hash = 0;

    while (hash + 1 < DIVE_HASH_COUNT && (hashes & DIVE_HASH_BIT(hash)) == 0)
        hash++;
    return (enum dive_hash)hash;
}

/* Makes the folders that `path` lies in, below its first `n` bytes. Other workers do the same. */
static void make_folders(char *path, size_t n)
{
    for (char *slash = strchr(path + n + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0755); /* if it fails, so does the file, and that is told */
        *slash = '/';
    }
}

/* Where FILE.headers goes: beside the file, or below the output folder by the URL's path: two files
 * never have one. */
static int write_headers(const struct sign_common *common, struct sign_item *item)
{
    const char *why = "no memory";
    char *path = NULL;
    int r = EX_OSERR, n;

    if (common->output_dir == NULL) {
        n = asprintf(&path, "%s.headers", item->file);
    } else {
        if (item->path == NULL) {
            fail(item, COMMAND_NO, "its URL isn't known: --root, or \"path\" in a manifest");
            return COMMAND_NO;
        }
        n = asprintf(&path, "%s%s.headers", common->output_dir, item->path);
        if (n >= 0)
            make_folders(path, strlen(common->output_dir));
    }
    if (n >= 0) {
        r = sign_file_write(path, item->text, common->force, &why);
        if (r != COMMAND_OK) {
            free(item->file);
            item->file = path;
            fail(item, r, why);
            return r;
        }
        free(path);
    } else {
        fail(item, r, why);
    }
    return r;
}

static void format_item(const struct sign_common *common, struct sign_item *item,
                        const struct dive_signed *made, const char *dive_sig)
{
    const struct sign_format_field fields[SIGN_FORMAT_FIELDS_MAX] = {
        {dive_sig != NULL ? "DIVE-Sig" : "Content-Digest",
         dive_sig != NULL ? dive_sig : made->content_digest},
        {"Signature-Input", made->signature_input},
        {"Signature", made->signature},
    };
    const char *why;

    item->text = sign_format_text(common->format, item->file, item->path, fields,
                                  dive_sig != NULL ? 1 : SIGN_FORMAT_FIELDS_MAX, &why);
    if (item->text == NULL)
        fail(item, why != NULL ? COMMAND_NO : EX_OSERR, why != NULL ? why : "no memory");
    else if (common->format == SIGN_FORMAT_HEADERS)
        (void)!write_headers(common, item);
}

static void do_item(const struct sign_common *common, struct sign_item *item, void *buffer)
{
    unsigned hashes = item->hashes != 0 ? item->hashes : common->hashes;
    struct dive_digests *digests = NULL;
    struct dive_signed made = {0};
    char *dive_sig = NULL;
    const char *why;
    int r;

    if (common->draft_00 && (hashes & (hashes - 1)) != 0) {
        fail(item, COMMAND_USAGE, "draft 00 signs one hash only");
        return;
    }
    r = sign_file_digests(item->file, hashes, buffer, &digests, &why);
    if (r != COMMAND_OK) {
        fail(item, r, why);
        return;
    }
    if (common->draft_00)
        r = dive_sign_00(&dive_sig, common->keys, common->n_keys, digests, first_hash(hashes));
    else
        r = sign_01(common, item, digests, &made);
    if (r == 0)
        format_item(common, item, &made, dive_sig);
    else
        fail(item, r == DIVE_E_NOMEM ? EX_OSERR : COMMAND_NO, why_not_signed(r));
    free(dive_sig);
    dive_signed_free(&made);
    dive_digests_free(&digests);
}

static void *work(void *arg)
{
    struct sign_run *run = arg;
    void *buffer = malloc(SIGN_READ_BYTES);
    size_t i;

    while (!atomic_load(&run->stop) && (i = atomic_fetch_add(&run->next, 1)) < run->list->n) {
        if (buffer != NULL)
            do_item(run->common, &run->list->v[i], buffer);
        else
            fail(&run->list->v[i], EX_OSERR, "no memory");
        atomic_store(&run->done[i], true);
        if (atomic_load(&run->waited_for) == i) {
            pthread_mutex_lock(&run->lock);
            pthread_cond_signal(&run->woken);
            pthread_mutex_unlock(&run->lock);
        }
    }
    free(buffer);
    return NULL;
}

int sign_run_start(const struct sign_common *common, struct sign_list *list, unsigned jobs,
                   struct sign_run **out)
{
    struct sign_run *run = calloc(1, sizeof(*run));

    *out = NULL;
    if (run != NULL)
        run->done = calloc(list->n + 1, sizeof(*run->done));
    if (run == NULL || run->done == NULL) {
        command_error("no memory");
        free(run);
        return EX_OSERR;
    }
    run->common = common;
    run->list = list;
    atomic_store(&run->waited_for, SIZE_MAX);
    pthread_mutex_init(&run->lock, NULL);
    pthread_cond_init(&run->woken, NULL);
    if (jobs > list->n)
        jobs = (unsigned)list->n;
    while (run->jobs < jobs && run->jobs < SIGN_JOBS_MAX &&
           pthread_create(&run->thread[run->jobs], NULL, work, run) == 0)
        run->jobs++;
    *out = run;
    if (run->jobs > 0 || list->n == 0)
        return COMMAND_OK;
    command_error("can't start a thread");
    sign_run_free(out);
    return EX_OSERR;
}

void sign_run_wait(struct sign_run *run, size_t i)
{
    if (atomic_load(&run->done[i]))
        return;
    pthread_mutex_lock(&run->lock);
    /* First said, then looked: a worker that is done in between sees it, or we do. */
    atomic_store(&run->waited_for, i);
    while (!atomic_load(&run->done[i]))
        pthread_cond_wait(&run->woken, &run->lock);
    pthread_mutex_unlock(&run->lock);
}

void sign_run_free(struct sign_run **run)
{
    struct sign_run *r = *run;

    if (r == NULL)
        return;
    atomic_store(&r->stop, true);
    for (unsigned i = 0; i < r->jobs; i++)
        pthread_join(r->thread[i], NULL);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->woken);
    free(r->done);
    free(r);
    *run = NULL;
}
