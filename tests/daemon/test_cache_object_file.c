/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_cache_object_file: an object file gives back what was put into it, or nothing at all.
 */
#include "cache/object_file.h"
#include "tests/daemon/cache_store_lab.h"

static struct object *object;
static char *file;
static size_t length;

static void make(const struct lab_response *r, bool inlined)
{
    struct object_new new = lab_new(r);

    object = object_make(&new);
    cr_assert_not_null(object);
    if (!inlined) {
        object->has_content_file = true;
        memset(object->content_name, 0x5a, CONTENT_NAME);
        object->has_checksum = true;
        object->checksum = 0x0123456789abcdef;
    }
    file = object_file_encode(object, inlined, &length);
}

static void teardown(void)
{
    object_unref(&object);
    free(file);
}

static bool same_span(struct dive_span a, struct dive_span b)
{
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

static void expect_same(const struct object *a, const struct object *b)
{
    const struct object_meta *m = &a->meta, *n = &b->meta;

    cr_assert_arr_eq(m->key.bytes, n->key.bytes, sizeof(m->key.bytes));
    cr_assert_str_eq(m->url, n->url);
    cr_assert_str_eq(m->vary, n->vary);
    cr_assert(m->variant == n->variant && m->size == n->size);
    cr_assert(m->request_time == n->request_time && m->response_time == n->response_time);
    cr_assert(m->head.status == n->head.status && m->head.minor == n->head.minor);
    cr_assert_eq(m->head.content_length, n->head.content_length);
    cr_assert(same_span(m->head.reason, n->head.reason));
    cr_assert_eq(m->head.n_fields, n->head.n_fields);
    for (size_t i = 0; i < m->head.n_fields; i++)
        cr_assert(same_span(m->head.fields[i].name, n->head.fields[i].name) &&
                  same_span(m->head.fields[i].value, n->head.fields[i].value));
    cr_assert_eq(m->verdict.domain == NULL, n->verdict.domain == NULL);
    cr_assert_eq(m->verdict.n_digests, n->verdict.n_digests);
    if (m->verdict.domain != NULL) {
        cr_assert_str_eq(m->verdict.domain, n->verdict.domain);
        cr_assert_str_eq(m->verdict.key_id, n->verdict.key_id);
        cr_assert_eq(m->verdict.key_n, n->verdict.key_n);
        cr_assert_arr_eq(m->verdict.key, n->verdict.key, m->verdict.key_n);
        cr_assert_eq(m->verdict.draft, n->verdict.draft);
    }
    for (size_t i = 0; i < m->verdict.n_digests; i++)
        cr_assert(m->verdict.digests[i].hash == n->verdict.digests[i].hash &&
                  memcmp(m->verdict.digests[i].bytes, n->verdict.digests[i].bytes,
                         dive_hash_bytes(m->verdict.digests[i].hash)) == 0);
    cr_assert_eq(a->has_content_file, b->has_content_file);
    cr_assert_arr_eq(a->content_name, b->content_name, CONTENT_NAME);
    cr_assert(a->has_checksum == b->has_checksum && a->checksum == b->checksum);
}

static const struct lab_response full = {.n = 7,
                                         .url = "https://a.example/x?y",
                                         .vary = "accept,accept-language",
                                         .variant = 99,
                                         .size = 33,
                                         .fill = 'q',
                                         .key_id = "key1@b.example",
                                         .digest = 4};

TestSuite(cache_object_file, .fini = teardown);

Test(cache_object_file, gives_back_what_was_put_in)
{
    struct object *back;

    make(&full, true);
    cr_assert_eq(object_file_decode(&back, file, length), 0);
    expect_same(object, back);
    cr_assert(lab_holds(back, 'q') && object_is_checked(back));
    object_unref(&back);
}

Test(cache_object_file, content_elsewhere)
{
    struct object *back;

    make(&(struct lab_response){.n = 7, .size = MIB}, false);
    cr_assert_lt(length, 1000u);
    cr_assert_eq(object_file_decode(&back, file, length), 0);
    expect_same(object, back);
    cr_assert(back->memory == NULL && back->fd == -1 && !object_is_checked(back));
    object_unref(&back);
}

Test(cache_object_file, no_content)
{
    struct object *back;

    make(&(struct lab_response){.n = 7}, true);
    cr_assert_eq(object_file_decode(&back, file, length), 0);
    expect_same(object, back);
    object_unref(&back);
}

Test(cache_object_file, every_bit_counts)
{
    struct object *back;

    make(&full, true);
    for (size_t i = 0; i < length; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            file[i] ^= (char)(1u << bit);
            cr_assert_eq(object_file_decode(&back, file, length), DIVE_E_SYNTAX, "byte %zu", i);
            cr_assert_null(back);
            file[i] ^= (char)(1u << bit);
        }
}

Test(cache_object_file, no_part_and_no_more_than_all)
{
    struct object *back;
    char *exact;

    make(&full, true);
    for (size_t n = 0; n < length; n++) {
        exact = malloc(n + 1);
        memcpy(exact, file, n);
        cr_assert_eq(object_file_decode(&back, exact, n), DIVE_E_SYNTAX, "%zu bytes", n);
        free(exact);
    }
    exact = calloc(1, length + 1);
    memcpy(exact, file, length);
    cr_assert_eq(object_file_decode(&back, exact, length + 1), DIVE_E_SYNTAX);
    free(exact);
}

/* Whoever can write the checksum too: nothing is read past the end, whatever the numbers say. */
Test(cache_object_file, a_rewritten_checksum_is_no_key_to_memory)
{
    struct object *back;
    uint64_t sum;

    make(&full, true);
    for (size_t i = 16; i < length; i++)
        for (unsigned value = 0; value < 256; value += 51) {
            char old = file[i];
            int r;

            file[i] = (char)value;
            sum = object_checksum(file + 16, length - 16);
            memcpy(file + 8, &sum, sizeof(sum));
            r = object_file_decode(&back, file, length);
            cr_assert(r == 0 || r == DIVE_E_SYNTAX);
            object_unref(&back);
            file[i] = old;
        }
}

Test(cache_object_file, content_up_to_half_a_file)
{
    make(&(struct lab_response){.size = OBJECT_FILE_MAX / 2}, true);
    cr_assert_not_null(file);
    teardown();
    make(&(struct lab_response){.size = OBJECT_FILE_MAX / 2 + 1}, true);
    cr_assert_null(file);
    cr_assert_eq(length, 0u);
}

Test(cache_object_file, a_head_up_to_all_of_a_file)
{
    char *url = malloc(OBJECT_FILE_MAX + 1);
    struct lab_response r = {.url = url};
    struct object *back;
    size_t rest;

    strcpy(url, "x");
    make(&r, true);
    rest = length - 1;
    teardown();
    memset(url, 'x', OBJECT_FILE_MAX);
    url[OBJECT_FILE_MAX - rest] = '\0';
    make(&r, true);
    cr_assert_eq(length, OBJECT_FILE_MAX);
    cr_assert_eq(object_file_decode(&back, file, length), 0);
    object_unref(&back);
    teardown();
    url[OBJECT_FILE_MAX - rest] = 'x';
    url[OBJECT_FILE_MAX - rest + 1] = '\0';
    make(&r, true);
    cr_assert_null(file);
    free(url);
}
