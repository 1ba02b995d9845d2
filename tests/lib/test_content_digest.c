/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The six hashes with the published vectors of "abc" and of nothing, streaming, and Content-Digest.
 */
#include <stdio.h>

#include <criterion/criterion.h>

#include <openssl/evp.h>

#include "lib/content_digest.h"

#define ALL (DIVE_HASH_BIT(DIVE_HASH_COUNT) - 1)

/* FIPS 180-4 and FIPS 202 examples: "abc" */
static const char *const abc_hex[DIVE_HASH_COUNT] = {
    [DIVE_HASH_SHA256] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    [DIVE_HASH_SHA384] = "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163"
                         "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
    [DIVE_HASH_SHA512] = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                         "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    [DIVE_HASH_SHA3_256] = "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
    [DIVE_HASH_SHA3_384] = "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c25"
                           "96da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
    [DIVE_HASH_SHA3_512] = "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e"
                           "10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
};

static bool is_hex(const uint8_t *bytes, size_t n, const char *hex)
{
    char byte[3];

    if (strlen(hex) != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        snprintf(byte, sizeof(byte), "%02x", bytes[i]);
        if (memcmp(byte, hex + 2 * i, 2) != 0)
            return false;
    }
    return true;
}

/* A finished set over `text`. */
static struct dive_digests *digests_of(const char *text, unsigned hashes)
{
    struct dive_digests *d = NULL;

    cr_assert_eq(dive_digests_new(&d, hashes), 0);
    cr_assert_eq(dive_digests_update(d, text, strlen(text)), 0);
    cr_assert_eq(dive_digests_finish(d), 0);
    return d;
}

/* "name=:base64:" for the digest of `text`. */
static void member_of(char *out, size_t size, enum dive_hash hash, const char *text)
{
    struct dive_digests *d = digests_of(text, DIVE_HASH_BIT(hash));
    char base64[2 * DIVE_HASH_MAX_BYTES];

    EVP_EncodeBlock((unsigned char *)base64, dive_digests_get(d, hash), (int)dive_hash_bytes(hash));
    snprintf(out, size, "%s=:%s:", dive_hash_field_name(hash), base64);
    dive_digests_free(&d);
}

static int parse(struct dive_content_digest *out, const char *field)
{
    return dive_content_digest_parse(out, dive_span_str(field));
}

#define ABC_SHA256 "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:"

Test(content_digest, the_published_vectors)
{
    struct dive_digests *d = digests_of("abc", ALL);

    for (unsigned i = 0; i < DIVE_HASH_COUNT; i++) {
        const uint8_t *value = dive_digests_get(d, i);

        cr_assert_not_null(value);
        cr_expect(is_hex(value, dive_hash_bytes(i), abc_hex[i]), "%s", dive_hash_record_name(i));
    }
    dive_digests_free(&d);
    cr_expect_null(d);
    dive_digests_free(&d);
}

Test(content_digest, the_digest_does_not_depend_on_how_the_content_comes)
{
    char content[1000];
    struct dive_digests *whole = NULL, *pieces = NULL;

    memset(content, 'x', sizeof(content));
    cr_assert_eq(dive_digests_new(&whole, ALL), 0);
    cr_assert_eq(dive_digests_new(&pieces, ALL), 0);
    cr_assert_eq(dive_digests_update(whole, content, sizeof(content)), 0);
    for (size_t at = 0, n = 0; at < sizeof(content); at += n, n = (n + 7) % 131) {
        if (n > sizeof(content) - at)
            n = sizeof(content) - at;
        cr_assert_eq(dive_digests_update(pieces, content + at, n), 0);
    }
    cr_assert_eq(dive_digests_finish(whole), 0);
    cr_assert_eq(dive_digests_finish(pieces), 0);
    for (unsigned i = 0; i < DIVE_HASH_COUNT; i++)
        cr_expect_arr_eq(dive_digests_get(whole, i), dive_digests_get(pieces, i),
                         dive_hash_bytes(i));
    dive_digests_free(&whole);
    dive_digests_free(&pieces);
}

Test(content_digest, empty_content_has_a_digest)
{
    struct dive_digests *d = NULL;

    cr_assert_eq(dive_digests_new(&d, DIVE_HASH_BIT(DIVE_HASH_SHA256)), 0);
    cr_assert_eq(dive_digests_update(d, NULL, 0), 0);
    cr_assert_eq(dive_digests_finish(d), 0);
    cr_expect(is_hex(dive_digests_get(d, DIVE_HASH_SHA256), 32,
                     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    dive_digests_free(&d);
}

Test(content_digest, a_digest_is_there_only_after_finish_and_only_if_asked_for)
{
    struct dive_digests *d = NULL;

    cr_assert_eq(dive_digests_new(&d, DIVE_HASH_BIT(DIVE_HASH_SHA384)), 0);
    cr_expect_null(dive_digests_get(d, DIVE_HASH_SHA384));
    cr_assert_eq(dive_digests_update(d, "abc", 3), 0);
    cr_expect_null(dive_digests_get(d, DIVE_HASH_SHA384));
    cr_assert_eq(dive_digests_finish(d), 0);
    cr_expect_not_null(dive_digests_get(d, DIVE_HASH_SHA384));
    cr_expect_null(dive_digests_get(d, DIVE_HASH_SHA256));
    cr_expect_null(dive_digests_get(d, DIVE_HASH_COUNT));
    dive_digests_free(&d);
}

Test(content_digest, bytes_after_the_end_spoil_the_set)
{
    struct dive_digests *d = digests_of("abc", ALL);

    cr_expect_eq(dive_digests_update(d, "d", 1), DIVE_E_STATE);
    cr_expect_null(dive_digests_get(d, DIVE_HASH_SHA256));
    cr_expect_eq(dive_digests_finish(d), DIVE_E_STATE);
    cr_expect_null(dive_digests_get(d, DIVE_HASH_SHA256));
    dive_digests_free(&d);
}

Test(content_digest, finishing_twice_spoils_the_set)
{
    struct dive_digests *d = digests_of("abc", ALL);

    cr_expect_eq(dive_digests_finish(d), DIVE_E_STATE);
    cr_expect_null(dive_digests_get(d, DIVE_HASH_SHA256));
    dive_digests_free(&d);
}

Test(content_digest, an_empty_or_unknown_set_is_refused)
{
    struct dive_digests *d = (struct dive_digests *)&d;

    cr_expect_eq(dive_digests_new(&d, 0), DIVE_E_UNSUPPORTED);
    cr_expect_null(d);
    cr_expect_eq(dive_digests_new(&d, DIVE_HASH_BIT(DIVE_HASH_COUNT)), DIVE_E_UNSUPPORTED);
    cr_expect_null(d);
}

Test(content_digest, only_the_six_permitted_names_are_known)
{
    enum dive_hash hash;

    for (unsigned i = 0; i < DIVE_HASH_COUNT; i++) {
        cr_expect_eq(dive_hash_from_record_name(dive_span_str(dive_hash_record_name(i)), &hash), 0);
        cr_expect_eq((unsigned)hash, i);
        cr_expect_eq(dive_hash_from_field_name(dive_span_str(dive_hash_field_name(i)), &hash), 0);
        cr_expect_eq((unsigned)hash, i);
    }
    cr_expect_eq(dive_hash_from_record_name(dive_span_str("sha-256"), &hash), DIVE_E_UNSUPPORTED);
    cr_expect_eq(hash, DIVE_HASH_COUNT);
    cr_expect_eq(dive_hash_from_field_name(dive_span_str("sha256"), &hash), DIVE_E_UNSUPPORTED);
    cr_expect_eq(dive_hash_from_record_name(dive_span_str("SHA256"), &hash), DIVE_E_UNSUPPORTED);
    cr_expect_eq(dive_hash_from_record_name(dive_span_str("md5"), &hash), DIVE_E_UNSUPPORTED);
    cr_expect_eq(dive_hash_from_record_name(dive_span_str("sha1"), &hash), DIVE_E_UNSUPPORTED);
    cr_expect_eq(dive_hash_from_record_name(dive_span_str("crc32"), &hash), DIVE_E_UNSUPPORTED);
    cr_expect_eq(dive_hash_from_record_name(dive_span_str(""), &hash), DIVE_E_UNSUPPORTED);
    cr_expect_str_eq(dive_hash_record_name(DIVE_HASH_COUNT), "none");
    cr_expect_eq(dive_hash_bytes(DIVE_HASH_COUNT), 0);
}

Test(content_digest, the_field_of_the_content_matches)
{
    struct dive_content_digest listed;
    struct dive_digests *d = digests_of("abc", DIVE_HASH_BIT(DIVE_HASH_SHA256));

    cr_assert_eq(parse(&listed, ABC_SHA256), 0);
    cr_expect_eq(listed.hashes, DIVE_HASH_BIT(DIVE_HASH_SHA256));
    cr_expect_not(listed.has_foreign);
    cr_expect_eq(dive_content_digest_check(&listed, d), 0);
    dive_digests_free(&d);
}

Test(content_digest, other_content_is_a_mismatch)
{
    struct dive_content_digest listed;
    struct dive_digests *d = digests_of("abd", ALL);

    cr_assert_eq(parse(&listed, ABC_SHA256), 0);
    cr_expect_eq(dive_content_digest_check(&listed, d), DIVE_E_MISMATCH);
    dive_digests_free(&d);
}

Test(content_digest, every_listed_algorithm_must_match)
{
    struct dive_content_digest listed;
    char good[200], bad[200], field[512];

    for (unsigned i = DIVE_HASH_SHA384; i < DIVE_HASH_COUNT; i++) {
        struct dive_digests *d = digests_of("abc", ALL);

        member_of(good, sizeof(good), i, "abc");
        member_of(bad, sizeof(bad), i, "abd");
        snprintf(field, sizeof(field), "%s, %s", ABC_SHA256, good);
        cr_assert_eq(parse(&listed, field), 0);
        cr_expect_eq(dive_content_digest_check(&listed, d), 0);
        snprintf(field, sizeof(field), "%s, %s", ABC_SHA256, bad);
        cr_assert_eq(parse(&listed, field), 0);
        cr_expect_eq(dive_content_digest_check(&listed, d), DIVE_E_MISMATCH);
        member_of(bad, sizeof(bad), DIVE_HASH_SHA256, "abd");
        snprintf(field, sizeof(field), "%s, %s", bad, good);
        cr_assert_eq(parse(&listed, field), 0);
        cr_expect_eq(dive_content_digest_check(&listed, d), DIVE_E_MISMATCH);
        dive_digests_free(&d);
    }
}

Test(content_digest, every_listed_algorithm_must_be_a_permitted_one)
{
    static const char *const foreign[] = {
        "md5=:kAFQmDzST7DWlj99KOF/cg==:",
        "sha=:qZk+NkcGgWq6PiVxeFDCbJzQ2J0=:",
        "unixsum=:AA==:",
        "sha-224=:AA==:",
        "x=::",
    };
    struct dive_content_digest listed;
    struct dive_digests *d = digests_of("abc", ALL);
    char field[256];

    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        snprintf(field, sizeof(field), "%s, %s", ABC_SHA256, foreign[i]);
        cr_assert_eq(parse(&listed, field), 0);
        cr_expect(listed.has_foreign);
        cr_expect_eq(dive_content_digest_check(&listed, d), DIVE_E_UNSUPPORTED);
        cr_assert_eq(parse(&listed, foreign[i]), 0);
        cr_expect_eq(dive_content_digest_check(&listed, d), DIVE_E_UNSUPPORTED);
    }
    dive_digests_free(&d);
}

Test(content_digest, of_duplicate_members_the_last_wins)
{
    struct dive_content_digest listed;
    struct dive_digests *d = digests_of("abc", ALL);
    char bad[200], field[512];

    member_of(bad, sizeof(bad), DIVE_HASH_SHA256, "abd");
    snprintf(field, sizeof(field), "%s, %s", bad, ABC_SHA256);
    cr_assert_eq(parse(&listed, field), 0);
    cr_expect_eq(dive_content_digest_check(&listed, d), 0);
    snprintf(field, sizeof(field), "%s, %s", ABC_SHA256, bad);
    cr_assert_eq(parse(&listed, field), 0);
    cr_expect_eq(dive_content_digest_check(&listed, d), DIVE_E_MISMATCH);
    dive_digests_free(&d);
}

Test(content_digest, parameters_of_members_are_ignored)
{
    struct dive_content_digest listed;

    cr_expect_eq(parse(&listed, ABC_SHA256 ";a=1;b"), 0);
    cr_expect_eq(listed.hashes, DIVE_HASH_BIT(DIVE_HASH_SHA256));
}

Test(content_digest, what_is_no_dictionary_of_byte_sequences_is_malformed)
{
    static const char *const malformed[] = {
        "",
        " ",
        "sha-256",
        "sha-256=",
        "sha-256=abc",
        "sha-256=\"abc\"",
        "sha-256=1",
        "sha-256=(:AA==:)",
        "md5=abc",
        ABC_SHA256 ",",
        ABC_SHA256 ", md5",
        "SHA-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:",
        "sha-256=ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
    };
    struct dive_content_digest listed;

    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        memset(&listed, 0xff, sizeof(listed));
        cr_expect_eq(parse(&listed, malformed[i]), DIVE_E_SYNTAX, "%s", malformed[i]);
        cr_expect_eq(listed.hashes, 0);
        cr_expect_not(listed.has_foreign);
    }
}

Test(content_digest, a_value_of_another_length_than_the_output_is_malformed)
{
    struct dive_content_digest listed;
    unsigned char bytes[65] = {0};
    char base64[100], field[256];

    for (unsigned hash = 0; hash < DIVE_HASH_COUNT; hash++) {
        for (int by = -1; by <= 1; by++) {
            EVP_EncodeBlock((unsigned char *)base64, bytes, (int)dive_hash_bytes(hash) + by);
            snprintf(field, sizeof(field), "%s=:%s:", dive_hash_field_name(hash), base64);
            cr_expect_eq(parse(&listed, field), by == 0 ? 0 : DIVE_E_SYNTAX, "%s", field);
        }
    }
}

Test(content_digest, a_digest_that_was_not_computed_is_never_a_match)
{
    struct dive_content_digest listed, nothing = {0};
    struct dive_digests *d = digests_of("abc", DIVE_HASH_BIT(DIVE_HASH_SHA512));
    struct dive_digests *unfinished = NULL;

    cr_assert_eq(parse(&listed, ABC_SHA256), 0);
    cr_expect_eq(dive_content_digest_check(&listed, d), DIVE_E_STATE);
    cr_expect_eq(dive_content_digest_check(&nothing, d), DIVE_E_UNSUPPORTED);
    cr_assert_eq(dive_digests_new(&unfinished, ALL), 0);
    cr_expect_eq(dive_content_digest_check(&listed, unfinished), DIVE_E_STATE);
    dive_digests_free(&unfinished);
    dive_digests_free(&d);
}
