/* SPDX-License-Identifier: BSD-2-Clause
 *
 * signer: the daemon's side of one signer process: a request and its answer at a time. When the
 * process is gone another one is asked for, which must have the same CA; not more than once a
 * second, so that a key that kills whoever uses it doesn't become a fork bomb.
 *
 * Who asks is a worker's loop, which stands still meanwhile. So a process that hangs (a token that
 * does) is given up and killed, and while nothing else is known than that it doesn't work, one
 * worker at a time waits for the next one, less and less often, and the others fail at once.
 */
#include <errno.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "keeper/private.h"

#define RESTART_MS 1000
#define QUIET_MAX_MS 30000 /* after attempts that somebody had to wait for */

struct signer {
    struct keeper *keeper;
    atomic_bool troubled; /* the last that was tried failed */
    pthread_mutex_t lock; /* of all below */
    struct signer_process process;
    int64_t quiet_until_ms, quiet_ms;
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
    struct signer_hello *hello = calloc(1, sizeof(*hello));
    char why[256];
    size_t n = 0;
    int r;

    if (hello == NULL)
        return DIVE_E_NOMEM;
    r = keeper_new_signer(signer->keeper, &signer->process, hello, &n, why, sizeof(why));
    if (r != 0) {
        log_error("keeper", "the process with the CA's key is gone and can't be replaced: %s", why);
    } else if (n != signer->n || memcmp(hello->bytes, signer->chain, n) != 0) {
        log_error("keeper", "the process with the CA's key is gone, and the CA's files have "
                            "changed since it began: reload the configuration");
        keeper_end_signer(signer->keeper, &signer->process);
        r = DIVE_E_STATE;
    } else {
        log_warning("keeper", "the process with the CA's key was gone; another one has taken over");
    }
    free(hello);
    return r;
}

/* Locked. DIVE_E_STATE and no process: it is gone, or answers what it mustn't, or not in time
 * (*hung), and is given up. */
static int ask(struct signer *signer, const struct signer_request *request,
               struct signer_reply *reply, size_t *n, bool *hung)
{
    int length = -1, fd = signer->process.fd;

    *hung = false;
    if (fd < 0)
        return DIVE_E_STATE;
    errno = 0;
    if (wire_send(fd, request, sizeof(*request)) == 0)
        length = wire_receive(fd, reply, sizeof(*reply));
    if (length >= (int)offsetof(struct signer_reply, bytes) && reply->magic == WIRE_MAGIC) {
        *n = (size_t)length - offsetof(struct signer_reply, bytes);
        return reply->result;
    }
    *hung = length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    if (*hung)
        log_error("keeper",
                  "the process with the CA's key didn't answer within %d seconds, and is "
                  "killed",
                  SIGNER_SECONDS);
    keeper_end_signer(signer->keeper, &signer->process);
    return DIVE_E_STATE;
}

/* Locked. When the next attempt may be made after one that failed. A failure that came at once
 * keeps nobody waiting: it may be tried again in a second. */
static void keep_quiet(struct signer *signer, int64_t begun_ms)
{
    int64_t now = now_ms();

    atomic_store(&signer->troubled, true);
    signer->quiet_until_ms = now + signer->quiet_ms;
    if (now - begun_ms < RESTART_MS)
        return;
    signer->quiet_ms *= 2;
    if (signer->quiet_ms > QUIET_MAX_MS)
        signer->quiet_ms = QUIET_MAX_MS;
}

/* Locked. The answer of the process that is there, or of another one. */
static int ask_somebody(struct signer *signer, const struct signer_request *request,
                        struct signer_reply *reply, size_t *n)
{
    int64_t begun = now_ms();
    bool hung, failed;
    int r = ask(signer, request, reply, n, &hung);

    failed = hung;
    if (signer->process.fd < 0 && !hung && begun >= signer->quiet_until_ms) {
        signer->quiet_until_ms = begun + RESTART_MS;
        r = restart(signer);
        if (r == 0)
            r = ask(signer, request, reply, n, &hung);
        failed = signer->process.fd < 0;
    }
    if (failed) {
        keep_quiet(signer, begun);
    } else if (signer->process.fd >= 0) {
        atomic_store(&signer->troubled, false);
        signer->quiet_ms = RESTART_MS;
    }
    return r;
}

/* False: somebody else finds out whether it works again. */
static bool take_turn(struct signer *signer)
{
    if (atomic_load(&signer->troubled))
        return pthread_mutex_trylock(&signer->lock) == 0;
    return pthread_mutex_lock(&signer->lock) == 0;
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
    if (!take_turn(signer))
        return DIVE_E_STATE;
    r = ask_somebody(signer, &request, &reply, &n);
    pthread_mutex_unlock(&signer->lock);
    if (r != 0)
        return r;
    *out = d2i_X509(NULL, &p, (long)n);
    return *out != NULL ? 0 : DIVE_E_STATE;
}

static void signer_release(void *arg)
{
    struct signer *signer = arg;

    if (signer->process.fd >= 0)
        close(signer->process.fd);
    pthread_mutex_destroy(&signer->lock);
    free(signer);
}

int signer_new(struct tls_ca_remote *remote, struct keeper *keeper,
               const struct signer_process *process, const unsigned char *chain, size_t n)
{
    struct signer *signer = calloc(1, sizeof(*signer) + n);

    *remote = (struct tls_ca_remote){0};
    if (signer == NULL) {
        close(process->fd);
        return DIVE_E_NOMEM;
    }
    signer->keeper = keeper;
    signer->process = *process;
    signer->quiet_ms = RESTART_MS;
    signer->n = n;
    memcpy(signer->chain, chain, n);
    pthread_mutex_init(&signer->lock, NULL);
    *remote = (struct tls_ca_remote){signer_mint, signer_release, signer};
    return 0;
}
