/* SPDX-License-Identifier: BSD-2-Clause
 *
 * signer_process: has the CA's key and makes certificates for host names with it.
 *
 *   read the key -> tell whose it is -> become the daemon's user, without privileges, locked
 * memory, without core dumps -> a filter that allows to read, write and allocate -> requests, until
 * the daemon closes
 *
 * What can be asked for is a certificate by tls/mint.c: for one name, for serverAuth, CA:FALSE,
 * valid for 397 days at most from this process's own time on. Nothing that comes in is ever signed
 * as it came.
 */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/sandbox.h"
#include "keeper/private.h"
#include "tls/token.h"

#define SECURE_HEAP 65536 /* bytes of locked memory for the key */
#define SECURE_MIN 32

/* Requests of one runtime all name one key: what is made for it is kept until another one comes. */
struct server {
    struct tls_ca *ca;
    struct tls_mint *mint;
    unsigned char point[TLS_MINT_POINT];
    unsigned lifetime_hours;
};

static int find_mint(struct server *server, const struct signer_request *request)
{
    if (server->mint != NULL && server->lifetime_hours == request->lifetime_hours &&
        memcmp(server->point, request->point, sizeof(server->point)) == 0)
        return 0;
    tls_mint_free(&server->mint);
    memcpy(server->point, request->point, sizeof(server->point));
    server->lifetime_hours = request->lifetime_hours;
    return tls_mint_new_for(&server->mint, server->ca, request->point, request->lifetime_hours);
}

static int mint(struct server *server, const struct signer_request *request,
                struct signer_reply *reply, size_t *n)
{
    X509 *certificate = NULL;
    unsigned char *p = reply->bytes;
    int length, r;

    *n = 0;
    if (memchr(request->name, '\0', sizeof(request->name)) == NULL)
        return DIVE_E_SYNTAX;
    r = find_mint(server, request);
    if (r == 0)
        r = tls_mint_certificate(server->mint, request->name, time(NULL), &certificate);
    if (r != 0)
        return r;
    r = DIVE_E_LIMIT;
    length = i2d_X509(certificate, NULL);
    if (length > 0 && (size_t)length <= sizeof(reply->bytes)) {
        *n = (size_t)i2d_X509(certificate, &p);
        r = 0;
    }
    X509_free(certificate);
    return r;
}

int signer_serve(int fd, struct tls_ca *ca)
{
    struct server server = {.ca = ca};
    struct signer_request request = {0};
    struct signer_reply reply = {0};
    size_t n;
    int length;

    while ((length = wire_receive(fd, &request, sizeof(request))) == (int)sizeof(request) &&
           request.magic == WIRE_MAGIC) {
        reply.magic = WIRE_MAGIC;
        reply.result = mint(&server, &request, &reply, &n);
        if (reply.result == DIVE_E_STATE)
            break; /* without an answer: the next signer gives it, with a session of its own */
        if (wire_send(fd, &reply, offsetof(struct signer_reply, bytes) + n) != 0)
            break;
    }
    tls_mint_free(&server.mint);
    if (reply.result == DIVE_E_STATE)
        return DIVE_E_STATE;
    return length == 0 ? 0 : DIVE_E_SYNTAX;
}

static void say_hello(int fd, int result, const struct tls_ca *ca, const char *why)
{
    static struct signer_hello hello;
    size_t n = strlen(why);

    if (result == 0)
        result = tls_ca_export(ca, hello.bytes, sizeof(hello.bytes), &n);
    else
        memcpy(hello.bytes, why, n);
    if (result == DIVE_E_LIMIT && n == 0)
        n = (size_t)snprintf((char *)hello.bytes, sizeof(hello.bytes),
                             "the certificates of the CA and its chain are too large");
    hello.magic = WIRE_MAGIC;
    hello.result = result;
    if (wire_send(fd, &hello, offsetof(struct signer_hello, bytes) + n) != 0 || result != 0)
        _exit(1);
}

/* The key of a file may be root's, so it is read first. A token is asked again for each signature,
 * by a module that may need files and the network: all of it is done as the daemon's user, without
 * a filter. */
static int get_key(const struct keeper_options *options, struct tls_ca **ca, char *why,
                   size_t why_size)
{
    bool on_token = token_is_uri(options->ca_key);
    int r = on_token ? privileges_drop(options->signer, why, why_size) : 0;

    if (r == 0)
        r = tls_ca_load_or_create(ca, options->ca_certificate, options->ca_key, time(NULL), why,
                                  why_size);
    if (r == 0 && !on_token)
        r = privileges_drop(options->signer, why, why_size);
    if (r == 0)
        r = sandbox_harden(why, why_size);
    if (r == 0 && !on_token && options->seccomp)
        r = sandbox_confine_signer(why, why_size);
    return r;
}

void signer_process(int fd, const struct keeper_options *options)
{
    struct tls_ca *ca = NULL;
    char why[512] = "";
    int r;

    (void)prctl(PR_SET_NAME, "dived-signer");
    (void)CRYPTO_secure_malloc_init(SECURE_HEAP, SECURE_MIN);
    r = get_key(options, &ca, why, sizeof(why));
    say_hello(fd, r, ca, why);
    r = signer_serve(fd, ca);
    tls_ca_free(&ca);
    _exit(r == 0 ? 0 : 1);
}
