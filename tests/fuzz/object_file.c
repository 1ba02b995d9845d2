/* SPDX-License-Identifier: BSD-2-Clause
 *
 * object_file: any bytes as an object file of the cache, as they are and with the checksum set
 * right, so that what lies behind it is reached. What is accepted is written as it was read.
 */
#include "cache/object_file.h"
#include "tests/fuzz/fuzz.h"

enum { CHECKSUM_AT = 8, CHECKED_FROM = 16 };

static void decode(const char *in, size_t n)
{
    struct object *object, *again;
    char *bytes;
    size_t written;

    if (object_file_decode(&object, in, n) != 0) {
        CHECK(object == NULL);
        return;
    }
    bytes = object_file_encode(object, !object->has_content_file, &written);
    CHECK(bytes != NULL && written <= OBJECT_FILE_MAX);
    CHECK(object_file_decode(&again, bytes, written) == 0);
    CHECK(strcmp(object->meta.url, again->meta.url) == 0);
    CHECK(object->meta.size == again->meta.size &&
          object->meta.head.n_fields == again->meta.head.n_fields &&
          object->meta.verdict.n_digests == again->meta.verdict.n_digests);
    free(bytes);
    object_unref(&object);
    object_unref(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *in;

    if (n == 0)
        return 0;
    in = fuzz_copy(data, n);

    decode(in, n);
    if (n > CHECKED_FROM) {
        uint64_t sum = object_checksum(in + CHECKED_FROM, n - CHECKED_FROM);

        memcpy(in + CHECKSUM_AT, &sum, sizeof(sum));
        decode(in, n);
    }
    free(in);
    return 0;
}
