/* SPDX-License-Identifier: BSD-2-Clause
 *
 * prefix_bio: see prefix_bio.h.
 */
#include "core/prefix_bio.h"

#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct prefix {
    int fd; /* -1: `ssl` instead */
    SSL *ssl;
    size_t length, taken;
    char *bytes; /* freed as soon as they are taken */
};

/* What the outer connection waits for is what the inner one has to wait for. Its errors are not the
 * inner one's, which sees a broken connection. */
static int prefix_bio_retry(BIO *bio, SSL *ssl, int r)
{
    switch (SSL_get_error(ssl, r)) {
    case SSL_ERROR_WANT_READ:
        BIO_set_retry_read(bio);
        break;
    case SSL_ERROR_WANT_WRITE:
        BIO_set_retry_write(bio);
        break;
    case SSL_ERROR_ZERO_RETURN:
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
        return 0;
    default:
        ERR_clear_error();
        break;
    }
    return -1;
}

static int prefix_bio_read(BIO *bio, char *to, int n)
{
    struct prefix *p = BIO_get_data(bio);
    ssize_t r;

    BIO_clear_retry_flags(bio);
    if (n <= 0)
        return 0;
    if (p->bytes != NULL) {
        size_t take = p->length - p->taken;

        if (take > (size_t)n)
            take = (size_t)n;
        memcpy(to, p->bytes + p->taken, take);
        p->taken += take;
        if (p->taken == p->length) {
            free(p->bytes);
            p->bytes = NULL;
        }
        return (int)take;
    }
    if (p->ssl != NULL) {
        int got = SSL_read(p->ssl, to, n);

        return got > 0 ? got : prefix_bio_retry(bio, p->ssl, got);
    }
    r = recv(p->fd, to, (size_t)n, 0);
    if (r < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(bio);
    else if (r == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return (int)r;
}

static int prefix_bio_write(BIO *bio, const char *from, int n)
{
    struct prefix *p = BIO_get_data(bio);
    ssize_t r;

    BIO_clear_retry_flags(bio);
    if (p->ssl != NULL) {
        int put = n > 0 ? SSL_write(p->ssl, from, n) : 0;

        return put > 0 || n <= 0 ? put : prefix_bio_retry(bio, p->ssl, put);
    }
    r = send(p->fd, from, (size_t)n, MSG_NOSIGNAL);
    if (r < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_write(bio);
    return (int)r;
}

static long prefix_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    struct prefix *p = BIO_get_data(bio);

    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    case BIO_CTRL_PENDING:
        return p->bytes != NULL ? (long)(p->length - p->taken) : 0;
    case BIO_C_GET_FD:
        if (pointer != NULL)
            *(int *)pointer = p->fd;
        return p->fd;
    default:
        return 0;
    }
}

static int prefix_bio_destroy(BIO *bio)
{
    struct prefix *p = BIO_get_data(bio);

    if (p != NULL) {
        free(p->bytes);
        free(p);
        BIO_set_data(bio, NULL);
    }
    return 1;
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void prefix_bio_make_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "prefixed socket");

    if (m == NULL || !BIO_meth_set_read(m, prefix_bio_read) ||
        !BIO_meth_set_write(m, prefix_bio_write) || !BIO_meth_set_ctrl(m, prefix_bio_ctrl) ||
        !BIO_meth_set_destroy(m, prefix_bio_destroy)) {
        BIO_meth_free(m);
        return;
    }
    method = m;
}

static BIO *prefix_bio_make(int fd, SSL *ssl, const void *prefix, size_t n)
{
    struct prefix *p = NULL;
    BIO *bio = NULL;

    (void)pthread_once(&method_once, prefix_bio_make_method);
    if (method == NULL)
        return NULL;
    p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    p->fd = fd;
    p->ssl = ssl;
    if (n > 0) {
        p->bytes = malloc(n);
        if (p->bytes == NULL)
            goto fail;
        memcpy(p->bytes, prefix, n);
        p->length = n;
    }
    bio = BIO_new(method);
    if (bio == NULL)
        goto fail;
    BIO_set_data(bio, p);
    BIO_set_init(bio, 1);
    return bio;
fail:
    free(p->bytes);
    free(p);
    return NULL;
}

BIO *prefix_bio_new(int fd, const void *prefix, size_t n)
{
    return prefix_bio_make(fd, NULL, prefix, n);
}

BIO *prefix_bio_new_tls(SSL *ssl, const void *prefix, size_t n)
{
    return prefix_bio_make(-1, ssl, prefix, n);
}
