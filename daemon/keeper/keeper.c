/* SPDX-License-Identifier: BSD-2-Clause
 *
 * keeper: the daemon's side. One socket to the keeper process, under a mutex: it is asked at a
 * start, at a reload, and when a signer has died.
 */
#include "keeper/keeper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper/private.h"

struct keeper {
    pid_t pid; /* 0: reaped */
    int fd;
    pthread_mutex_t lock; /* of the conversation */
    char *ca_certificate, *ca_key;
};

static int set_patience(int fd, time_t seconds)
{
    const struct timeval patience = {.tv_sec = seconds};

    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
                   setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0
               ? 0
               : DIVE_E_STATE;
}

static int fork_keeper(struct keeper *keeper, const struct keeper_options *options)
{
    int pair[2];
    pid_t parent = getpid();

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return DIVE_E_STATE;
    keeper->fd = pair[0];
    fflush(NULL);
    keeper->pid = fork();
    if (keeper->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(0);
        keeper_process(pair[1], options);
    }
    close(pair[1]);
    return keeper->pid > 0 ? set_patience(keeper->fd, KEEPER_SECONDS) : DIVE_E_STATE;
}

int keeper_start(struct keeper **out, const struct keeper_options *options, char *why,
                 size_t why_size)
{
    struct keeper *keeper = calloc(1, sizeof(*keeper));
    int r = DIVE_E_NOMEM;

    *out = NULL;
    snprintf(why, why_size, "out of memory");
    if (keeper == NULL)
        return r;
    keeper->fd = -1;
    pthread_mutex_init(&keeper->lock, NULL);
    if (options->ca_certificate != NULL && options->ca_key != NULL) {
        keeper->ca_certificate = strdup(options->ca_certificate);
        keeper->ca_key = strdup(options->ca_key);
        if (keeper->ca_certificate == NULL || keeper->ca_key == NULL)
            goto out;
    }
    r = fork_keeper(keeper, options);
    if (r != 0) {
        snprintf(why, why_size, "no process for the CA's key: %s", strerror(errno));
        goto out;
    }
    *out = keeper;
    keeper = NULL;
    why[0] = '\0';
out:
    keeper_stop(&keeper);
    return r;
}

void keeper_stop(struct keeper **keeper)
{
    struct keeper *k = *keeper;

    *keeper = NULL;
    if (k == NULL)
        return;
    if (k->fd >= 0)
        close(k->fd); /* the keeper ends when it sees that */
    while (k->pid > 0 && waitpid(k->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    pthread_mutex_destroy(&k->lock);
    free(k->ca_certificate);
    free(k->ca_key);
    free(k);
}

bool keeper_is_gone(struct keeper *keeper)
{
    if (keeper->pid > 0 && waitpid(keeper->pid, NULL, WNOHANG) == keeper->pid)
        keeper->pid = 0;
    return keeper->pid <= 0;
}

/* A late answer would be taken for that of the next question: after a failure there is no next. */
static int ask(struct keeper *keeper, uint32_t end, uint32_t *id, int *fd)
{
    const struct keeper_request request = {WIRE_MAGIC, end};
    struct keeper_reply reply = {0};
    int n = -1, r = DIVE_E_STATE;

    *fd = -1;
    pthread_mutex_lock(&keeper->lock);
    if (keeper->fd >= 0 && wire_send(keeper->fd, &request, sizeof(request)) == 0)
        n = wire_receive_descriptor(keeper->fd, &reply, sizeof(reply), fd);
    if (n == (int)sizeof(reply) && reply.magic == WIRE_MAGIC) {
        r = reply.result;
    } else if (keeper->fd >= 0) {
        close(keeper->fd);
        keeper->fd = -1;
    }
    pthread_mutex_unlock(&keeper->lock);
    *id = reply.id;
    return r;
}

void keeper_end_signer(struct keeper *keeper, struct signer_process *signer)
{
    uint32_t id;
    int fd;

    if (signer->fd >= 0)
        close(signer->fd);
    signer->fd = -1;
    (void)!ask(keeper, signer->id, &id, &fd); /* a keeper that is gone has taken it along */
    if (fd >= 0)
        close(fd);
}

int keeper_new_signer(struct keeper *keeper, struct signer_process *out, struct signer_hello *hello,
                      size_t *n, char *why, size_t why_size)
{
    int r = ask(keeper, 0, &out->id, &out->fd), length = 0;

    *n = 0;
    if (r == 0 && out->fd < 0)
        r = DIVE_E_INTERNAL;
    if (r != 0) {
        snprintf(why, why_size, "the process that keeps the CA's key doesn't answer");
        return DIVE_E_STATE;
    }
    if (set_patience(out->fd, KEEPER_SECONDS) == 0)
        length = wire_receive(out->fd, hello, sizeof(*hello));
    if (length < 0) {
        snprintf(why, why_size,
                 "the process that has the CA's key has got nowhere with it "
                 "(a token that hangs?)");
        r = DIVE_E_STATE;
    } else if (length <= (int)offsetof(struct signer_hello, bytes) || hello->magic != WIRE_MAGIC) {
        snprintf(why, why_size, "the process that has the CA's key ended as it started");
        r = DIVE_E_STATE;
    } else if (hello->result != 0) {
        snprintf(why, why_size, "%.*s", length - (int)offsetof(struct signer_hello, bytes),
                 (const char *)hello->bytes);
        r = hello->result;
    } else {
        *n = (size_t)length - offsetof(struct signer_hello, bytes);
        r = set_patience(out->fd, SIGNER_SECONDS);
    }
    if (r != 0)
        keeper_end_signer(keeper, out);
    return r;
}

static bool is_same(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

int keeper_ca(struct keeper *keeper, const char *ca_certificate, const char *ca_key,
              struct tls_ca **out, char *why, size_t why_size)
{
    struct signer_hello *hello = calloc(1, sizeof(*hello));
    struct tls_ca_remote remote;
    struct signer_process process;
    int r = DIVE_E_NOMEM;
    size_t n;

    *out = NULL;
    snprintf(why, why_size, "out of memory");
    if (hello == NULL)
        return r;
    r = DIVE_E_UNSUPPORTED;
    if (!is_same(keeper->ca_certificate, ca_certificate) || !is_same(keeper->ca_key, ca_key)) {
        snprintf(why, why_size,
                 "interception: another ca-certificate or ca-key takes a restart; new files in "
                 "the old places don't");
        goto out;
    }
    r = keeper_new_signer(keeper, &process, hello, &n, why, why_size);
    if (r != 0)
        goto out;
    r = signer_new(&remote, keeper, &process, hello->bytes, n);
    if (r != 0) {
        snprintf(why, why_size, "out of memory");
        goto out;
    }
    r = tls_ca_new_remote(out, hello->bytes, n, &remote, time(NULL), why, why_size);
out:
    free(hello);
    return r;
}
