/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_key_record: what a `_divekey` record must be to be a key.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "lib/key_record.h"

/* 32 and 57 bytes. */
#define K25519 "key=:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=:"
#define K448 "key=:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4:"
#define GOOD "sig=\"ed25519\", " K25519

static struct dive_key key;
static struct dive_fault fault;

static int parse(const char *text)
{
    return dive_key_parse(&key, dive_span_str(text), &fault);
}

Test(key_record, both_algorithms)
{
    cr_assert_eq(parse(GOOD), 0);
    cr_assert_eq(key.algorithm, DIVE_ALGORITHM_ED25519);
    cr_assert_eq(key.len, 32);
    cr_assert_eq(key.bytes[31], 31);
    cr_assert_not(key.has_allowed_hash);
    cr_assert_eq(key.cache, 0);
    cr_assert_eq(parse(K448 ", sig=\"ed448\", cache=900"), 0);
    cr_assert_eq(key.algorithm, DIVE_ALGORITHM_ED448);
    cr_assert_eq(key.len, 57);
    cr_assert_eq(key.bytes[56], 56);
    cr_assert_eq(key.cache, 900);
}

Test(key_record, allowed_hash)
{
    cr_assert_eq(parse(GOOD ", allowed-hash=(\"sha256\" \"sha3-512\")"), 0);
    cr_assert(key.has_allowed_hash);
    cr_assert_eq(key.allowed_hashes,
                 DIVE_HASH_BIT(DIVE_HASH_SHA256) | DIVE_HASH_BIT(DIVE_HASH_SHA3_512));
    cr_assert_eq(parse(GOOD ", allowed-hash=()"), 0);
    cr_assert(key.has_allowed_hash);
    cr_assert_eq(key.allowed_hashes, 0);
}

Test(key_record, invalid)
{
    static const struct {
        const char *text;
        int error;
        const char *parameter;
    } bad[] = {
        {"", DIVE_E_TYPE, "sig"},
        {K25519, DIVE_E_TYPE, "sig"},
        {"sig=\"ed25519\"", DIVE_E_TYPE, "key"},
        {"sig=ed25519, " K25519, DIVE_E_TYPE, "sig"},
        {"sig=(\"ed25519\"), " K25519, DIVE_E_TYPE, "sig"},
        {"sig=\"Ed25519\", " K25519, DIVE_E_UNSUPPORTED, "sig"},
        {"sig=\"rsa\", " K25519, DIVE_E_UNSUPPORTED, "sig"},
        {"sig=\"none\", " K25519, DIVE_E_UNSUPPORTED, "sig"},
        {"sig=\"ed448\", " K25519, DIVE_E_TYPE, "key"},
        {"sig=\"ed25519\", " K448, DIVE_E_TYPE, "key"},
        {"sig=\"ed25519\", key=::", DIVE_E_TYPE, "key"},
        {"sig=\"ed25519\", key=\"AAEC\"", DIVE_E_TYPE, "key"},
        {"sig=\"ed25519\", key=(:AAEC:)", DIVE_E_TYPE, "key"},
        {GOOD ", allowed-hash=\"sha256\"", DIVE_E_TYPE, "allowed-hash"},
        {GOOD ", allowed-hash=(sha256)", DIVE_E_TYPE, "allowed-hash"},
        {GOOD ", allowed-hash=(\"sha256\" \"md5\")", DIVE_E_UNSUPPORTED, "allowed-hash"},
        {GOOD ", allowed-hash=(\"sha-256\")", DIVE_E_UNSUPPORTED, "allowed-hash"},
        {GOOD ", allowed-hash=(\"SHA256\")", DIVE_E_UNSUPPORTED, "allowed-hash"},
        {GOOD ", cache=-1", DIVE_E_TYPE, "cache"},
        {GOOD ", cache=\"1\"", DIVE_E_TYPE, "cache"},
        {GOOD ", cache=1.0", DIVE_E_TYPE, "cache"},
        {GOOD ",", DIVE_E_SYNTAX, ""},
        {"SIG=\"ed25519\", " K25519, DIVE_E_SYNTAX, ""},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        cr_assert_eq(parse(bad[i].text), bad[i].error, "%s", bad[i].text);
        cr_assert_str_eq(fault.parameter, bad[i].parameter, "%s", bad[i].text);
        cr_assert_eq(key.len, 0);
        cr_assert_eq(key.algorithm, DIVE_ALGORITHM_NONE);
    }
}

Test(key_record, unknown_parameters_are_ignored)
{
    cr_assert_eq(parse(GOOD ", v=\"x\", new=(1 2), p;q=1"), 0);
    cr_assert_eq(parse("sig=\"ed25519\";a, " K25519 ";b"), 0);
}

Test(key_record, select_skips_what_does_not_parse)
{
    struct dive_key keys[DIVE_KEYS_PER_NAME_MAX];
    struct dive_span texts[8];
    int error = 1;

    texts[0] = dive_span_str("v=spf1 -all");
    texts[1] = dive_span_str(GOOD ", cache=1");
    texts[2] = dive_span_str("sig=\"rsa\"");
    texts[3] = dive_span_str(GOOD ", cache=2");
    cr_assert_eq(dive_key_select(keys, texts, 4, &error), 2);
    cr_assert_eq(error, 0);
    cr_assert_eq(keys[0].cache, 1);
    cr_assert_eq(keys[1].cache, 2);
    cr_assert_eq(dive_key_select(keys, texts, 1, &error), 0);
    cr_assert_eq(dive_key_select(keys, NULL, 0, &error), 0);
    for (int i = 0; i < 8; i++)
        texts[i] = dive_span_str(GOOD);
    for (size_t n = DIVE_KEYS_PER_NAME_MAX - 1; n <= 8; n++)
        cr_assert_eq(dive_key_select(keys, texts, n, &error),
                     n < DIVE_KEYS_PER_NAME_MAX ? n : DIVE_KEYS_PER_NAME_MAX);
}
