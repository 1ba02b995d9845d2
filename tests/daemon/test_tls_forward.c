/* SPDX-License-Identifier: BSD-2-Clause
 *
 * DNS over TLS: a TLS server in front of the lab's knotd, with the right certificate and with wrong
 * ones.
 */
#include "dns/tls_forward.h"

#include <criterion/criterion.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/prctl.h>

#include "dns_lab.h"

#define SERVER_NAME "dns.lab.example"

struct fixture {
    struct loop loop;
    struct dns_lab lab;
    struct resolver *resolver;
    pid_t server;
    char forward[64];
    const char *forwards[1];
    char ca[96];
    struct resolver_config config;
};

/* A certificate for SERVER_NAME that is its own issuer, also written to `path` as the CA bundle. */
static SSL_CTX *server_context(const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_EXTENSION *san;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    FILE *file;

    cr_assert(key && cert && context);
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)"lab", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_set_pubkey(cert, key);
    san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:" SERVER_NAME);
    cr_assert_not_null(san);
    X509_add_ext(cert, san, -1);
    X509_EXTENSION_free(san);
    cr_assert_gt(X509_sign(cert, key, EVP_sha256()), 0);
    cr_assert_eq(SSL_CTX_use_certificate(context, cert), 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey(context, key), 1);
    file = fopen(path, "w");
    cr_assert(file && PEM_write_X509(file, cert));
    fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
    return context;
}

static bool read_all(SSL *ssl, int fd, uint8_t *to, size_t n)
{
    while (n > 0) {
        ssize_t got = ssl ? SSL_read(ssl, to, (int)n) : read(fd, to, n);

        if (got <= 0)
            return false;
        to += got;
        n -= (size_t)got;
    }
    return true;
}

/* One connection: each question over TLS becomes one to knotd over TCP. In a process of its own. */
static void serve_one(SSL_CTX *context, int fd, const struct sockaddr_in *upstream)
{
    static uint8_t message[65537];
    SSL *ssl = SSL_new(context);
    int knotd = socket(AF_INET, SOCK_STREAM, 0);

    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) != 1 ||
        connect(knotd, (const struct sockaddr *)upstream, sizeof *upstream) != 0)
        _exit(1);
    for (;;) {
        size_t n;

        if (!read_all(ssl, -1, message, 2))
            _exit(0);
        n = (size_t)(message[0] << 8 | message[1]);
        if (!read_all(ssl, -1, message + 2, n) ||
            write(knotd, message, n + 2) != (ssize_t)(n + 2) || !read_all(NULL, knotd, message, 2))
            _exit(1);
        n = (size_t)(message[0] << 8 | message[1]);
        if (!read_all(NULL, knotd, message + 2, n) || SSL_write(ssl, message, (int)n + 2) <= 0)
            _exit(1);
    }
}

static void start_server(struct fixture *f)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    SSL_CTX *context;

    snprintf(f->ca, sizeof f->ca, "%s/ca.pem", f->lab.dir);
    context = server_context(f->ca);
    cr_assert_eq(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    cr_assert_eq(listen(fd, 20), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&in, &n), 0);
    snprintf(f->forward, sizeof f->forward, "127.0.0.1@%d", ntohs(in.sin_port));
    f->server = fork();
    cr_assert_geq(f->server, 0);
    if (f->server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGCHLD, SIG_IGN);
        for (;;) {
            int client = accept(fd, NULL, NULL);

            if (client >= 0 && fork() == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                serve_one(context, client, &f->lab.server);
            }
            close(client);
        }
    }
    close(fd);
    SSL_CTX_free(context);
}

static void begin(struct fixture *f)
{
    signal(SIGPIPE, SIG_IGN); /* as the daemon does */
    cr_assert_eq(loop_init(&f->loop), 0);
    lab_start(&f->lab, &f->loop);
    start_server(f);
    f->forwards[0] = f->forward;
    f->config = (struct resolver_config){.trust_anchor_file = f->lab.anchor,
                                         .forward = f->forwards,
                                         .forward_count = 1,
                                         .forward_tls = SERVER_NAME,
                                         .forward_tls_ca = f->ca,
                                         .timeout_ms = 3000};
}

static void end(struct fixture *f)
{
    resolver_free(&f->resolver);
    kill(f->server, SIGKILL);
    waitpid(f->server, NULL, 0);
    lab_stop(&f->lab);
    loop_destroy(&f->loop);
}

static void use(struct fixture *f)
{
    char error[512] = "";
    int r = f->resolver ? resolver_reconfigure(f->resolver, &f->config, error, sizeof error)
                        : resolver_new(&f->resolver, &f->loop, &f->config, error, sizeof error);

    cr_assert_eq(r, 0, "%s", error);
}

struct seen {
    int calls;
    enum dive_security security;
    size_t n;
    struct resolver_query *query;
};

static void on_txt(void *arg, const struct dive_answer *answer)
{
    struct seen *seen = arg;

    seen->calls++;
    seen->security = answer->security;
    seen->n = answer->n;
    seen->query = NULL;
}

static enum dive_security ask(struct fixture *f, const char *name, bool fresh)
{
    struct seen seen = {0};

    cr_assert_eq(resolver_txt(f->resolver, name, fresh, on_txt, &seen, &seen.query), 0);
    cr_assert(lab_until(&f->loop, &seen.calls, 1, 8000));
    return seen.security;
}

Test(tls_forward, the_named_server_is_asked, .timeout = 60)
{
    static struct fixture f;
    struct seen seen = {0};

    begin(&f);
    use(&f);
    cr_assert_eq(ask(&f, "_dive.lab.example", false), DIVE_DNS_SECURE);
    cr_assert_eq(ask(&f, "_dive.lab.example", true), DIVE_DNS_SECURE);
    cr_assert_eq(ask(&f, "_dive.bogus.example", false), DIVE_DNS_BOGUS);
    /* replaced with a question on its way: the old relay stays until it is answered */
    cr_assert_eq(resolver_txt(f.resolver, "two.lab.example", true, on_txt, &seen, &seen.query), 0);
    lab_turn(&f.loop, 1);
    use(&f);
    cr_assert(lab_until(&f.loop, &seen.calls, 1, 8000));
    cr_assert_eq(seen.security, DIVE_DNS_SECURE);
    cr_assert_eq(seen.n, 2);
    end(&f);
}

Test(tls_forward, another_name_gets_no_question, .timeout = 60)
{
    static struct fixture f;

    begin(&f);
    f.config.forward_tls = "other.lab.example";
    use(&f);
    cr_assert_eq(ask(&f, "_dive.lab.example", false), DIVE_DNS_NO_ANSWER);
    end(&f);
}

Test(tls_forward, another_issuer_gets_no_question, .timeout = 60)
{
    static struct fixture f;
    char other[128];

    begin(&f);
    snprintf(other, sizeof other, "%s/other.pem", f.lab.dir);
    SSL_CTX_free(server_context(other));
    f.config.forward_tls_ca = other;
    use(&f);
    cr_assert_eq(ask(&f, "_dive.lab.example", false), DIVE_DNS_NO_ANSWER);
    end(&f);
}

Test(tls_forward, a_server_without_tls_gets_no_question, .timeout = 60)
{
    static struct fixture f;
    struct seen seen = {0};

    begin(&f);
    snprintf(f.forward, sizeof f.forward, "127.0.0.1@%d", ntohs(f.lab.server.sin_port));
    use(&f);
    cr_assert_eq(ask(&f, "_dive.lab.example", false), DIVE_DNS_NO_ANSWER);
    /* gone with connections under way */
    cr_assert_eq(resolver_txt(f.resolver, "two.lab.example", false, on_txt, &seen, &seen.query), 0);
    lab_turn(&f.loop, 30);
    resolver_cancel(&seen.query);
    end(&f);
}

Test(tls_forward, configuration_errors, .timeout = 20)
{
    static const char *const forward[] = {"192.0.2.1"};
    static const struct {
        struct resolver_config config;
        const char *says;
    } cases[] = {
        {{.forward_tls = "dns.example"}, "no dns.forward"},
        {{.forward = forward, .forward_count = 1, .forward_tls = "a b"}, "'a b' is no name"},
        {{.forward = forward,
          .forward_count = 1,
          .forward_tls = "dns.example",
          .forward_tls_ca = "/nonexistent"},
         "no CA certificates in /nonexistent"},
    };
    struct resolver *resolver;
    struct loop loop;
    char error[256];

    cr_assert_eq(loop_init(&loop), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_lt(resolver_new(&resolver, &loop, &cases[i].config, error, sizeof error), 0);
        cr_assert_not_null(strstr(error, cases[i].says), "case %zu: %s", i, error);
    }
    loop_destroy(&loop);
}
