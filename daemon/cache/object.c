/* SPDX-License-Identifier: BSD-2-Clause
 *
 * object: see object.h. The checksum is XXH3: it finds what broke, and isn't meant to find what was
 * forged; content that DIVE covers is checked by its digests instead.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_STATIC_LINKING_ONLY
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "cache/object_private.h"
#include "cache/store_private.h"

struct object_check {
    XXH3_state_t state;
    uint64_t taken;
};

struct object *object_make(struct object_new *new)
{
    struct object *object = calloc(1, sizeof(*object));

    if (object == NULL) {
        object_meta_clear(&new->meta);
        free(new->memory);
        if (new->fd >= 0)
            close(new->fd);
    } else {
        atomic_init(&object->references, 1);
        object->meta = new->meta;
        object->memory = new->memory;
        object->fd = new->fd;
    }
    *new = (struct object_new){.fd = -1};
    return object;
}

uint64_t object_weight(const struct object *object)
{
    const struct object_meta *meta = &object->meta;

    return sizeof(*object) + meta->head.n_bytes + strlen(meta->url) + strlen(meta->vary) + 64 +
           (object->memory != NULL ? meta->size : 0);
}

struct object *object_ref(struct object *object)
{
    atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
    return object;
}

void object_unref(struct object **object)
{
    struct object *old = *object;

    *object = NULL;
    if (old == NULL || atomic_fetch_sub_explicit(&old->references, 1, memory_order_acq_rel) > 1)
        return;
    object_meta_clear(&old->meta);
    free(old->memory);
    if (old->fd >= 0)
        close(old->fd);
    if (old->store != NULL)
        store_unref(old->store);
    free(old);
}

const struct object_meta *object_meta(const struct object *object)
{
    return &object->meta;
}

void object_peek(const struct object *object, uint64_t offset, const void **ptr, size_t *len)
{
    bool there = object->memory != NULL && offset < object->meta.size;

    *ptr = there ? object->memory + offset : NULL;
    *len = there ? (size_t)(object->meta.size - offset) : 0;
}

void object_file(const struct object *object, uint64_t offset, int *fd, off_t *position,
                 uint64_t *len)
{
    bool there = object->memory == NULL && object->fd >= 0 && offset < object->meta.size;

    *fd = there ? object->fd : -1;
    *position = there ? (off_t)offset : 0;
    *len = there ? object->meta.size - offset : 0;
}

bool object_is_checked(const struct object *object)
{
    return atomic_load_explicit(&object->checked, memory_order_relaxed);
}

void object_set_checked(struct object *object)
{
    if (atomic_exchange_explicit(&object->checked, true, memory_order_relaxed))
        return;
    if (object->store != NULL && object->has_content_file)
        store_note_checked(object->store, object);
}

uint64_t object_checksum(const void *data, size_t n)
{
    return XXH3_64bits(data, n);
}

struct object_check *object_check_new(void)
{
    struct object_check *check = aligned_alloc(64, (sizeof(*check) + 63) / 64 * 64);

    if (check == NULL)
        return NULL;
    check->taken = 0;
    XXH3_64bits_reset(&check->state);
    return check;
}

void object_check_update(struct object_check *check, const void *data, size_t n)
{
    check->taken += n;
    XXH3_64bits_update(&check->state, data, n);
}

uint64_t object_check_value(struct object_check **check)
{
    uint64_t value = XXH3_64bits_digest(&(*check)->state);

    free(*check);
    *check = NULL;
    return value;
}

bool object_check_end(struct object_check **check, const struct object *object)
{
    uint64_t taken = (*check)->taken, value = object_check_value(check);

    return object != NULL && object->has_checksum && taken == object->meta.size &&
           value == object->checksum;
}
