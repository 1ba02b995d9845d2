/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The process that has the CA's key, spoken to as an intruder in the daemon would: what it makes is
 * a server's certificate or nothing.
 */
#include <criterion/criterion.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "keeper/private.h"
#include "test_tls_lab.h"

static struct lab lab;
static pthread_t thread;
static int fd, served;

static void *serve(void *arg)
{
    int end = (int)(intptr_t)arg;

    served = signer_serve(end, lab.ca);
    close(end);
    return NULL;
}

/* A signer in a thread: what it does with messages is the same there. */
static void setup(void)
{
    int pair[2];

    lab_open(&lab);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    fd = pair[0];
    cr_assert_eq(pthread_create(&thread, NULL, serve, (void *)(intptr_t)pair[1]), 0);
}

static void teardown(void)
{
    if (fd >= 0)
        close(fd);
    pthread_join(thread, NULL);
    lab_close(&lab);
}

TestSuite(keeper, .init = setup, .fini = teardown);

static void make_request(struct signer_request *request, const char *name, unsigned hours)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    size_t n;

    *request = (struct signer_request){.magic = WIRE_MAGIC, .lifetime_hours = hours};
    cr_assert_eq(
        EVP_PKEY_get_octet_string_param(key, "pub", request->point, sizeof request->point, &n), 1);
    memcpy(request->name, name, strlen(name));
    EVP_PKEY_free(key);
}

/* What it answers; *certificate is the caller's, NULL when it refused. */
static int ask(const struct signer_request *request, X509 **certificate)
{
    struct signer_reply reply;
    const unsigned char *p = reply.bytes;
    int n;

    *certificate = NULL;
    cr_assert_eq(wire_send(fd, request, sizeof *request), 0);
    n = wire_receive(fd, &reply, sizeof reply);
    cr_assert_geq(n, (int)offsetof(struct signer_reply, bytes));
    n -= (int)offsetof(struct signer_reply, bytes);
    if (reply.result == 0)
        *certificate = d2i_X509(NULL, &p, n);
    else
        cr_assert_eq(n, 0);
    return reply.result;
}

static void expect(const char *name, unsigned hours, int result)
{
    struct signer_request request;
    X509 *certificate;

    make_request(&request, name, hours);
    cr_expect_eq(ask(&request, &certificate), result, "%s", name);
    X509_free(certificate);
}

Test(keeper, makes_a_servers_certificate_and_nothing_else)
{
    struct signer_request request;
    X509 *certificate;

    make_request(&request, "www.example.org", 24);
    cr_assert_eq(ask(&request, &certificate), 0);
    cr_assert_eq(X509_check_ca(certificate), 0);
    cr_assert_eq(X509_get_extended_key_usage(certificate), (uint32_t)XKU_SSL_SERVER);
    cr_assert_eq(X509_get_key_usage(certificate), (uint32_t)KU_DIGITAL_SIGNATURE);
    cr_assert_eq(X509_check_host(certificate, "www.example.org", 0, 0, NULL), 1);
    cr_assert_eq(X509_verify(certificate, X509_get0_pubkey(tls_ca_certificate(lab.ca))), 1);
    X509_free(certificate);
}

/* Whatever the name says, it goes into the subject alternative name or is refused. */
Test(keeper, names_that_are_none_are_refused)
{
    static const char *const names[] = {
        "",           "*.example.org",    "a b",        "CA:TRUE",   "a.example,DNS:b.example",
        "a..example", "\x30\x82\x01\x01", "a.example/", "10.0.0.0/8"};
    char longest[TLS_MINT_NAME_MAX + 2] = "";

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        expect(names[i], 24, DIVE_E_SYNTAX);
    for (size_t i = 0; i + 1 < sizeof longest; i++)
        longest[i] = i % 2 == 0 ? 'a' : '.';
    expect(longest, 24, DIVE_E_SYNTAX); /* 254 */
    longest[TLS_MINT_NAME_MAX] = '\0';
    expect(longest, 24, 0);
}

Test(keeper, lifetimes_have_an_end)
{
    expect("a.example", TLS_MINT_LIFETIME_MAX, 0);
    expect("a.example", TLS_MINT_LIFETIME_MAX + 1, DIVE_E_LIMIT);
    expect("a.example", 1, 0);
    expect("a.example", 0, DIVE_E_LIMIT);
}

Test(keeper, a_name_without_its_end_is_refused)
{
    struct signer_request request;
    X509 *certificate;

    make_request(&request, "a.example", 24);
    memset(request.name, 'a', sizeof request.name);
    cr_assert_eq(ask(&request, &certificate), DIVE_E_SYNTAX);
}

/* A point that isn't on the curve, and one of another form. */
Test(keeper, keys_that_are_none_are_refused)
{
    struct signer_request request;
    X509 *certificate;

    make_request(&request, "a.example", 24);
    request.point[64] ^= 1;
    cr_assert_eq(ask(&request, &certificate), DIVE_E_TYPE);
    request.point[64] ^= 1;
    request.point[0] = 2;
    cr_assert_eq(ask(&request, &certificate), DIVE_E_TYPE);
    request.point[0] = 4;
    cr_assert_eq(ask(&request, &certificate), 0);
    X509_free(certificate);
}

static void expect_end(const void *message, size_t n)
{
    struct signer_reply reply;

    cr_assert_eq(wire_send(fd, message, n), 0);
    cr_assert_leq(wire_receive(fd, &reply, sizeof reply), 0);
}

Test(keeper, a_short_message_ends_it)
{
    struct signer_request request;

    make_request(&request, "a.example", 24);
    expect_end(&request, sizeof request - 1);
}

Test(keeper, a_long_message_ends_it)
{
    struct {
        struct signer_request request;
        char more;
    } message = {0};

    make_request(&message.request, "a.example", 24);
    expect_end(&message, sizeof message);
}

Test(keeper, a_message_of_another_kind_ends_it)
{
    struct signer_request request;

    make_request(&request, "a.example", 24);
    request.magic ^= 1;
    expect_end(&request, sizeof request);
}

/* A certificate for another CA, as it is before it is signed: it isn't even read. */
Test(keeper, bytes_to_be_signed_are_never_taken)
{
    unsigned char *tbs = NULL;
    X509 *ca = X509_dup(tls_ca_certificate(lab.ca));
    int n = i2d_re_X509_tbs(ca, &tbs);

    cr_assert_gt(n, 0);
    expect_end(tbs, (size_t)n);
    OPENSSL_free(tbs);
    X509_free(ca);
}

static int release_count;

static void count_release(void *arg)
{
    release_count++;
}

Test(keeper, the_certificates_of_the_ca_come_over)
{
    const struct tls_ca_remote remote = {.release = count_release};
    unsigned char der[WIRE_CHAIN_MAX];
    struct tls_ca *ca;
    size_t n, none;

    cr_assert_eq(tls_ca_export(lab.ca, der, sizeof der, &n), 0);
    cr_assert_eq(tls_ca_export(lab.ca, der, n - 1, &none), DIVE_E_LIMIT);
    cr_assert_eq(tls_ca_export(lab.ca, der, n, &none), 0);
    cr_assert_eq(tls_ca_new_remote(&ca, der, n, &remote, time(NULL), lab.why, sizeof lab.why), 0);
    cr_assert_eq(X509_cmp(tls_ca_certificate(ca), tls_ca_certificate(lab.ca)), 0);
    tls_ca_free(&ca);
    cr_assert_eq(release_count, 1);
    cr_assert_neq(tls_ca_new_remote(&ca, der, n - 1, &remote, time(NULL), lab.why, sizeof lab.why),
                  0);
    cr_assert_null(ca);
    cr_assert_eq(release_count, 2);
}

/* ---- the real processes ---- */

static void start(struct keeper **keeper)
{
    const struct privileges stay = {0};
    const struct keeper_options options = {lab.certificate, lab.key, &stay, true};

    cr_assert_eq(keeper_start(keeper, &options, lab.why, sizeof lab.why), 0, "%s", lab.why);
}

static struct tls_ca *get_ca(struct keeper *keeper)
{
    struct tls_ca *ca = NULL;
    int r = keeper_ca(keeper, lab.certificate, lab.key, &ca, lab.why, sizeof lab.why);

    cr_assert_eq(r, 0, "%s", lab.why);
    return ca;
}

static X509 *must_mint(struct tls_mint *mint, const char *name)
{
    X509 *certificate = NULL;

    cr_assert_eq(tls_mint_certificate(mint, name, time(NULL), &certificate), 0);
    return certificate;
}

Test(keeper, the_daemon_has_no_key_and_gets_certificates, .timeout = 60)
{
    struct timespec a, b;
    struct keeper *keeper;
    struct tls_ca *ca;
    struct tls_mint *mint, *here;
    X509 *certificate;
    double there_us, here_us;

    start(&keeper);
    ca = get_ca(keeper);
    cr_assert_str_eq(tls_ca_fingerprint(ca), tls_ca_fingerprint(lab.ca));
    cr_assert_eq(tls_mint_new(&mint, ca, 24), 0);
    certificate = must_mint(mint, "www.example.org");
    cr_assert_eq(tls_ca_sign(ca, certificate), DIVE_E_STATE);
    cr_assert_eq(EVP_PKEY_eq(X509_get0_pubkey(certificate), tls_mint_key(mint)), 1);
    X509_free(certificate);

    cr_assert_eq(tls_mint_new(&here, lab.ca, 24), 0);
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < 500; i++)
        X509_free(must_mint(mint, "www.example.org"));
    clock_gettime(CLOCK_MONOTONIC, &b);
    there_us = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / 5e5;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < 500; i++)
        X509_free(must_mint(here, "www.example.org"));
    clock_gettime(CLOCK_MONOTONIC, &b);
    here_us = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / 5e5;
    fprintf(stderr, "keeper: %.0f microseconds a certificate from the signer, %.0f made here\n",
            there_us, here_us);
    tls_mint_free(&here);
    tls_mint_free(&mint);
    tls_ca_free(&ca);
    keeper_stop(&keeper);
}

Test(keeper, another_key_takes_a_restart)
{
    struct keeper *keeper;
    struct tls_ca *ca = NULL;

    start(&keeper);
    cr_assert_eq(keeper_ca(keeper, lab.certificate, "/etc/shadow", &ca, lab.why, sizeof lab.why),
                 DIVE_E_UNSUPPORTED);
    cr_assert_null(ca);
    cr_assert_not_null(strstr(lab.why, "restart"), "%s", lab.why);
    keeper_stop(&keeper);
}

Test(keeper, what_is_wrong_with_the_files_is_told)
{
    struct keeper *keeper;
    struct tls_ca *ca = NULL;

    cr_assert_eq(chmod(lab.key, 0640), 0);
    start(&keeper);
    cr_assert_eq(keeper_ca(keeper, lab.certificate, lab.key, &ca, lab.why, sizeof lab.why),
                 DIVE_E_STATE);
    cr_assert_not_null(strstr(lab.why, "chmod"), "%s", lab.why);
    keeper_stop(&keeper);
}

Test(keeper, a_keeper_that_is_killed_is_noticed, .timeout = 60)
{
    struct keeper *keeper;
    struct tls_ca *ca = NULL;
    char path[64], text[512] = "";
    FILE *children;

    start(&keeper);
    cr_assert_not(keeper_is_gone(keeper));
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    children = fopen(path, "r");
    if (children == NULL || fgets(text, sizeof text, children) == NULL)
        cr_skip_test("this kernel doesn't list children");
    fclose(children);
    cr_assert_eq(kill(atoi(text), SIGKILL), 0);
    for (int i = 0; i < 500 && !keeper_is_gone(keeper); i++)
        usleep(20000);
    cr_assert(keeper_is_gone(keeper));
    cr_assert_eq(keeper_ca(keeper, lab.certificate, lab.key, &ca, lab.why, sizeof lab.why),
                 DIVE_E_STATE);
    keeper_stop(&keeper);
}

/* The number of the keeper's only child, 0 when it has none. */
static int only_signer(void)
{
    char path[64], text[512] = "";
    int pid = (int)getpid();

    for (int i = 0; i < 2; i++) {
        FILE *children;

        snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
        children = fopen(path, "r");
        if (children == NULL)
            cr_skip_test("this kernel doesn't list children");
        text[0] = '\0';
        pid = fgets(text, sizeof text, children) != NULL ? atoi(text) : 0;
        fclose(children);
        if (pid == 0)
            return 0;
    }
    return pid;
}

static double mint_seconds(struct tls_mint *mint, int wanted)
{
    struct timespec a, b;
    X509 *certificate = NULL;

    clock_gettime(CLOCK_MONOTONIC, &a);
    cr_assert_eq(tls_mint_certificate(mint, "a.example", time(NULL), &certificate), wanted);
    clock_gettime(CLOCK_MONOTONIC, &b);
    X509_free(certificate);
    return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

/* Whoever asks first waits for it; then it is killed, there is quiet, and another one takes over.
 */
Test(keeper, a_signer_that_hangs_is_killed_and_nobody_else_waits, .timeout = 120)
{
    struct keeper *keeper;
    struct tls_ca *ca;
    struct tls_mint *mint;
    X509 *certificate = NULL;
    int hung;

    start(&keeper);
    ca = get_ca(keeper);
    cr_assert_eq(tls_mint_new(&mint, ca, 24), 0);
    (void)mint_seconds(mint, 0);
    hung = only_signer();
    cr_assert_eq(kill(hung, SIGSTOP), 0);
    cr_assert_geq(mint_seconds(mint, DIVE_E_STATE), SIGNER_SECONDS - 1);
    cr_assert_lt(mint_seconds(mint, DIVE_E_STATE), SIGNER_SECONDS - 1);
    for (int i = 0; i < 500 && kill(hung, 0) == 0; i++)
        usleep(20000);
    cr_assert_eq(kill(hung, 0), -1, "it is killed and reaped");
    for (int i = 0; i < 500 && certificate == NULL; i++) {
        usleep(20000);
        (void)!tls_mint_certificate(mint, "a.example", time(NULL), &certificate);
    }
    cr_assert_not_null(certificate);
    cr_assert_neq(only_signer(), 0);
    X509_free(certificate);
    tls_mint_free(&mint);
    tls_ca_free(&ca);
    keeper_stop(&keeper);
}
