/* SPDX-License-Identifier: BSD-2-Clause
 *
 * DIVE-Sig: the grammar, its bounds, and what rejects a whole response.
 */
#include <stdio.h>

#include <criterion/criterion.h>

#include <openssl/evp.h>

#include "lib/dive_sig.h"

static struct dive_sig sig;

static int parse(const char *field)
{
    memset(&sig, 0xff, sizeof(sig));
    return dive_sig_parse(&sig, dive_span_str(field), "www.sub.example.com");
}

/* `key:sha256:` and the base64 of `n` bytes. */
static const char *entry_of(const char *key, size_t n)
{
    static char text[512];
    unsigned char bytes[200];
    char base64[300];

    memset(bytes, 0xa5, sizeof(bytes));
    EVP_EncodeBlock((unsigned char *)base64, bytes, (int)n);
    snprintf(text, sizeof(text), "%s:sha256:%s", key, base64);
    return text;
}

Test(dive_sig, the_two_forms_of_an_entry)
{
    cr_assert_eq(parse("keyABC:sha256:AQID, keyDEF@sub.example.com:sha3-512:/+8="), 0);
    cr_assert_eq(sig.n, 2);
    cr_expect_eq(sig.ignored, 0);
    cr_expect_str_eq(sig.entry[0].key_id, "keyABC");
    cr_expect_str_eq(sig.entry[0].fqdn, "");
    cr_expect_not(sig.entry[0].fqdn_not_parent);
    cr_expect_eq(sig.entry[0].hash, DIVE_HASH_SHA256);
    cr_expect_eq(sig.entry[0].signature_len, 3);
    cr_expect_arr_eq(sig.entry[0].signature, "\1\2\3", 3);
    cr_expect_str_eq(sig.entry[1].key_id, "keyDEF");
    cr_expect_str_eq(sig.entry[1].fqdn, "sub.example.com");
    cr_expect_not(sig.entry[1].fqdn_not_parent);
    cr_expect_eq(sig.entry[1].hash, DIVE_HASH_SHA3_512);
    cr_expect_eq(sig.entry[1].signature_len, 2);
    cr_expect_arr_eq(sig.entry[1].signature, "\xff\xef", 2);
}

Test(dive_sig, every_permitted_hash_by_its_name_in_records)
{
    char field[64];

    for (unsigned i = 0; i < DIVE_HASH_COUNT; i++) {
        snprintf(field, sizeof(field), "k:%s:AQID", dive_hash_record_name(i));
        cr_expect_eq(parse(field), 0, "%s", field);
        cr_expect_eq((unsigned)sig.entry[0].hash, i);
    }
}

Test(dive_sig, white_space_stands_around_commas_and_nowhere_else)
{
    cr_expect_eq(parse(" \ta:sha256:AQID\t ,\t b:sha256:AQID "), 0);
    cr_expect_eq(sig.n, 2);
    cr_expect_eq(parse("a :sha256:AQID"), DIVE_E_SYNTAX);
    cr_expect_eq(parse("a: sha256:AQID"), DIVE_E_SYNTAX);
    cr_expect_eq(parse("a:sha256 :AQID"), DIVE_E_SYNTAX);
    cr_expect_eq(parse("a:sha256: AQID"), DIVE_E_SYNTAX);
    cr_expect_eq(parse("a:sha256:AQ ID"), DIVE_E_SYNTAX);
    cr_expect_eq(parse("a:sha256:AQID\n"), DIVE_E_SYNTAX);
}

Test(dive_sig, one_malformed_entry_rejects_the_response)
{
    static const char *const malformed[] = {
        "",
        " ",
        ",",
        "x",
        "x:",
        "x:sha256",
        "x:sha256:",
        "x::AQID",
        ":sha256:AQID",
        "::",
        "x:sha256:AQID:",
        "x:sha256:AQID:AQID",
        "x-y:sha256:AQID",
        "x.y:sha256:AQID",
        "x@:sha256:AQID",
        "x@a..b:sha256:AQID",
        "x@exa mple.com:sha256:AQID",
        "@a.b:sha256:AQID",
        "x@y@example.com:sha256:AQID",
        "x@127.0.0.1:sha256:AQID",
        "x@[::1]:sha256:AQID",
        "x:sha256;q=1:AQID",
        "x:sh a:AQID",
        "x:sha256:A",
        "x:sha256:AQ",
        "x:sha256:AQI",
        "x:sha256:AQIDA",
        "x:sha256:AQ=",
        "x:sha256:AQ==AQID",
        "x:sha256:====",
        "x:sha256:A===",
        "x:sha256:=QID",
        "x:sha256:AQ=D",
        "x:sha256:AQI_",
        "x:sha256:AQI-",
        "x:sha256::AQID:",
    };
    char field[128];

    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        cr_expect_eq(parse(malformed[i]), DIVE_E_SYNTAX, "%s", malformed[i]);
        cr_expect_eq(sig.n, 0);
        snprintf(field, sizeof(field), "good:sha256:AQID,%s", malformed[i]);
        cr_expect_eq(parse(field), DIVE_E_SYNTAX, "%s", field);
        cr_expect_eq(sig.n, 0, "%s", field);
        snprintf(field, sizeof(field), "%s,good:sha256:AQID", malformed[i]);
        cr_expect_eq(parse(field), DIVE_E_SYNTAX, "%s", field);
    }
}

Test(dive_sig, base64_has_one_text_for_each_value)
{
    cr_expect_eq(parse("x:sha256:AQ=="), 0);
    cr_expect_eq(parse("x:sha256:AR=="), DIVE_E_SYNTAX); /* bits beneath the padding */
    cr_expect_eq(parse("x:sha256:AAE="), 0);
    cr_expect_eq(parse("x:sha256:AAF="), DIVE_E_SYNTAX);
}

Test(dive_sig, a_signature_has_1_to_114_bytes)
{
    cr_expect_eq(parse(entry_of("k", 1)), 0);
    cr_expect_eq(sig.entry[0].signature_len, 1);
    cr_expect_eq(parse(entry_of("k", 64)), 0);
    cr_expect_eq(parse(entry_of("k", 113)), 0);
    cr_expect_eq(parse(entry_of("k", 114)), 0);
    cr_expect_eq(sig.entry[0].signature_len, 114);
    cr_expect_eq(sig.entry[0].signature[113], 0xa5);
    for (size_t n = 115; n < 120; n++)
        cr_expect_eq(parse(entry_of("k", n)), DIVE_E_SYNTAX, "%zu", n);
}

Test(dive_sig, a_key_id_has_1_to_63_characters)
{
    char id[65];

    memset(id, 'k', sizeof(id));
    id[63] = '\0';
    cr_expect_eq(parse(entry_of(id, 64)), 0);
    cr_expect_str_eq(sig.entry[0].key_id, id);
    id[63] = 'k';
    id[64] = '\0';
    cr_expect_eq(parse(entry_of(id, 64)), DIVE_E_SYNTAX);
}

Test(dive_sig, a_prohibited_hash_rejects_the_response)
{
    static const char *const prohibited[] = {"md5", "sha1", "crc32", "sha-256", "SHA256", "sha224"};
    char field[64];

    for (size_t i = 0; i < sizeof(prohibited) / sizeof(prohibited[0]); i++) {
        snprintf(field, sizeof(field), "k:sha256:AQID, x:%s:AQID", prohibited[i]);
        cr_expect_eq(parse(field), DIVE_E_UNSUPPORTED, "%s", field);
        cr_expect_eq(sig.n, 0);
    }
}

Test(dive_sig, entries_past_the_eighth_are_read_but_not_looked_at)
{
    const char *eight = "a:sha256:AQID,b:sha256:AQID,c:sha256:AQID,d:sha256:AQID,"
                        "e:sha256:AQID,f:sha256:AQID,g:sha256:AQID,h:sha256:AQID";
    char field[512];

    cr_assert_eq(parse(eight), 0);
    cr_expect_eq(sig.n, 8);
    cr_expect_eq(sig.ignored, 0);
    snprintf(field, sizeof(field), "%s,i:sha256:AQID", eight);
    cr_assert_eq(parse(field), 0);
    cr_expect_eq(sig.n, 8);
    cr_expect_eq(sig.ignored, 1);
    cr_expect_str_eq(sig.entry[7].key_id, "h");
    snprintf(field, sizeof(field), "%s,i:sha256:AQID,j:md5:AQID", eight);
    cr_expect_eq(parse(field), DIVE_E_UNSUPPORTED);
    snprintf(field, sizeof(field), "%s,i:sha256:AQID,j", eight);
    cr_expect_eq(parse(field), DIVE_E_SYNTAX);
}

Test(dive_sig, one_key_id_twice_the_first_counts)
{
    cr_assert_eq(parse("k:sha256:AQID, k:sha512:BBBB, K:sha384:AAAA"), 0);
    cr_expect_eq(sig.n, 2);
    cr_expect_eq(sig.ignored, 0);
    cr_expect_eq(sig.entry[0].hash, DIVE_HASH_SHA256);
    cr_expect_str_eq(sig.entry[1].key_id, "K"); /* Key IDs are case-sensitive */
}

Test(dive_sig, one_key_id_twice_the_first_counts_whatever_the_fqdn)
{
    cr_assert_eq(parse("k@other.example:sha256:AQID, k:sha512:BBBB, k@example.com:sha384:AAAA"), 0);
    cr_assert_eq(sig.n, 1);
    cr_expect(sig.entry[0].fqdn_not_parent);
}

Test(dive_sig, a_later_duplicate_must_be_well_formed_all_the_same)
{
    cr_expect_eq(parse("k:sha256:AQID, k:sha512:BB"), DIVE_E_SYNTAX);
    cr_expect_eq(parse("k:sha256:AQID, k:md5:BBBB"), DIVE_E_UNSUPPORTED);
}

Test(dive_sig, the_fqdn_is_the_origin_or_a_parent_of_it)
{
    static const struct {
        const char *fqdn, *normal;
        bool covers;
    } rows[] = {
        {"www.sub.example.com", "www.sub.example.com", true},
        {"sub.example.com", "sub.example.com", true},
        {"SUB.Example.COM", "sub.example.com", true},
        {"example.com.", "example.com", true},
        {"com", "com", true},
        {"ub.example.com", "ub.example.com", false},
        {"a.www.sub.example.com", "a.www.sub.example.com", false},
        {"example.org", "example.org", false},
    };
    char field[128];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(field, sizeof(field), "k@%s:sha256:AQID", rows[i].fqdn);
        cr_assert_eq(parse(field), 0, "%s", field);
        cr_expect_str_eq(sig.entry[0].fqdn, rows[i].normal);
        cr_expect_eq(sig.entry[0].fqdn_not_parent, !rows[i].covers, "%s", field);
    }
}

Test(dive_sig, a_field_has_at_most_64_kib)
{
    static char field[65536 + 2];

    memset(field, ' ', sizeof(field) - 1);
    memcpy(field, "k:sha256:AQID", 13);
    cr_expect_eq(dive_sig_parse(&sig, dive_span(field, 65536), "example.com"), 0);
    cr_expect_eq(dive_sig_parse(&sig, dive_span(field, 65537), "example.com"), DIVE_E_LIMIT);
    cr_expect_eq(sig.n, 0);
}

Test(dive_sig, the_signed_bytes_are_the_name_a_colon_and_the_raw_digest)
{
    uint8_t digest[DIVE_HASH_MAX_BYTES], out[DIVE_SIG_INPUT_MAX];
    char expected[DIVE_SIG_INPUT_MAX];

    memset(digest, 0x5a, sizeof(digest));
    for (unsigned i = 0; i < DIVE_HASH_COUNT; i++) {
        int n = snprintf(expected, sizeof(expected), "%s:", dive_hash_record_name(i));

        memset(expected + n, 0x5a, dive_hash_bytes(i));
        cr_expect_eq(dive_sig_input(i, digest, out), (size_t)n + dive_hash_bytes(i));
        cr_expect_arr_eq(out, expected, (size_t)n + dive_hash_bytes(i));
    }
}
