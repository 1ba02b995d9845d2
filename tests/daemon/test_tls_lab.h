/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_tls_lab: what the TLS tests share: a scratch directory with a CA in it, and two ends of a
 * handshake over a socketpair, pumped in one thread.
 */
#ifndef DIVED_TEST_TLS_LAB_H
#define DIVED_TEST_TLS_LAB_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tls/accept.h"
#include "tls/ca.h"
#include "tls/certificate_cache.h"
#include "tls/connect.h"

#define LAB_UNUSED __attribute__((unused))
#define LAB_DAY ((time_t)86400)

struct lab {
    char dir[64], certificate[128], key[128], why[512];
    struct tls_ca *ca;
    EVP_PKEY *ca_key; /* the CA's, read from its file: struct tls_ca doesn't give it away */
};

static LAB_UNUSED int lab_remove_one(const char *path, const struct stat *st, int type,
                                     struct FTW *ftw)
{
    return remove(path);
}

static LAB_UNUSED void lab_make_directory(struct lab *lab)
{
    memset(lab, 0, sizeof *lab);
    snprintf(lab->dir, sizeof lab->dir, "/tmp/dived-tls.XXXXXX");
    cr_assert_not_null(mkdtemp(lab->dir));
    snprintf(lab->certificate, sizeof lab->certificate, "%s/ca.crt", lab->dir);
    snprintf(lab->key, sizeof lab->key, "%s/ca.key", lab->dir);
}

/* A CA that was made 700 days ago, so that certificates of the past can be minted. */
static LAB_UNUSED void lab_open(struct lab *lab)
{
    BIO *bio;

    lab_make_directory(lab);
    cr_assert_eq(tls_ca_create(lab->certificate, lab->key, time(NULL) - 700 * LAB_DAY, lab->why,
                               sizeof lab->why),
                 0, "%s", lab->why);
    cr_assert_eq(
        tls_ca_load(&lab->ca, lab->certificate, lab->key, time(NULL), lab->why, sizeof lab->why), 0,
        "%s", lab->why);
    bio = BIO_new_file(lab->key, "r");
    lab->ca_key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    cr_assert_not_null(lab->ca_key);
}

static LAB_UNUSED void lab_close(struct lab *lab)
{
    EVP_PKEY_free(lab->ca_key);
    tls_ca_free(&lab->ca);
    nftw(lab->dir, lab_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static LAB_UNUSED void lab_write(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(fchmod(fd, mode), 0);
    close(fd);
}

static LAB_UNUSED void lab_write_certificate(const char *path, X509 *certificate, const char *mode)
{
    FILE *f = fopen(path, mode);

    cr_assert_not_null(f);
    cr_assert_eq(PEM_write_X509(f, certificate), 1);
    fclose(f);
}

/* One side of a handshake: what its last call gave. */
struct lab_end {
    SSL *ssl;
    int ret;
    bool done, failed;
    struct tls_failure failure;
};

static LAB_UNUSED void lab_step(struct lab_end *end)
{
    int error;

    if (end->done || end->failed)
        return;
    ERR_clear_error();
    end->ret = SSL_do_handshake(end->ssl);
    if (end->ret == 1) {
        end->done = true;
        return;
    }
    error = SSL_get_error(end->ssl, end->ret);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return;
    end->failed = true;
    tls_failure_read(&end->failure, end->ssl, end->ret);
}

/* Until both are through, or one failed and the other has heard of it. Descriptors go with the
 * SSLs. */
static LAB_UNUSED void lab_handshake(struct lab_end *client, struct lab_end *server)
{
    int fd[2], i;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
    cr_assert_eq(SSL_set_fd(client->ssl, fd[0]), 1);
    cr_assert_eq(SSL_set_fd(server->ssl, fd[1]), 1);
    BIO_set_close(SSL_get_rbio(client->ssl), BIO_CLOSE);
    BIO_set_close(SSL_get_rbio(server->ssl), BIO_CLOSE);
    for (i = 0; i < 20; i++) {
        lab_step(client);
        lab_step(server);
    }
}

/* Moves `n` bytes of data from one end to the other. Also makes a TLS 1.3 client read its tickets.
 */
static LAB_UNUSED void lab_send(SSL *from, SSL *to, const char *text)
{
    char buffer[64] = "";
    size_t n = strlen(text);

    cr_assert_eq(SSL_write(from, text, (int)n), (int)n);
    cr_assert_eq(SSL_read(to, buffer, sizeof buffer), (int)n);
    cr_assert_eq(memcmp(buffer, text, n), 0);
}

#endif
