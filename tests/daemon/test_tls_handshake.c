/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Both sides of TLS over a socketpair: ours against ours, and each against a plain OpenSSL peer
 * that knows one version, offers odd protocols, or presents what must not be accepted.
 */
#include <openssl/x509v3.h>

#include "test_tls_lab.h"
#include "tls/x509_build.h"

static struct lab lab;
static struct certificate_cache *cache;
static SSL_CTX *accept_context, *connect_context;

static void setup(void)
{
    lab_open(&lab);
    cr_assert_eq(certificate_cache_new(&cache, lab.ca, 24, 100), 0);
    cr_assert_eq(tls_accept_context_new(&accept_context, cache, lab.why, sizeof lab.why), 0, "%s",
                 lab.why);
    cr_assert_eq(
        tls_connect_context_new(&connect_context, lab.certificate, lab.why, sizeof lab.why), 0,
        "%s", lab.why);
}

static void teardown(void)
{
    SSL_CTX_free(accept_context);
    SSL_CTX_free(connect_context);
    certificate_cache_free(&cache);
    lab_close(&lab);
}

TestSuite(tls_handshake, .init = setup, .fini = teardown);

static SSL *our_server(const char *name, time_t minted)
{
    X509 *certificate;
    SSL *ssl;

    cr_assert_eq(certificate_cache_get(cache, name, minted, &certificate), 0);
    cr_assert_eq(tls_accept_new(accept_context, name, certificate, &ssl), 0);
    X509_free(certificate);
    return ssl;
}

static SSL *our_client(const char *host)
{
    SSL *ssl;

    cr_assert_eq(tls_connect_new(connect_context, host, &ssl), 0, "%s", host);
    return ssl;
}

/* A client that trusts the lab's CA and is otherwise as OpenSSL makes it. */
static SSL_CTX *plain_client_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    cr_assert_eq(SSL_CTX_load_verify_file(context, lab.certificate), 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    return context;
}

static SSL *plain_client(SSL_CTX *context, const char *name)
{
    SSL *ssl = SSL_new(context);

    SSL_set1_host(ssl, name);
    SSL_set_tlsext_host_name(ssl, name);
    SSL_set_connect_state(ssl);
    return ssl;
}

static SSL *plain_server(X509 *certificate, EVP_PKEY *key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL *ssl;

    cr_assert_eq(SSL_CTX_use_certificate(context, certificate), 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey(context, key), 1);
    ssl = SSL_new(context);
    SSL_CTX_free(context);
    SSL_set_accept_state(ssl);
    return ssl;
}

static void close_ends(struct lab_end *client, struct lab_end *server)
{
    SSL_free(client->ssl);
    SSL_free(server->ssl);
    *client = *server = (struct lab_end){0};
}

static void expect_accepted(const char *host, const char *name, time_t minted)
{
    struct lab_end client = {our_client(host)}, server = {our_server(name, minted)};

    lab_handshake(&client, &server);
    cr_assert(client.done && server.done, "%s: %s", host, client.failure.text);
    cr_assert(tls_connect_is_verified(client.ssl));
    lab_send(client.ssl, server.ssl, "ping");
    lab_send(server.ssl, client.ssl, "pong");
    close_ends(&client, &server);
}

/* The client must refuse, with `word` in its text; the server must have heard an alert. */
static void expect_refused(struct lab_end client, struct lab_end server, const char *word)
{
    lab_handshake(&client, &server);
    cr_assert(client.failed);
    cr_assert_not(tls_connect_is_verified(client.ssl));
    cr_assert_eq(client.failure.kind, TLS_FAILURE_CERTIFICATE, "%s", client.failure.text);
    cr_assert_str_eq(tls_failure_word(client.failure.kind), "tls_certificate_error");
    cr_assert_not_null(strstr(client.failure.text, word), "%s", client.failure.text);
    cr_assert_not(server.done && server.failed);
    cr_assert_eq(ERR_peek_error(), 0u);
    close_ends(&client, &server);
}

Test(tls_handshake, names_and_addresses)
{
    time_t now = time(NULL);

    expect_accepted("www.example.org", "www.example.org", now);
    expect_accepted("under_score.example", "under_score.example", now);
    expect_accepted("192.0.2.7", "192.0.2.7", now);
    expect_accepted("2001:db8::7", "2001:db8::7", now);
}

Test(tls_handshake, sni_for_names_only)
{
    struct lab_end client = {our_client("a.example")};
    struct lab_end server = {our_server("a.example", time(NULL))};

    lab_handshake(&client, &server);
    cr_assert_str_eq(SSL_get_servername(server.ssl, TLSEXT_NAMETYPE_host_name), "a.example");
    close_ends(&client, &server);

    client.ssl = our_client("192.0.2.7");
    server.ssl = our_server("192.0.2.7", time(NULL));
    lab_handshake(&client, &server);
    cr_assert_null(SSL_get_servername(server.ssl, TLSEXT_NAMETYPE_host_name));
    close_ends(&client, &server);
}

Test(tls_handshake, wrong_name)
{
    time_t now = time(NULL);

    expect_refused((struct lab_end){our_client("a.example")},
                   (struct lab_end){our_server("b.example", now)},
                   "presented: a certificate for b.example, issued by dived interception CA");
    expect_refused((struct lab_end){our_client("a.example")},
                   (struct lab_end){our_server("www.a.example", now)}, "ostname mismatch");
    expect_refused((struct lab_end){our_client("www.a.example")},
                   (struct lab_end){our_server("a.example", now)}, "ostname mismatch");
    expect_refused((struct lab_end){our_client("192.0.2.1")},
                   (struct lab_end){our_server("192.0.2.2", now)}, "192.0.2.2");
    expect_refused((struct lab_end){our_client("192.0.2.1")},
                   (struct lab_end){our_server("a.example", now)}, "IP address mismatch");
    expect_refused((struct lab_end){our_client("2001:db8::1")},
                   (struct lab_end){our_server("2001:db8::2", now)}, "2001:db8::2");
}

Test(tls_handshake, expired_and_not_yet_valid)
{
    expect_refused((struct lab_end){our_client("a.example")},
                   (struct lab_end){our_server("a.example", time(NULL) - 30 * LAB_DAY)},
                   "has expired");
    expect_refused((struct lab_end){our_client("b.example")},
                   (struct lab_end){our_server("b.example", time(NULL) + 30 * LAB_DAY)},
                   "not yet valid");
}

/* Signed by `issuer` (NULL: itself), with one extension or none. */
static X509 *make(EVP_PKEY *key, const char *cn, X509 *issuer, EVP_PKEY *issuer_key, int nid,
                  const char *value)
{
    X509 *certificate;
    X509_NAME *name;
    time_t now = time(NULL);

    cr_assert_eq(x509_build_new(&certificate, key, now - 60, now + LAB_DAY), 0);
    name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const unsigned char *)cn, -1,
                               -1, 0);
    X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : name);
    if (value != NULL)
        cr_assert_eq(x509_build_extension(certificate, nid, value), 0);
    cr_assert_eq(x509_build_sign(certificate, issuer_key ? issuer_key : key), 0);
    return certificate;
}

static void expect_server_refused(X509 *certificate, EVP_PKEY *key, const char *word)
{
    expect_refused((struct lab_end){our_client("a.example")},
                   (struct lab_end){plain_server(certificate, key)}, word);
    X509_free(certificate);
}

Test(tls_handshake, untrusted_chains)
{
    EVP_PKEY *key = EVP_EC_gen("P-256"), *other_key = EVP_EC_gen("P-256");
    X509 *ca = tls_ca_certificate(lab.ca),
         *stranger = make(other_key, "stranger", NULL, NULL, 0, NULL);
    int san = NID_subject_alt_name;

    expect_server_refused(make(key, "a.example", NULL, NULL, san, "DNS:a.example"), key,
                          "self-signed");
    expect_server_refused(make(key, "x", stranger, other_key, san, "DNS:a.example"), key,
                          "unable to get local issuer");
    /* The name of the trusted CA, another key. */
    expect_server_refused(make(key, "x", ca, other_key, san, "DNS:a.example"), key, "signature");
    /* Only the SAN counts (RFC 9525), and a wildcard covers one whole label. */
    expect_server_refused(make(key, "a.example", ca, lab.ca_key, 0, NULL), key, "ostname mismatch");
    expect_server_refused(make(key, "x", ca, lab.ca_key, san, "DNS:a*.example"), key,
                          "ostname mismatch");
    /* A client's certificate is no server's. */
    expect_server_refused(make(key, "x", ca, lab.ca_key, NID_ext_key_usage, "clientAuth"), key,
                          "purpose");
    X509_free(stranger);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other_key);
}

Test(tls_handshake, a_certificates_text_can_not_break_a_log_line)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate =
        make(key, "evil\"\r\nX: \\ \x1b[31m", NULL, NULL, NID_subject_alt_name, "DNS:b.example");
    struct lab_end client = {our_client("a.example")}, server = {plain_server(certificate, key)};
    const char *p;

    lab_handshake(&client, &server);
    cr_assert(client.failed);
    cr_assert_not_null(strstr(client.failure.text, "evil"));
    for (p = client.failure.text; *p; p++)
        cr_assert(*p >= 0x20 && *p < 0x7f && *p != '"' && *p != '\\');
    close_ends(&client, &server);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

Test(tls_handshake, versions_of_the_client)
{
    static const struct {
        int version;
        bool works;
    } rows[] = {{TLS1_1_VERSION, false}, {TLS1_2_VERSION, true}, {TLS1_3_VERSION, true}};
    size_t i;

    for (i = 0; i < 3; i++) {
        SSL_CTX *context = plain_client_context();
        struct lab_end client, server = {our_server("a.example", time(NULL))};

        SSL_CTX_set_security_level(context, 0);
        SSL_CTX_set_min_proto_version(context, rows[i].version);
        SSL_CTX_set_max_proto_version(context, rows[i].version);
        client = (struct lab_end){plain_client(context, "a.example")};
        lab_handshake(&client, &server);
        cr_assert_eq(client.done, rows[i].works, "%s", client.failure.text);
        cr_assert_eq(server.done, rows[i].works, "%s", server.failure.text);
        if (rows[i].works) {
            cr_assert_eq(SSL_version(server.ssl), rows[i].version);
        } else {
            cr_assert_eq(server.failure.kind, TLS_FAILURE_PROTOCOL);
            cr_assert_eq(client.failure.kind, TLS_FAILURE_ALERT);
            cr_assert_eq(client.failure.alert, SSL3_AD_HANDSHAKE_FAILURE == client.failure.alert
                                                   ? SSL3_AD_HANDSHAKE_FAILURE
                                                   : TLS1_AD_PROTOCOL_VERSION);
        }
        close_ends(&client, &server);
        SSL_CTX_free(context);
    }
}

Test(tls_handshake, versions_of_the_origin)
{
    static const struct {
        int version;
        bool works;
    } rows[] = {{TLS1_1_VERSION, false}, {TLS1_2_VERSION, true}, {TLS1_3_VERSION, true}};
    size_t i;

    for (i = 0; i < 3; i++) {
        struct lab_end client = {our_client("a.example")};
        struct lab_end server = {our_server("a.example", time(NULL))};

        SSL_set_security_level(server.ssl, 0);
        SSL_set_min_proto_version(server.ssl, rows[i].version);
        SSL_set_max_proto_version(server.ssl, rows[i].version);
        if (rows[i].version == TLS1_1_VERSION)
            SSL_set_cipher_list(server.ssl, "ALL:@SECLEVEL=0");
        lab_handshake(&client, &server);
        cr_assert_eq(client.done, rows[i].works, "%s", client.failure.text);
        cr_assert_eq(tls_connect_is_verified(client.ssl), rows[i].works);
        close_ends(&client, &server);
    }
}

static enum { ALPN_NONE, ALPN_HTTP11, ALPN_FATAL } offer(const char *wire)
{
    SSL_CTX *context = plain_client_context();
    struct lab_end client, server = {our_server("a.example", time(NULL))};
    const unsigned char *alpn;
    unsigned n;
    int result = ALPN_NONE;

    if (wire != NULL)
        SSL_CTX_set_alpn_protos(context, (const unsigned char *)wire, (unsigned)strlen(wire));
    client = (struct lab_end){plain_client(context, "a.example")};
    lab_handshake(&client, &server);
    if (client.failed) {
        cr_assert_eq(client.failure.kind, TLS_FAILURE_ALERT);
        cr_assert_eq(client.failure.alert, TLS1_AD_NO_APPLICATION_PROTOCOL);
        cr_assert_str_eq(tls_failure_word(client.failure.kind), "tls_alert_received");
        cr_assert_eq(server.failure.kind, TLS_FAILURE_PROTOCOL);
        result = ALPN_FATAL;
    } else {
        SSL_get0_alpn_selected(client.ssl, &alpn, &n);
        cr_assert(n == 0 || (n == 8 && memcmp(alpn, "http/1.1", 8) == 0));
        result = n == 0 ? ALPN_NONE : ALPN_HTTP11;
    }
    close_ends(&client, &server);
    SSL_CTX_free(context);
    return result;
}

Test(tls_handshake, alpn)
{
    cr_assert_eq(offer(NULL), ALPN_NONE);
    cr_assert_eq(offer("\x02h2\x08http/1.1"), ALPN_HTTP11);
    cr_assert_eq(offer("\x08http/1.1\x08http/1.0"), ALPN_HTTP11);
    cr_assert_eq(offer("\x02h2"), ALPN_FATAL);
}

static int select_h2(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *in,
                     unsigned in_len, void *arg)
{
    *out = (const unsigned char *)"h2";
    *n = 2;
    return SSL_TLSEXT_ERR_OK;
}

Test(tls_handshake, an_origin_that_selects_what_was_not_offered)
{
    struct lab_end client = {our_client("a.example")};
    struct lab_end server = {our_server("a.example", time(NULL))};

    SSL_CTX_set_alpn_select_cb(accept_context, select_h2, NULL);
    lab_handshake(&client, &server);
    cr_assert_not(tls_connect_is_verified(client.ssl));
    close_ends(&client, &server);
}

static SSL_SESSION *kept;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION_free(kept);
    kept = session;
    return 1;
}

/* Resumes with the session kept, at a server for `name`. */
static bool resumes(SSL_CTX *context, const char *name)
{
    struct lab_end client = {plain_client(context, "a.example")};
    struct lab_end server = {our_server(name, time(NULL))};
    bool reused;

    SSL_set_verify(client.ssl, SSL_VERIFY_NONE, NULL);
    if (kept != NULL)
        cr_assert_eq(SSL_set_session(client.ssl, kept), 1);
    lab_handshake(&client, &server);
    cr_assert(client.done && server.done, "%s %s", client.failure.text, server.failure.text);
    lab_send(server.ssl, client.ssl, "now read your tickets");
    reused = SSL_session_reused(server.ssl);
    cr_assert_eq(reused, SSL_session_reused(client.ssl));
    (void)SSL_shutdown(client.ssl); /* or the client's library gives its session up */
    close_ends(&client, &server);
    return reused;
}

Test(tls_handshake, tickets_are_good_for_one_name)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    size_t i;

    for (i = 0; i < 2; i++) {
        SSL_CTX *context = plain_client_context();

        SSL_CTX_set_min_proto_version(context, versions[i]);
        SSL_CTX_set_max_proto_version(context, versions[i]);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, keep_session);
        cr_assert_not(resumes(context, "a.example"));
        cr_assert_not_null(kept);
        cr_assert(resumes(context, "a.example"), "%d", versions[i]);
        cr_assert_not(resumes(context, "b.example"));
        SSL_SESSION_free(kept);
        kept = NULL;
        SSL_CTX_free(context);
    }
}

Test(tls_handshake, a_root_is_not_sent_and_an_intermediate_is)
{
    struct lab other;
    struct certificate_cache *other_cache;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *sub = make(key, "intermediate", tls_ca_certificate(lab.ca), lab.ca_key,
                     NID_basic_constraints, "critical,CA:TRUE"),
         *leaf;
    SSL_CTX *context;
    FILE *f;
    struct lab_end client = {our_client("a.example")};
    struct lab_end server = {our_server("a.example", time(NULL))};

    lab_handshake(&client, &server);
    cr_assert_eq(sk_X509_num(SSL_get_peer_cert_chain(client.ssl)), 1);
    close_ends(&client, &server);

    lab_make_directory(&other);
    lab_write_certificate(other.certificate, sub, "w");
    lab_write_certificate(other.certificate, tls_ca_certificate(lab.ca), "a");
    lab_write(other.key, "", 0600);
    f = fopen(other.key, "w");
    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    /* pathlen:0 of the lab's CA forbids an intermediate; the chain sent is what counts here. */
    cr_assert_eq(tls_ca_load(&other.ca, other.certificate, other.key, time(NULL), other.why,
                             sizeof other.why),
                 0, "%s", other.why);
    cr_assert_eq(sk_X509_num(tls_ca_chain(other.ca)), 1);
    cr_assert_eq(certificate_cache_new(&other_cache, other.ca, 24, 4), 0);
    cr_assert_eq(tls_accept_context_new(&context, other_cache, other.why, sizeof other.why), 0);
    cr_assert_eq(certificate_cache_get(other_cache, "a.example", time(NULL), &leaf), 0);
    cr_assert_eq(tls_accept_new(context, "a.example", leaf, &server.ssl), 0);
    client.ssl = our_client("a.example");
    SSL_set_verify(client.ssl, SSL_VERIFY_NONE, NULL);
    lab_handshake(&client, &server);
    cr_assert_eq(sk_X509_num(SSL_get_peer_cert_chain(client.ssl)), 2);
    cr_assert_not(tls_connect_is_verified(client.ssl));
    close_ends(&client, &server);

    cr_assert_eq(tls_accept_new(accept_context, "a.example", leaf, &server.ssl), DIVE_E_MISMATCH);
    cr_assert_null(server.ssl);
    SSL_CTX_free(context);
    certificate_cache_free(&other_cache);
    lab_close(&other);
    X509_free(leaf);
    X509_free(sub);
    EVP_PKEY_free(key);
}

Test(tls_handshake, rsa_ca)
{
    struct lab other;
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509 *root = make(key, "rsa root", NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
    FILE *f;

    lab_make_directory(&other);
    lab_write_certificate(other.certificate, root, "w");
    lab_write(other.key, "", 0600);
    f = fopen(other.key, "w");
    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    X509_free(root);
    EVP_PKEY_free(key);
    teardown();
    lab = other;
    cr_assert_eq(
        tls_ca_load(&lab.ca, lab.certificate, lab.key, time(NULL), lab.why, sizeof lab.why), 0,
        "%s", lab.why);
    cr_assert_eq(certificate_cache_new(&cache, lab.ca, 24, 100), 0);
    cr_assert_eq(tls_accept_context_new(&accept_context, cache, lab.why, sizeof lab.why), 0);
    cr_assert_eq(
        tls_connect_context_new(&connect_context, lab.certificate, lab.why, sizeof lab.why), 0);
    expect_accepted("a.example", "a.example", time(NULL));
}

Test(tls_handshake, peers_that_do_not_speak_tls_or_go_away)
{
    struct lab_end client = {our_client("a.example")};
    static const char http[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    int fd[2], round;

    for (round = 0; round < 2; round++) {
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
        SSL_set_fd(client.ssl, fd[0]);
        lab_step(&client);
        if (round == 0)
            cr_assert_eq(write(fd[1], http, sizeof http - 1), (ssize_t)sizeof http - 1);
        else
            shutdown(fd[1], SHUT_WR);
        lab_step(&client);
        cr_assert(client.failed);
        cr_assert_eq(client.failure.kind, round == 0 ? TLS_FAILURE_PROTOCOL : TLS_FAILURE_CLOSED,
                     "%s", client.failure.text);
        SSL_free(client.ssl);
        close(fd[0]);
        close(fd[1]);
        client = (struct lab_end){our_client("a.example")};
    }
    SSL_free(client.ssl);
}

Test(tls_handshake, a_stream_cut_within_tls_is_no_clean_end)
{
    struct lab_end client = {our_client("a.example")};
    struct lab_end server = {our_server("a.example", time(NULL))};
    char byte;

    lab_handshake(&client, &server);
    shutdown(SSL_get_fd(server.ssl), SHUT_WR);
    ERR_clear_error();
    client.ret = SSL_read(client.ssl, &byte, 1);
    cr_assert(client.ret <= 0);
    cr_assert_neq(SSL_get_error(client.ssl, client.ret), SSL_ERROR_ZERO_RETURN);
    tls_failure_read(&client.failure, client.ssl, client.ret);
    cr_assert_eq(client.failure.kind, TLS_FAILURE_CLOSED);
    close_ends(&client, &server);
}

Test(tls_handshake, hosts_that_are_none)
{
    static const char *const bad[] = {"",    ".example.org", "*.example", "[::1]",
                                      "a b", "a:443",        "a/b"};
    SSL *ssl;
    size_t i;

    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(tls_connect_new(connect_context, bad[i], &ssl), DIVE_E_SYNTAX, "%s", bad[i]);
        cr_assert_null(ssl);
    }
}

static void expect_bundle(const char *path, int wanted, const char *word)
{
    SSL_CTX *context;
    int r = tls_connect_context_new(&context, path, lab.why, sizeof lab.why);

    cr_assert_eq(r, wanted, "%d %s", r, lab.why);
    cr_assert_null(context);
    cr_assert_not_null(strstr(lab.why, word), "%s", lab.why);
    cr_assert_not_null(strstr(lab.why, path), "%s", lab.why);
}

Test(tls_handshake, ca_bundles)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof path, "%s/bundle.pem", lab.dir);
    expect_bundle(path, DIVE_E_NOT_FOUND, "origins.ca-file");
    expect_bundle(lab.dir, DIVE_E_STATE, "regular file");
    lab_write(path, "", 0644);
    expect_bundle(path, DIVE_E_SYNTAX, "no PEM certificate");
    lab_write(path, "hello\n", 0644);
    expect_bundle(path, DIVE_E_SYNTAX, "no PEM certificate");
    lab_write_certificate(path, tls_ca_certificate(lab.ca), "w");
    f = fopen(path, "a");
    fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", f);
    fclose(f);
    expect_bundle(path, DIVE_E_SYNTAX, "damaged");
}

Test(tls_handshake, cost)
{
    struct timespec a, b;
    int i, n = 100;

    clock_gettime(CLOCK_MONOTONIC, &a);
    for (i = 0; i < n; i++)
        expect_accepted("a.example", "a.example", time(NULL));
    clock_gettime(CLOCK_MONOTONIC, &b);
    fprintf(stderr, "tls_handshake: %.0f microseconds for both sides of a full one\n",
            ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / 1e3 / n);
}
