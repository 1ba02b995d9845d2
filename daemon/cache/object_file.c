/* SPDX-License-Identifier: BSD-2-Clause
 *
 * object_file: see the header. Numbers are in the machine's own byte order: a cache isn't carried
 * elsewhere, and one that is doesn't match `endian`.
 *
 *      struct header | meta: numbers, then strings, each with its length before it | content
 */
#include "cache/object_file.h"

#include <stdlib.h>
#include <string.h>

#include "lib/policy_record.h"

#define MAGIC "DIVEDOB1"
#define ENDIAN 0x01020304u
#define FIELDS_MAX 10000u

struct header {
    char magic[8];
    uint64_t checksum; /* of all that follows this member */
    uint32_t endian, flags;
    uint64_t size;    /* of the content */
    uint32_t meta;    /* bytes */
    uint32_t inlined; /* content bytes behind the meta */
    uint8_t content_name[CONTENT_NAME];
    uint8_t padding[7];
    uint64_t content_checksum;
};

enum { FLAG_CONTENT_FILE = 1, FLAG_CHECKSUM = 2, FLAG_VERDICT = 4, FLAGS_ALL = 7 };

#define CHECKED_FROM offsetof(struct header, endian)

/* ---- writing ---- */

struct writer {
    char *p; /* NULL: counting only */
    size_t n;
};

static void put(struct writer *w, const void *bytes, size_t n)
{
    if (w->p != NULL && n > 0)
        memcpy(w->p + w->n, bytes, n);
    w->n += n;
}

static void put_u64(struct writer *w, uint64_t value)
{
    put(w, &value, sizeof(value));
}

static void put_string(struct writer *w, const void *bytes, size_t n)
{
    uint32_t length = (uint32_t)n;

    put(w, &length, sizeof(length));
    put(w, bytes, n);
}

static void put_verdict(struct writer *w, const struct object_verdict *verdict)
{
    const char *key_id = verdict->key_id != NULL ? verdict->key_id : "";

    put_string(w, verdict->domain, strlen(verdict->domain));
    put_string(w, key_id, strlen(key_id));
    put_string(w, verdict->key, verdict->key_n);
    put_u64(w, verdict->draft);
    put_u64(w, verdict->n_digests);
    for (size_t i = 0; i < verdict->n_digests; i++) {
        put_u64(w, verdict->digests[i].hash);
        put_string(w, verdict->digests[i].bytes, dive_hash_bytes(verdict->digests[i].hash));
    }
}

static void put_meta(struct writer *w, const struct object_meta *meta)
{
    put(w, meta->key.bytes, sizeof(meta->key.bytes));
    put_u64(w, meta->variant);
    put_u64(w, (uint64_t)meta->request_time);
    put_u64(w, (uint64_t)meta->response_time);
    put_u64(w, (uint64_t)meta->head.status);
    put_u64(w, (uint64_t)meta->head.minor);
    put_u64(w, (uint64_t)meta->head.content_length);
    put_string(w, meta->url, strlen(meta->url));
    put_string(w, meta->vary, strlen(meta->vary));
    put_string(w, meta->head.reason.p, meta->head.reason.n);
    put_u64(w, meta->head.n_fields);
    for (size_t i = 0; i < meta->head.n_fields; i++) {
        put_string(w, meta->head.fields[i].name.p, meta->head.fields[i].name.n);
        put_string(w, meta->head.fields[i].value.p, meta->head.fields[i].value.n);
    }
    if (meta->verdict.domain != NULL)
        put_verdict(w, &meta->verdict);
}

char *object_file_encode(const struct object *object, bool inlined, size_t *n)
{
    const struct object_meta *meta = &object->meta;
    struct writer count = {0}, w;
    struct header header = {.magic = MAGIC, .endian = ENDIAN, .size = meta->size};
    char *bytes;

    *n = 0;
    put_meta(&count, meta);
    header.meta = (uint32_t)count.n;
    header.inlined = inlined ? (uint32_t)meta->size : 0;
    if (meta->head.n_fields > FIELDS_MAX || meta->verdict.n_digests > OBJECT_DIGESTS_MAX ||
        count.n > OBJECT_FILE_MAX || (inlined && meta->size > OBJECT_FILE_MAX / 2) ||
        sizeof(header) + count.n + header.inlined > OBJECT_FILE_MAX)
        return NULL;
    if (!inlined) {
        header.flags |= FLAG_CONTENT_FILE;
        memcpy(header.content_name, object->content_name, CONTENT_NAME);
    }
    if (object->has_checksum) {
        header.flags |= FLAG_CHECKSUM;
        header.content_checksum = object->checksum;
    }
    if (meta->verdict.domain != NULL)
        header.flags |= FLAG_VERDICT;
    bytes = malloc(sizeof(header) + count.n + header.inlined);
    if (bytes == NULL)
        return NULL;
    w = (struct writer){.p = bytes};
    put(&w, &header, sizeof(header));
    put_meta(&w, meta);
    put(&w, object->memory, header.inlined);
    header.checksum = object_checksum(bytes + CHECKED_FROM, w.n - CHECKED_FROM);
    memcpy(bytes, &header, sizeof(header));
    *n = w.n;
    return bytes;
}

/* ---- reading ---- */

struct reader {
    const char *p;
    size_t left;
    bool failed; /* it ended early, or a number is out of range; everything read after it is 0 */
};

static const char *take(struct reader *r, size_t n)
{
    const char *p = r->p;

    if (r->failed || n > r->left) {
        r->failed = true;
        return NULL;
    }
    r->p += n;
    r->left -= n;
    return p;
}

static uint64_t take_u64(struct reader *r, uint64_t max)
{
    const char *p = take(r, sizeof(uint64_t));
    uint64_t value = 0;

    if (p != NULL)
        memcpy(&value, p, sizeof(value));
    if (value > max)
        r->failed = true;
    return r->failed ? 0 : value;
}

static struct dive_span take_string(struct reader *r)
{
    uint32_t length = 0;
    const char *p = take(r, sizeof(length));

    if (p != NULL)
        memcpy(&length, p, sizeof(length));
    p = take(r, length);
    return p != NULL ? dive_span(p, length) : dive_span("", 0);
}

/* malloc'd and NUL-terminated; without memory *nomem is set. */
static char *take_text(struct reader *r, bool *nomem)
{
    struct dive_span text = take_string(r);
    char *copy = r->failed || memchr(text.p, '\0', text.n) != NULL ? NULL : malloc(text.n + 1);

    if (copy == NULL) {
        *nomem |= !r->failed && memchr(text.p, '\0', text.n) == NULL;
        r->failed = true;
        return NULL;
    }
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return copy;
}

static void take_verdict(struct reader *r, struct object_verdict *verdict, bool *nomem)
{
    struct dive_span key;

    verdict->domain = take_text(r, nomem);
    verdict->key_id = take_text(r, nomem);
    key = take_string(r);
    if (!r->failed && key.n > 0) {
        verdict->key = malloc(key.n);
        if (verdict->key == NULL) {
            *nomem = r->failed = true;
            return;
        }
        memcpy(verdict->key, key.p, key.n);
        verdict->key_n = key.n;
    }
    verdict->draft = (unsigned)take_u64(r, DIVE_VERSION_COUNT - 1);
    verdict->n_digests = (size_t)take_u64(r, OBJECT_DIGESTS_MAX);
    for (size_t i = 0; i < verdict->n_digests; i++) {
        struct dive_known_digest *digest = &verdict->digests[i];
        struct dive_span bytes;

        digest->hash = (enum dive_hash)take_u64(r, DIVE_HASH_COUNT - 1);
        bytes = take_string(r);
        if (bytes.n != dive_hash_bytes(digest->hash))
            r->failed = true;
        if (r->failed)
            return;
        memcpy(digest->bytes, bytes.p, bytes.n);
    }
}

static void take_head(struct reader *r, struct http_head *out, struct http_head *from, bool *nomem)
{
    struct dive_field *fields;
    size_t n;

    from->reason = take_string(r);
    n = (size_t)take_u64(r, FIELDS_MAX);
    fields = calloc(n + 1, sizeof(*fields));
    if (fields == NULL) {
        *nomem = r->failed = true;
        return;
    }
    for (size_t i = 0; i < n && !r->failed; i++) {
        fields[i].name = take_string(r);
        fields[i].value = take_string(r);
    }
    if (!r->failed && http_head_with_fields(out, from, fields, n) != 0)
        *nomem = r->failed = true;
    free(fields);
}

static void take_meta(struct reader *r, struct object_meta *meta, bool verdict, bool *nomem)
{
    struct http_head from = {.framing = HTTP_BODY_LENGTH, .keep_alive = true};
    const char *key = take(r, sizeof(meta->key.bytes));

    if (key != NULL)
        memcpy(meta->key.bytes, key, sizeof(meta->key.bytes));
    meta->variant = take_u64(r, UINT64_MAX);
    meta->request_time = (int64_t)take_u64(r, INT64_MAX);
    meta->response_time = (int64_t)take_u64(r, INT64_MAX);
    from.status = (int)take_u64(r, 599);
    from.minor = (int)take_u64(r, 1);
    from.content_length = (int64_t)take_u64(r, UINT64_MAX);
    meta->url = take_text(r, nomem);
    meta->vary = take_text(r, nomem);
    take_head(r, &meta->head, &from, nomem);
    if (verdict)
        take_verdict(r, &meta->verdict, nomem);
    if (r->left > 0 || from.status < 200)
        r->failed = true;
}

static bool header_fits(const struct header *header, const char *bytes, size_t n)
{
    bool file = header->flags & FLAG_CONTENT_FILE;

    return memcmp(header->magic, MAGIC, sizeof(header->magic)) == 0 && header->endian == ENDIAN &&
           (header->flags & ~(unsigned)FLAGS_ALL) == 0 && header->size <= INT64_MAX &&
           n == sizeof(*header) + (uint64_t)header->meta + header->inlined &&
           (file ? header->inlined == 0 : header->inlined == header->size) &&
           header->checksum == object_checksum(bytes + CHECKED_FROM, n - CHECKED_FROM);
}

int object_file_decode(struct object **out, const char *bytes, size_t n)
{
    struct object_new new = {.fd = -1};
    struct header header;
    struct reader r;
    bool nomem = false;

    *out = NULL;
    if (n < sizeof(header) || n > OBJECT_FILE_MAX)
        return DIVE_E_SYNTAX;
    memcpy(&header, bytes, sizeof(header));
    if (!header_fits(&header, bytes, n))
        return DIVE_E_SYNTAX;
    r = (struct reader){.p = bytes + sizeof(header), .left = header.meta};
    take_meta(&r, &new.meta, header.flags & FLAG_VERDICT, &nomem);
    new.meta.size = header.size;
    if (!r.failed && header.inlined > 0) {
        new.memory = malloc(header.inlined);
        if (new.memory != NULL)
            memcpy(new.memory, bytes + sizeof(header) + header.meta, header.inlined);
        nomem = new.memory == NULL;
    }
    if (r.failed || nomem) {
        object_meta_clear(&new.meta);
        free(new.memory);
        return nomem ? DIVE_E_NOMEM : DIVE_E_SYNTAX;
    }
    *out = object_make(&new);
    if (*out == NULL)
        return DIVE_E_NOMEM;
    (*out)->has_content_file = header.flags & FLAG_CONTENT_FILE;
    memcpy((*out)->content_name, header.content_name, CONTENT_NAME);
    (*out)->has_checksum = header.flags & FLAG_CHECKSUM;
    (*out)->checksum = header.content_checksum;
    atomic_store(&(*out)->checked, !(*out)->has_content_file);
    return 0;
}
