/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Minted certificates and their cache.
 */
#include <openssl/x509v3.h>
#include <pthread.h>

#include "test_tls_lab.h"
#include "tls/mint.h"

static struct lab lab;
static struct tls_mint *mint;

static void setup(void)
{
    lab_open(&lab);
    cr_assert_eq(tls_mint_new(&mint, lab.ca, 24), 0);
}

static void teardown(void)
{
    tls_mint_free(&mint);
    lab_close(&lab);
}

TestSuite(tls_mint, .init = setup, .fini = teardown);

static X509 *must_mint(const char *name)
{
    X509 *certificate;
    int r = tls_mint_certificate(mint, name, time(NULL), &certificate);

    cr_assert_eq(r, 0, "%s: %d", name, r);
    return certificate;
}

static double seconds_between(const ASN1_TIME *from, const ASN1_TIME *to)
{
    int days, seconds;

    cr_assert_eq(ASN1_TIME_diff(&days, &seconds, from, to), 1);
    return days * 86400.0 + seconds;
}

/* The certificate against the CA, as a client does it, for a name or an address. */
static int verify(X509 *certificate, const char *name, bool is_ip)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *param;
    int r;

    X509_STORE_add_cert(store, tls_ca_certificate(lab.ca));
    X509_STORE_CTX_init(ctx, store, certificate, NULL);
    X509_STORE_CTX_set_default(ctx, "ssl_server");
    param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (is_ip)
        X509_VERIFY_PARAM_set1_ip_asc(param, name);
    else
        X509_VERIFY_PARAM_set1_host(param, name, 0);
    (void)X509_verify_cert(ctx);
    r = X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return r;
}

Test(tls_mint, name)
{
    X509 *certificate = must_mint("www.example.org");
    char cn[128];

    cr_assert_eq(verify(certificate, "www.example.org", false), X509_V_OK);
    cr_assert_eq(verify(certificate, "example.org", false), X509_V_ERR_HOSTNAME_MISMATCH);
    cr_assert_eq(verify(certificate, "a.www.example.org", false), X509_V_ERR_HOSTNAME_MISMATCH);
    cr_assert(X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, cn,
                                        sizeof cn) > 0);
    cr_assert_str_eq(cn, "www.example.org");
    X509_free(certificate);
}

Test(tls_mint, profile)
{
    X509 *certificate = must_mint("www.example.org");
    time_t now = time(NULL);

    cr_assert_eq(X509_get_version(certificate), X509_VERSION_3);
    cr_assert_eq(X509_check_ca(certificate), 0);
    cr_assert_eq(X509_get_key_usage(certificate), (uint32_t)KU_DIGITAL_SIGNATURE);
    cr_assert_eq(X509_get_extended_key_usage(certificate), (uint32_t)XKU_SSL_SERVER);
    cr_assert_eq(X509_get_signature_nid(certificate), NID_ecdsa_with_SHA256);
    cr_assert_eq(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(certificate),
                                       X509_get0_subject_key_id(tls_ca_certificate(lab.ca))),
                 0);
    cr_assert_not_null(X509_get0_subject_key_id(certificate));
    cr_assert_eq(EVP_PKEY_eq(X509_get0_pubkey(certificate), tls_mint_key(mint)), 1);
    cr_assert_neq(EVP_PKEY_eq(tls_mint_key(mint), lab.ca_key), 1);

    cr_assert(seconds_between(X509_get0_notBefore(certificate), X509_get0_notAfter(certificate)) <
              24 * 3600);
    now -= TLS_MINT_BACKDATE;
    cr_assert(X509_cmp_time(X509_get0_notBefore(certificate), &now) < 0);
    now -= 10;
    cr_assert(X509_cmp_time(X509_get0_notBefore(certificate), &now) > 0);
    X509_free(certificate);
}

Test(tls_mint, serials_are_random_and_positive)
{
    const ASN1_INTEGER *serial;
    X509 *a, *b;
    int i;

    for (i = 0; i < 64; i++) {
        a = must_mint("a.example");
        b = must_mint("a.example");
        serial = X509_get0_serialNumber(a);
        cr_assert_eq(serial->type, V_ASN1_INTEGER);
        cr_assert_eq(serial->length, 16);
        cr_assert_eq(serial->data[0] & 0x80, 0);
        cr_assert_neq(ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(b)), 0);
        X509_free(a);
        X509_free(b);
    }
}

Test(tls_mint, addresses)
{
    X509 *v4 = must_mint("192.0.2.1"), *v6 = must_mint("2001:db8::1");

    cr_assert_eq(verify(v4, "192.0.2.1", true), X509_V_OK);
    cr_assert_eq(verify(v4, "192.0.2.2", true), X509_V_ERR_IP_ADDRESS_MISMATCH);
    cr_assert_eq(verify(v4, "192.0.2.1", false), X509_V_ERR_HOSTNAME_MISMATCH);
    cr_assert_eq(verify(v6, "2001:db8::1", true), X509_V_OK);
    cr_assert_eq(verify(v6, "2001:db8:0:0::1", true), X509_V_OK);
    X509_free(v4);
    X509_free(v6);
}

/* 64 characters fit a CN, 65 don't: then the subject is empty and the SAN must be critical. */
Test(tls_mint, long_names)
{
    static const char tail[] = ".example.org";
    char name[256] = "", longest[256] = "";
    X509 *certificate;
    int critical;
    size_t n;

    for (n = 64; n <= 65; n++) {
        size_t first = n - (sizeof tail - 1);

        memset(name, 'a', first);
        memcpy(name + first, tail, sizeof tail);
        certificate = must_mint(name);
        GENERAL_NAMES_free(X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL));
        cr_assert_eq(critical, n == 65);
        cr_assert_eq(X509_NAME_entry_count(X509_get_subject_name(certificate)), n == 64);
        cr_assert_eq(verify(certificate, name, false), X509_V_OK);
        X509_free(certificate);
    }
    for (n = 0; n < 253; n++)
        longest[n] = n % 64 == 63 ? '.' : 'b';
    certificate = must_mint(longest);
    cr_assert_eq(verify(certificate, longest, false), X509_V_OK);
    X509_free(certificate);
    longest[253] = 'b';
    cr_assert_eq(tls_mint_certificate(mint, longest, time(NULL), &certificate), DIVE_E_SYNTAX);
    cr_assert_null(certificate);
}

Test(tls_mint, what_is_no_name)
{
    static const char *const bad[] = {
        "",          "*.example.org",    "*",          "a..b",  ".a",
        "a b",       "A.example",        "a.example.", "[::1]", "1.2.3",
        "0x7f.1",    "fe80::1%eth0",     "a,DNS:b",    "a\nb",  "a/b",
        "1.2.3.4.5", "b\xc3\xbc.example"};
    X509 *certificate;
    size_t i;

    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(tls_mint_certificate(mint, bad[i], time(NULL), &certificate), DIVE_E_SYNTAX,
                     "%s", bad[i]);
        cr_assert_null(certificate);
    }
}

Test(tls_mint, lifetime_limits)
{
    struct tls_mint *other;
    X509 *certificate;
    double seconds;
    time_t now = time(NULL);

    cr_assert_eq(tls_mint_new(&other, lab.ca, 0), DIVE_E_LIMIT);
    cr_assert_null(other);
    cr_assert_eq(tls_mint_new(&other, lab.ca, TLS_MINT_LIFETIME_MAX + 1), DIVE_E_LIMIT);
    cr_assert_eq(tls_mint_new(&other, lab.ca, TLS_MINT_LIFETIME_MAX), 0);
    cr_assert_eq(tls_mint_certificate(other, "a.example", now, &certificate), 0);
    seconds = seconds_between(X509_get0_notBefore(certificate), X509_get0_notAfter(certificate));
    cr_assert(seconds < 397 * 86400.0 && seconds > 396 * 86400.0);
    X509_free(certificate);
    tls_mint_free(&other);

    cr_assert_eq(tls_mint_new(&other, lab.ca, 1), 0);
    cr_assert_eq(tls_mint_certificate(other, "a.example", now, &certificate), 0);
    cr_assert_eq(verify(certificate, "a.example", false), X509_V_OK);
    cr_assert(seconds_between(X509_get0_notBefore(certificate), X509_get0_notAfter(certificate)) <
              3600);
    X509_free(certificate);
    tls_mint_free(&other);
}

Test(tls_mint, validity_stays_within_the_cas)
{
    time_t end = tls_ca_not_after(lab.ca), start = tls_ca_not_before(lab.ca);
    X509 *certificate;

    cr_assert_eq(tls_mint_certificate(mint, "a.example", end - 60, &certificate), 0);
    cr_assert_eq(seconds_between(X509_get0_notAfter(certificate),
                                 X509_get0_notAfter(tls_ca_certificate(lab.ca))),
                 0);
    X509_free(certificate);
    cr_assert_eq(tls_mint_certificate(mint, "a.example", end, &certificate), DIVE_E_LIMIT);
    cr_assert_eq(tls_mint_certificate(mint, "a.example", start + 60, &certificate), 0);
    cr_assert_eq(seconds_between(X509_get0_notBefore(certificate),
                                 X509_get0_notBefore(tls_ca_certificate(lab.ca))),
                 0);
    X509_free(certificate);
}

Test(tls_mint, cost)
{
    struct timespec a, b;
    int i, n = 500;

    clock_gettime(CLOCK_MONOTONIC, &a);
    for (i = 0; i < n; i++)
        X509_free(must_mint("www.example.org"));
    clock_gettime(CLOCK_MONOTONIC, &b);
    fprintf(stderr, "tls_mint: %.0f microseconds a certificate\n",
            ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / 1e3 / n);
}

TestSuite(tls_certificate_cache, .init = setup, .fini = teardown);

static struct certificate_cache *new_cache(size_t max)
{
    struct certificate_cache *cache;

    cr_assert_eq(certificate_cache_new(&cache, lab.ca, 24, max), 0);
    return cache;
}

static X509 *must_get(struct certificate_cache *cache, const char *name, time_t now)
{
    X509 *certificate;

    cr_assert_eq(certificate_cache_get(cache, name, now, &certificate), 0, "%s", name);
    return certificate;
}

Test(tls_certificate_cache, same_name_same_certificate)
{
    struct certificate_cache *cache = new_cache(10);
    struct certificate_cache_stats stats;
    time_t now = time(NULL);
    X509 *a = must_get(cache, "a.example", now), *b = must_get(cache, "a.example", now + 60);
    X509 *c = must_get(cache, "b.example", now);

    cr_assert_eq(a, b);
    cr_assert_neq(a, c);
    cr_assert_eq(verify(c, "b.example", false), X509_V_OK);
    certificate_cache_stats(cache, &stats);
    cr_assert(stats.entries == 2 && stats.hits == 1 && stats.misses == 2 && stats.evictions == 0);
    certificate_cache_free(&cache);
    cr_assert_null(cache);
    cr_assert_eq(verify(a, "a.example", false), X509_V_OK, "outlives the cache");
    X509_free(a);
    X509_free(b);
    X509_free(c);
}

Test(tls_certificate_cache, renewed_at_half_of_the_lifetime)
{
    struct certificate_cache *cache = new_cache(10);
    struct certificate_cache_stats stats;
    time_t now = time(NULL), half = (23 * 3600) / 2;
    X509 *a = must_get(cache, "a.example", now), *b = must_get(cache, "a.example", now + half - 10);
    X509 *c = must_get(cache, "a.example", now + half + 10);
    X509 *d = must_get(cache, "a.example", now - LAB_DAY);

    cr_assert_eq(a, b);
    cr_assert_neq(a, c);
    cr_assert_neq(c, d, "a clock that was set back");
    certificate_cache_stats(cache, &stats);
    cr_assert_eq(stats.entries, 1u);
    X509_free(a);
    X509_free(b);
    X509_free(c);
    X509_free(d);
    certificate_cache_free(&cache);
}

Test(tls_certificate_cache, least_recently_used_goes_first)
{
    struct certificate_cache *cache = new_cache(3);
    struct certificate_cache_stats stats;
    time_t now = time(NULL);
    const char *order[] = {"a.example", "b.example", "c.example", "a.example", "d.example"};
    uint64_t misses;
    size_t i;

    for (i = 0; i < 5; i++)
        X509_free(must_get(cache, order[i], now));
    certificate_cache_stats(cache, &stats);
    cr_assert(stats.entries == 3 && stats.evictions == 1 && stats.misses == 4);
    misses = stats.misses;
    X509_free(must_get(cache, "a.example", now));
    X509_free(must_get(cache, "c.example", now));
    certificate_cache_stats(cache, &stats);
    cr_assert_eq(stats.misses, misses);
    X509_free(must_get(cache, "b.example", now));
    certificate_cache_stats(cache, &stats);
    cr_assert_eq(stats.misses, misses + 1);
    certificate_cache_free(&cache);
}

Test(tls_certificate_cache, a_failure_leaves_nothing)
{
    struct certificate_cache *cache = new_cache(3);
    struct certificate_cache_stats stats;
    X509 *certificate;

    cr_assert_eq(certificate_cache_get(cache, "*.example", time(NULL), &certificate),
                 DIVE_E_SYNTAX);
    cr_assert_null(certificate);
    certificate_cache_stats(cache, &stats);
    cr_assert_eq(stats.entries, 0u);
    certificate_cache_free(&cache);
    cr_assert_eq(certificate_cache_new(&cache, lab.ca, 24, 0), DIVE_E_LIMIT);
    cr_assert_eq(certificate_cache_new(&cache, lab.ca, 24, CERTIFICATE_CACHE_MAX + 1),
                 DIVE_E_LIMIT);
    cr_assert_eq(certificate_cache_new(&cache, lab.ca, 0, 1), DIVE_E_LIMIT);
    cr_assert_null(cache);
}

static void *hammer(void *arg)
{
    struct certificate_cache *cache = arg;
    char name[32];
    X509 *certificate;
    int i;

    for (i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "n%d.example", i % 12);
        if (certificate_cache_get(cache, name, time(NULL), &certificate) != 0 ||
            X509_check_host(certificate, name, 0, 0, NULL) != 1)
            return arg;
        X509_free(certificate);
    }
    return NULL;
}

Test(tls_certificate_cache, workers_share_it)
{
    struct certificate_cache *cache = new_cache(8);
    struct certificate_cache_stats stats;
    pthread_t thread[4];
    void *failed;
    int i;

    for (i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&thread[i], NULL, hammer, cache), 0);
    for (i = 0; i < 4; i++) {
        pthread_join(thread[i], &failed);
        cr_assert_null(failed);
    }
    certificate_cache_stats(cache, &stats);
    cr_assert_eq(stats.entries, 8u);
    cr_assert_eq(stats.hits + stats.misses, 800u);
    certificate_cache_free(&cache);
}
