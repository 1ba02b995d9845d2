/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The interception CA: what is made on first start, and everything that is refused.
 */
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <sys/wait.h>

#include "test_tls_lab.h"
#include "tls/x509_build.h"

static struct lab lab;

static void setup(void)
{
    lab_make_directory(&lab);
}

static void teardown(void)
{
    lab_close(&lab);
}

TestSuite(tls_ca, .init = setup, .fini = teardown);

static int load(void)
{
    return tls_ca_load(&lab.ca, lab.certificate, lab.key, time(NULL), lab.why, sizeof lab.why);
}

static int load_or_create(void)
{
    return tls_ca_load_or_create(&lab.ca, lab.certificate, lab.key, time(NULL), lab.why,
                                 sizeof lab.why);
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    cr_assert_eq(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void expect(int r, int wanted, const char *word)
{
    cr_assert_eq(r, wanted, "%d: %s", r, lab.why);
    cr_assert_null(lab.ca);
    cr_assert_not_null(strstr(lab.why, word), "%s", lab.why);
}

/* A pair of any sort, written where load() reads it. */
static void write_pair(EVP_PKEY *key, const char *basic, const char *usage, time_t from, time_t to)
{
    X509 *certificate;
    X509_NAME *name;
    FILE *f;

    cr_assert_eq(x509_build_new(&certificate, key, from, to), 0);
    name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"x", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    if (basic != NULL)
        cr_assert_eq(x509_build_extension(certificate, NID_basic_constraints, basic), 0);
    if (usage != NULL)
        cr_assert_eq(x509_build_extension(certificate, NID_key_usage, usage), 0);
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519)
        cr_assert(X509_sign(certificate, key, NULL) > 0);
    else
        cr_assert_eq(x509_build_sign(certificate, key), 0);
    lab_write_certificate(lab.certificate, certificate, "w");
    X509_free(certificate);
    lab_write(lab.key, "", 0600);
    f = fopen(lab.key, "w");
    cr_assert_eq(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    EVP_PKEY_free(key);
}

Test(tls_ca, made_on_first_start_with_the_right_modes_whatever_the_umask)
{
    X509 *certificate;
    char cn[128], fingerprint[TLS_CA_FINGERPRINT_BUF];
    int critical = -1;
    BASIC_CONSTRAINTS *basic;

    umask(0077);
    cr_assert_eq(load_or_create(), 0, "%s", lab.why);
    cr_assert_eq(mode_of(lab.key), 0600);
    cr_assert_eq(mode_of(lab.certificate), 0644);

    certificate = tls_ca_certificate(lab.ca);
    cr_assert(X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, cn,
                                        sizeof cn) > 0);
    cr_assert_eq(strncmp(cn, "dived interception CA ", 22), 0, "%s", cn);
    cr_assert_eq(X509_get_key_usage(certificate), (uint32_t)(KU_KEY_CERT_SIGN | KU_CRL_SIGN));
    cr_assert_eq(X509_get_pathlen(certificate), 0);
    basic = X509_get_ext_d2i(certificate, NID_basic_constraints, &critical, NULL);
    cr_assert(basic != NULL && critical == 1 && basic->ca);
    BASIC_CONSTRAINTS_free(basic);
    cr_assert_not_null(X509_get0_subject_key_id(certificate));
    cr_assert(tls_ca_not_after(lab.ca) > time(NULL) + 3640 * LAB_DAY);
    cr_assert_eq(X509_self_signed(certificate, 1), 1);
    cr_assert_eq(sk_X509_num(tls_ca_chain(lab.ca)), 0, "a root isn't sent");
    cr_assert_eq(strlen(tls_ca_fingerprint(lab.ca)), 95u);

    snprintf(fingerprint, sizeof fingerprint, "%s", tls_ca_fingerprint(lab.ca));
    tls_ca_free(&lab.ca);
    cr_assert_eq(load_or_create(), 0, "%s", lab.why);
    cr_assert_str_eq(fingerprint, tls_ca_fingerprint(lab.ca), "the second start keeps the pair");
}

Test(tls_ca, fingerprint_is_openssls)
{
    unsigned char md[32];
    unsigned n;
    char hex[4];
    size_t i;

    cr_assert_eq(load_or_create(), 0);
    cr_assert_eq(X509_digest(tls_ca_certificate(lab.ca), EVP_sha256(), md, &n), 1);
    for (i = 0; i < 32; i++) {
        snprintf(hex, sizeof hex, "%02X", md[i]);
        cr_assert_eq(strncmp(tls_ca_fingerprint(lab.ca) + 3 * i, hex, 2), 0);
    }
}

Test(tls_ca, nothing_is_left_beside_the_pair)
{
    char command[256];

    cr_assert_eq(load_or_create(), 0);
    snprintf(command, sizeof command, "test \"$(ls -A %s | wc -l)\" = 2", lab.dir);
    cr_assert_eq(system(command), 0);
}

Test(tls_ca, one_of_the_two_missing_is_refused_and_never_replaced)
{
    cr_assert_eq(load_or_create(), 0);
    tls_ca_free(&lab.ca);
    cr_assert_eq(unlink(lab.certificate), 0);
    expect(load_or_create(), DIVE_E_NOT_FOUND, "ca.crt is missing");
    cr_assert_neq(access(lab.certificate, F_OK), 0);

    cr_assert_eq(unlink(lab.key), 0);
    lab_write(lab.certificate, "x", 0644);
    expect(load_or_create(), DIVE_E_NOT_FOUND, "ca.key is missing");
    cr_assert_neq(access(lab.key, F_OK), 0);
}

Test(tls_ca, load_alone_makes_nothing)
{
    expect(load(), DIVE_E_NOT_FOUND, "ca.crt");
    cr_assert_neq(access(lab.certificate, F_OK), 0);
}

Test(tls_ca, create_alone_replaces_nothing)
{
    cr_assert_eq(load_or_create(), 0);
    tls_ca_free(&lab.ca);
    expect(tls_ca_create(lab.certificate, lab.key, time(NULL), lab.why, sizeof lab.why),
           DIVE_E_STATE, "there already");
}

Test(tls_ca, directory_missing)
{
    snprintf(lab.key, sizeof lab.key, "%s/no/ca.key", lab.dir);
    expect(load_or_create(), DIVE_E_NOT_FOUND, "create it");
}

Test(tls_ca, certificate_directory_missing_leaves_no_key)
{
    snprintf(lab.certificate, sizeof lab.certificate, "%s/no/ca.crt", lab.dir);
    expect(load_or_create(), DIVE_E_NOT_FOUND, "ca.crt");
    cr_assert_neq(access(lab.key, F_OK), 0);
}

Test(tls_ca, key_open_to_group_or_others_is_refused)
{
    static const mode_t bad[] = {0640, 0604, 0620, 0601, 0610, 0644};
    size_t i;

    cr_assert_eq(load_or_create(), 0);
    tls_ca_free(&lab.ca);
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(chmod(lab.key, bad[i]), 0);
        expect(load(), DIVE_E_STATE, "chmod 600");
    }
    cr_assert_eq(chmod(lab.key, 0400), 0);
    cr_assert_eq(load(), 0, "%s", lab.why);
}

Test(tls_ca, unreadable_files)
{
    cr_assert_eq(load_or_create(), 0);
    tls_ca_free(&lab.ca);
    cr_assert_eq(unlink(lab.key), 0);
    cr_assert_eq(mkdir(lab.key, 0700), 0);
    expect(load(), DIVE_E_STATE, "regular file");
    cr_assert_eq(rmdir(lab.key), 0);
    cr_assert_eq(mkfifo(lab.key, 0600), 0);
    expect(load(), DIVE_E_STATE, "regular file");
}

Test(tls_ca, not_pem)
{
    cr_assert_eq(load_or_create(), 0);
    tls_ca_free(&lab.ca);
    lab_write(lab.key, "nothing\n", 0600);
    expect(load(), DIVE_E_SYNTAX, "ca.key");
    lab_write(lab.certificate, "nothing\n", 0644);
    expect(load(), DIVE_E_SYNTAX, "ca.crt");
    lab_write(lab.certificate, "", 0644);
    expect(load(), DIVE_E_SYNTAX, "ca.crt");
}

Test(tls_ca, key_with_a_passphrase_does_not_prompt)
{
    EVP_PKEY *key;
    FILE *f;

    cr_assert_eq(load_or_create(), 0);
    tls_ca_free(&lab.ca);
    cr_assert_eq(x509_build_key(&key), 0);
    f = fopen(lab.key, "w");
    cr_assert_eq(PEM_write_PrivateKey(f, key, EVP_aes_128_cbc(), (const unsigned char *)"abcd", 4,
                                      NULL, NULL),
                 1);
    fclose(f);
    EVP_PKEY_free(key);
    expect(load(), DIVE_E_SYNTAX, "passphrase");
}

Test(tls_ca, key_of_another_certificate)
{
    EVP_PKEY *key;
    FILE *f;

    cr_assert_eq(load_or_create(), 0);
    tls_ca_free(&lab.ca);
    cr_assert_eq(x509_build_key(&key), 0);
    f = fopen(lab.key, "w");
    cr_assert_eq(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    EVP_PKEY_free(key);
    expect(load(), DIVE_E_MISMATCH, "ca.key");
}

Test(tls_ca, not_a_ca)
{
    time_t now = time(NULL);

    write_pair(EVP_EC_gen("P-256"), "critical,CA:FALSE", NULL, now - 60, now + LAB_DAY);
    expect(load(), DIVE_E_TYPE, "no CA");
    write_pair(EVP_EC_gen("P-256"), NULL, NULL, now - 60, now + LAB_DAY);
    expect(load(), DIVE_E_TYPE, "no CA");
    write_pair(EVP_EC_gen("P-256"), "critical,CA:TRUE", "critical,digitalSignature", now - 60,
               now + LAB_DAY);
    expect(load(), DIVE_E_TYPE, "no CA");
}

Test(tls_ca, expired_and_not_yet_valid)
{
    time_t now = time(NULL);

    write_pair(EVP_EC_gen("P-256"), "CA:TRUE", NULL, now - LAB_DAY, now - 5);
    expect(load(), DIVE_E_LIMIT, "expired");
    write_pair(EVP_EC_gen("P-256"), "CA:TRUE", NULL, now + 60, now + LAB_DAY);
    expect(load(), DIVE_E_LIMIT, "clock");
    write_pair(EVP_EC_gen("P-256"), "CA:TRUE", NULL, now - LAB_DAY, now + 60);
    cr_assert_eq(load(), 0, "%s", lab.why);
}

Test(tls_ca, algorithms)
{
    time_t now = time(NULL);
    size_t i;
    const char *good[] = {"P-256", "P-384", "P-521"};

    write_pair(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "CA:TRUE", NULL, now - 60, now + LAB_DAY);
    expect(load(), DIVE_E_UNSUPPORTED, "RSA");
    write_pair(EVP_EC_gen("secp256k1"), "CA:TRUE", NULL, now - 60, now + LAB_DAY);
    expect(load(), DIVE_E_UNSUPPORTED, "RSA");
    write_pair(EVP_RSA_gen(1024), "CA:TRUE", NULL, now - 60, now + LAB_DAY);
    expect(load(), DIVE_E_UNSUPPORTED, "RSA");
    write_pair(EVP_RSA_gen(2048), "CA:TRUE", NULL, now - 60, now + LAB_DAY);
    cr_assert_eq(load(), 0, "%s", lab.why);
    tls_ca_free(&lab.ca);
    for (i = 0; i < 3; i++) {
        write_pair(EVP_EC_gen(good[i]), "CA:TRUE", NULL, now - 60, now + LAB_DAY);
        cr_assert_eq(load(), 0, "%s: %s", good[i], lab.why);
        tls_ca_free(&lab.ca);
    }
}

Test(tls_ca, further_certificates_up_to_the_limit)
{
    X509 *certificate;
    int i;

    cr_assert_eq(load_or_create(), 0);
    certificate = tls_ca_certificate(lab.ca);
    for (i = 0; i < TLS_CA_CHAIN_MAX; i++)
        lab_write_certificate(lab.certificate, certificate, "a");
    tls_ca_free(&lab.ca);
    cr_assert_eq(load(), 0, "%s", lab.why);
    lab_write_certificate(lab.certificate, tls_ca_certificate(lab.ca), "a");
    tls_ca_free(&lab.ca);
    expect(load(), DIVE_E_LIMIT, "more than 8");
}

Test(tls_ca, damaged_second_certificate)
{
    FILE *f;

    cr_assert_eq(load_or_create(), 0);
    tls_ca_free(&lab.ca);
    f = fopen(lab.certificate, "a");
    fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", f);
    fclose(f);
    expect(load(), DIVE_E_SYNTAX, "damaged");
}

/* Eight processes that start at once, many times over: all must come up with one fingerprint. */
Test(tls_ca, daemons_that_start_at_once_share_one_pair, .timeout = 60)
{
    char seen[8][TLS_CA_FINGERPRINT_BUF];
    int round, i, status, from_children[2], go[2];
    pid_t pid[8];
    char byte;

    for (round = 0; round < 10; round++) {
        (void)unlink(lab.key);
        (void)unlink(lab.certificate);
        cr_assert_eq(pipe(from_children), 0);
        cr_assert_eq(pipe(go), 0);
        for (i = 0; i < 8; i++) {
            pid[i] = fork();
            cr_assert(pid[i] >= 0);
            if (pid[i] == 0) {
                close(go[1]);
                if (read(go[0], &byte, 1) < 0 || load_or_create() != 0)
                    _exit(1);
                if (write(from_children[1], tls_ca_fingerprint(lab.ca), sizeof seen[0]) < 0)
                    _exit(2);
                _exit(0);
            }
        }
        close(go[0]);
        close(go[1]); /* all at once */
        for (i = 0; i < 8; i++) {
            cr_assert_eq(waitpid(pid[i], &status, 0), pid[i]);
            cr_assert_eq(status, 0, "round %d", round);
            cr_assert_eq(read(from_children[0], seen[i], sizeof seen[i]), (ssize_t)sizeof seen[i]);
            cr_assert_str_eq(seen[i], seen[0]);
        }
        close(from_children[0]);
        close(from_children[1]);
    }
}
