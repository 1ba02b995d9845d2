/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Object files: the way there and back, every damage to one byte, every length, and files that are
 * well-formed but say what can't be.
 */
#include "cache/object_file.h"

#include "tests/daemon/store_lab.h"

static struct object *make(const struct lab_item *item)
{
    struct object_new new = {.fd = -1};

    new.memory = lab_content(item->seed, item->size);
    lab_meta(&new.meta, item, new.memory);
    return object_make(&new);
}

static char *encode(const struct lab_item *item, size_t *n)
{
    struct object *object = make(item);
    char *bytes = object_file_encode(object, true, n);

    cr_assert_not_null(bytes);
    object_unref(&object);
    return bytes;
}

/* In a block of exactly its size, for the sanitizer. */
static int decode(const char *bytes, size_t n, struct object **out)
{
    char *copy = malloc(n > 0 ? n : 1);
    int r;

    memcpy(copy, bytes, n);
    r = object_file_decode(out, copy, n);
    free(copy);
    cr_assert_eq(r == 0, *out != NULL);
    return r;
}

static const struct lab_item items[] = {
    {.n = 1, .seed = 1, .size = 0},
    {.n = 2, .seed = 2, .size = 30},
    {.n = 3, .seed = 3, .size = 60, .key_id = "key@keys.example"},
    {.n = 4, .seed = 4, .size = 1, .vary = "accept,cookie", .variant = UINT64_MAX},
};
#define N_ITEMS (sizeof(items) / sizeof(items[0]))

Test(object_file, there_and_back)
{
    for (size_t i = 0; i < N_ITEMS; i++) {
        struct object *object;
        size_t n;
        char *bytes = encode(&items[i], &n);

        cr_assert_eq(decode(bytes, n, &object), 0);
        lab_expect_object(object, &items[i]);
        cr_assert(object_is_checked(object));
        object_unref(&object);
        free(bytes);
    }
}

Test(object_file, content_elsewhere)
{
    const struct lab_item item = {.n = 1, .seed = 1, .size = 100};
    struct object *object = make(&item), *back;
    uint8_t name[CONTENT_NAME];
    size_t n;
    char *bytes;

    for (size_t i = 0; i < CONTENT_NAME; i++)
        name[i] = object->content_name[i] = (uint8_t)(i + 1);
    object->has_content_file = true;
    object->has_checksum = true;
    object->checksum = UINT64_MAX;
    bytes = object_file_encode(object, false, &n);
    cr_assert_eq(decode(bytes, n, &back), 0);
    cr_assert(back->has_content_file);
    cr_assert_eq(memcmp(back->content_name, name, CONTENT_NAME), 0);
    cr_assert(back->has_checksum);
    cr_assert_eq(back->checksum, UINT64_MAX);
    cr_assert_eq(back->meta.size, 100);
    cr_assert_null(back->memory);
    cr_assert_not(object_is_checked(back), "nobody has looked at it");
    object_unref(&back);
    object_unref(&object);
    free(bytes);
}

Test(object_file, every_bit)
{
    for (size_t i = 0; i < N_ITEMS; i++) {
        struct object *object;
        size_t n;
        char *bytes = encode(&items[i], &n);

        for (size_t bit = 0; bit < 8 * n; bit++) {
            bytes[bit / 8] ^= (char)(1 << bit % 8);
            cr_assert_eq(decode(bytes, n, &object), DIVE_E_SYNTAX, "bit %zu", bit);
            bytes[bit / 8] ^= (char)(1 << bit % 8);
        }
        free(bytes);
    }
}

Test(object_file, every_length)
{
    for (size_t i = 0; i < N_ITEMS; i++) {
        struct object *object;
        size_t n;
        char *bytes = encode(&items[i], &n);

        for (size_t k = 0; k < n; k++)
            cr_assert_eq(decode(bytes, k, &object), DIVE_E_SYNTAX, "%zu bytes", k);
        bytes = realloc(bytes, n + 1);
        bytes[n] = 0;
        cr_assert_eq(decode(bytes, n + 1, &object), DIVE_E_SYNTAX);
        free(bytes);
    }
}

/* Each byte of the meta with several values, under a checksum that is right: never a crash, and
 * what is accepted can be written again to the same bytes. */
Test(object_file, well_formed_nonsense)
{
    static const uint8_t values[] = {0, 1, 2, 5, 0x7f, 0x80, 0xff};
    unsigned accepted = 0;

    for (size_t i = 0; i < N_ITEMS; i++) {
        size_t n, again_n;
        char *bytes = encode(&items[i], &n);

        for (size_t at = 16; at < n; at++) {
            for (size_t v = 0; v < sizeof(values); v++) {
                char old = bytes[at], *again;
                uint64_t checksum;
                struct object *object;

                bytes[at] = (char)values[v];
                checksum = object_checksum(bytes + 16, n - 16);
                memcpy(bytes + 8, &checksum, sizeof(checksum));
                if (decode(bytes, n, &object) == 0 && !object->has_content_file) {
                    again = object_file_encode(object, true, &again_n);
                    cr_assert_not_null(again);
                    cr_assert_leq(again_n, n);
                    accepted++;
                    free(again);
                }
                object_unref(&object);
                bytes[at] = old;
            }
        }
        free(bytes);
    }
    cr_assert_gt(accepted, 100);
}

Test(object_file, what_is_too_large_is_not_written)
{
    struct lab_item item = {.n = 1, .seed = 1, .size = OBJECT_FILE_MAX};
    struct object *object = make(&item);
    struct dive_field *fields;
    struct http_head head;
    size_t n;

    cr_assert_null(object_file_encode(object, true, &n));
    cr_assert_eq(n, 0);
    object->meta.size = 10;
    fields = calloc(10001, sizeof(*fields));
    for (size_t i = 0; i < 10001; i++)
        fields[i] = (struct dive_field){dive_span_str("A"), dive_span_str("b")};
    for (size_t k = 10000; k <= 10001; k++) {
        char *bytes;

        cr_assert_eq(http_head_with_fields(&head, &object->meta.head, fields, k), 0);
        http_head_clear(&object->meta.head);
        object->meta.head = head;
        bytes = object_file_encode(object, true, &n);
        cr_assert_eq(bytes != NULL, k == 10000, "what can't be read is not written");
        if (bytes != NULL) {
            struct object *back;

            cr_assert_eq(decode(bytes, n, &back), 0);
            object_unref(&back);
        }
        free(bytes);
    }
    free(fields);
    object_unref(&object);
}
