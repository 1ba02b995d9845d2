/* SPDX-License-Identifier: BSD-2-Clause
 *
 * signer: the daemon's side of one signer process: a request and its answer at a time. When the
 * process is gone another one is asked for, which must have the same CA; not more than once a
 * second, so that a key that kills whoever uses it doesn't become a fork bomb.
 */
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "keeper/private.h"

#define RESTART_MS 1000

struct signer {
    struct keeper *keeper;
    pthread_mutex_t lock; /* of all below */
    int fd;               /* -1: the process is gone */
    int64_t quiet_until_ms;
    size_t n;
    unsigned char chain[]; /* n bytes */
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Locked. Another process for the one that is gone. */
static int restart(struct signer *signer)
{
    struct signer_hello *hello;
    char why[256];
    size_t n = 0;
    int r;

    if (now_ms() < signer->quiet_until_ms)
        return DIVE_E_STATE;
    signer->quiet_until_ms = now_ms() + RESTART_MS;
    hello = calloc(1, sizeof(*hello));
    if (hello == NULL)
        return DIVE_E_NOMEM;
    r = keeper_new_signer(signer->keeper, &signer->fd, hello, &n, why, sizeof(why));
    if (r != 0) {
        log_error("keeper", "the process with the CA's key is gone and can't be replaced: %s", why);
    } else if (n != signer->n || memcmp(hello->bytes, signer->chain, n) != 0) {
        log_error("keeper", "the process with the CA's key is gone, and the CA's files have "
                            "changed since it began: reload the configuration");
        close(signer->fd);
        signer->fd = -1;
        r = DIVE_E_STATE;
    } else {
        log_warning("keeper", "the process with the CA's key was gone; another one has taken over");
    }
    free(hello);
    return r;
}

/* Locked. DIVE_E_STATE: the process is gone, or answers what it mustn't, and is given up. */
static int ask(struct signer *signer, const struct signer_request *request,
               struct signer_reply *reply, size_t *n)
{
    int length = -1;

    if (signer->fd >= 0 && wire_send(signer->fd, request, sizeof(*request)) == 0)
        length = wire_receive(signer->fd, reply, sizeof(*reply));
    if (length >= (int)offsetof(struct signer_reply, bytes) && reply->magic == WIRE_MAGIC) {
        *n = (size_t)length - offsetof(struct signer_reply, bytes);
        return reply->result;
    }
    if (signer->fd >= 0)
        close(signer->fd);
    signer->fd = -1;
    return DIVE_E_STATE;
}

static int signer_mint(void *arg, const char *name, const unsigned char *point,
                       unsigned lifetime_hours, X509 **out)
{
    struct signer *signer = arg;
    struct signer_request request = {.magic = WIRE_MAGIC, .lifetime_hours = lifetime_hours};
    struct signer_reply reply;
    const unsigned char *p = reply.bytes;
    size_t length = strlen(name), n = 0;
    int r = DIVE_E_SYNTAX;

    *out = NULL;
    if (length > TLS_MINT_NAME_MAX)
        return r;
    memcpy(request.name, name, length);
    memcpy(request.point, point, sizeof(request.point));
    pthread_mutex_lock(&signer->lock);
    r = ask(signer, &request, &reply, &n);
    if (r == DIVE_E_STATE && signer->fd < 0) {
        r = restart(signer);
        if (r == 0)
            r = ask(signer, &request, &reply, &n);
    }
    pthread_mutex_unlock(&signer->lock);
    if (r != 0)
        return r;
    *out = d2i_X509(NULL, &p, (long)n);
    return *out != NULL ? 0 : DIVE_E_STATE;
}

static void signer_release(void *arg)
{
    struct signer *signer = arg;

    if (signer->fd >= 0)
        close(signer->fd);
    pthread_mutex_destroy(&signer->lock);
    free(signer);
}

int signer_new(struct tls_ca_remote *remote, struct keeper *keeper, int fd,
               const unsigned char *chain, size_t n)
{
    struct signer *signer = calloc(1, sizeof(*signer) + n);

    *remote = (struct tls_ca_remote){0};
    if (signer == NULL) {
        close(fd);
        return DIVE_E_NOMEM;
    }
    signer->keeper = keeper;
    signer->fd = fd;
    signer->n = n;
    memcpy(signer->chain, chain, n);
    pthread_mutex_init(&signer->lock, NULL);
    *remote = (struct tls_ca_remote){signer_mint, signer_release, signer};
    return 0;
}
