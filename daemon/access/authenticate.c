/* SPDX-License-Identifier: BSD-2-Clause
 *
 * authenticate: see authenticate.h. What takes long is a job of the pool:
 *
 *      ask() -> job_new() -> pool: job_basic() or job_negotiate() -> job_done() -> done()
 *
 * The job has everything of its own that it looks at, a reference on the runtime included: the
 * connection may go meanwhile, and so may the configuration.
 */
#include "access/authenticate.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "access/access.h"
#include "access/attempts.h"
#include "access/certificate.h"
#include "access/credentials.h"
#include "access/proven.h"
#include "core/log.h"

#define FIELD "Proxy-Authorization"
#define BUSY_SECONDS 2 /* Retry-After when too many passwords wait to be checked */

struct authentication_job {
    struct access_job job;
    struct authentication *a; /* only for job_done() */
    struct runtime *runtime;
    struct access_process *process;
    struct sockaddr_storage client;
    char client_text[64];
    struct credentials credentials;

    /* Basic */
    const char *hash; /* of the runtime's htpasswd */
    bool known;       /* the user is in the file */
    uint8_t key[PROVEN_KEY];
    bool right, limited;

    struct negotiation *negotiation;
    struct negotiate_step step;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the outcome ---- */

static void refusal_clear(struct authentication_refusal *refusal)
{
    free(refusal->token);
    *refusal = (struct authentication_refusal){0};
}

static enum authentication_result refuse(struct authentication *a, int status, const char *text)
{
    refusal_clear(&a->refusal);
    a->refusal.status = status;
    a->refusal.text = text;
    a->refusal.close = status == 400 || status == 403;
    return AUTHENTICATION_REFUSED;
}

static enum authentication_result refuse_for(struct authentication *a, int status, unsigned seconds,
                                             const char *text)
{
    (void)refuse(a, status, text);
    a->refusal.retry_after = seconds;
    return AUTHENTICATION_REFUSED;
}

static void forget_user(struct authentication *a)
{
    free(a->user);
    a->user = NULL;
    a->how = AUTHENTICATION_NONE;
}

static enum authentication_result admit(struct authentication *a, enum authentication_how how,
                                        const char *user)
{
    forget_user(a);
    a->user = strdup(user);
    if (a->user == NULL)
        return refuse(a, 503, "out of memory");
    a->how = how;
    return AUTHENTICATION_PASSED;
}

/* ---- jobs ---- */

static void job_release(struct access_job *base)
{
    struct authentication_job *job = (struct authentication_job *)base;

    credentials_clear(&job->credentials);
    explicit_bzero(job->key, sizeof(job->key));
    negotiation_free(&job->negotiation);
    free(job->step.reply);
    runtime_unref(&job->runtime);
    free(job);
}

/* Among many requests with one password the first has found it right meanwhile; and only what has
 * to be hashed is an attempt. */
static void job_basic(struct access_job *base)
{
    struct authentication_job *job = (struct authentication_job *)base;
    const struct config *config = job->runtime->config;
    const struct sockaddr *client = (const struct sockaddr *)&job->client;
    unsigned rate = config->access.failed_attempts;
    bool same;

    job->right = job->known && proven_has(job->process->proven, job->key, now_ms());
    if (job->right)
        return;
    job->limited =
        !attempts_take(job->process->attempts, client, job->credentials.user, rate, now_ms());
    if (job->limited)
        return;
    same = htpasswd_verify(job->hash, job->credentials.password);
    job->right = same && job->known;
    if (!job->right)
        return;
    attempts_give_back(job->process->attempts, client, job->credentials.user, rate, now_ms());
    proven_add(job->process->proven, job->key, now_ms() + config->access.remember_ms);
}

static void job_negotiate(struct access_job *base)
{
    struct authentication_job *job = (struct authentication_job *)base;

    negotiate_accept(job->runtime->access->negotiate, &job->negotiation, job->credentials.bytes,
                     job->credentials.n, &job->step);
}

static enum authentication_result refuse_limited(struct authentication *a,
                                                 const struct runtime *runtime)
{
    unsigned seconds = 60 / runtime->config->access.failed_attempts;

    return refuse_for(a, 429, seconds > 0 ? seconds : 1,
                      "too many failed attempts to log in (access.failed-attempts)");
}

static enum authentication_result conclude_basic(struct authentication *a,
                                                 struct authentication_job *job)
{
    if (job->right)
        return admit(a, AUTHENTICATION_BASIC, job->credentials.user);
    if (job->limited)
        return refuse_limited(a, job->runtime);
    /* Only a name that is in the file is written down: people type passwords there. */
    log_info("access", "%s: wrong password%s%s", job->client_text,
             job->known ? " of " : ", or no such user", job->known ? job->credentials.user : "");
    return refuse(a, 407, "the user name or the password is wrong");
}

static enum authentication_result conclude_negotiate(struct authentication *a,
                                                     struct authentication_job *job)
{
    enum authentication_result result;

    if (job->step.result == NEGOTIATE_DONE) {
        a->until_ms = now_ms() + job->step.seconds * 1000;
        return admit(a, AUTHENTICATION_NEGOTIATE, job->step.user);
    }
    if (job->step.result == NEGOTIATE_CONTINUE) {
        result = refuse(a, 407, "the negotiation goes on");
        a->negotiation = job->negotiation;
        job->negotiation = NULL;
    } else {
        log_info("access", "%s: Negotiate failed: %s", job->client_text, job->step.why);
        result = refuse(a, 407, "the Kerberos ticket is not accepted");
    }
    a->refusal.token = job->step.reply;
    job->step.reply = NULL;
    return result;
}

static void job_done(struct access_job *base)
{
    struct authentication_job *job = (struct authentication_job *)base;
    struct authentication *a = job->a;
    enum authentication_result result = job->credentials.scheme == CREDENTIALS_BASIC
                                            ? conclude_basic(a, job)
                                            : conclude_negotiate(a, job);

    a->job = NULL;
    job_release(base);
    a->done(a->arg, result);
}

/* For fairness among clients; two that meet share a share. IPv6: the /64. */
static uint64_t client_number(const struct sockaddr *client)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)client;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)client;
    uint64_t number = 0;

    if (client->sa_family == AF_INET)
        return v4->sin_addr.s_addr;
    if (client->sa_family == AF_INET6)
        memcpy(&number, &v6->sin6_addr, sizeof(number));
    return number;
}

/* Takes over `credentials`. NULL without memory. */
static struct authentication_job *job_new(const struct authentication_request *request,
                                          struct authentication *a, struct credentials *credentials)
{
    struct authentication_job *job = calloc(1, sizeof(*job));

    if (job == NULL) {
        credentials_clear(credentials);
        return NULL;
    }
    job->job.worker = request->worker;
    job->job.work = credentials->scheme == CREDENTIALS_BASIC ? job_basic : job_negotiate;
    job->job.done = job_done;
    job->job.release = job_release;
    job->job.client = client_number(request->client);
    job->a = a;
    job->runtime = runtime_ref(request->runtime);
    job->process = &request->worker->shared->access;
    memcpy(&job->client, request->client,
           request->client->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                  : sizeof(struct sockaddr_in));
    snprintf(job->client_text, sizeof(job->client_text), "%s", request->client_text);
    job->credentials = *credentials;
    *credentials = (struct credentials){0};
    return job;
}

static enum authentication_result submit(struct authentication *a, struct authentication_job *job,
                                         authentication_done_fn *done, void *arg)
{
    if (access_pool_submit(job->process->pool, &job->job) != 0) {
        job_release(&job->job);
        return refuse_for(a, 503, BUSY_SECONDS, "too many clients are logging in");
    }
    a->job = job;
    a->done = done;
    a->arg = arg;
    return AUTHENTICATION_WAITS;
}

/* ---- requests ---- */

static enum authentication_result ask_basic(struct authentication *a,
                                            const struct authentication_request *request,
                                            struct credentials *credentials,
                                            authentication_done_fn *done, void *arg)
{
    const struct htpasswd *htpasswd = request->runtime->access->htpasswd;
    struct authentication_job *job = job_new(request, a, credentials);
    enum authentication_result result;

    if (job == NULL)
        return refuse(a, 503, "out of memory");
    job->hash = htpasswd_find(htpasswd, job->credentials.user);
    job->known = job->hash != NULL;
    if (!job->known)
        job->hash = htpasswd_decoy(htpasswd);
    if (proven_key(job->process->proven, job->credentials.user, job->credentials.password,
                   job->hash, job->key) != 0)
        result = refuse(a, 503, "out of memory");
    else if (job->known && proven_has(job->process->proven, job->key, now_ms()))
        result = admit(a, AUTHENTICATION_BASIC, job->credentials.user);
    else if (attempts_are_spent(job->process->attempts, request->client,
                                request->runtime->config->access.failed_attempts, now_ms()))
        result = refuse_limited(a, request->runtime);
    else
        return submit(a, job, done, arg);
    job_release(&job->job);
    return result;
}

static enum authentication_result ask_negotiate(struct authentication *a,
                                                const struct authentication_request *request,
                                                struct credentials *credentials,
                                                authentication_done_fn *done, void *arg)
{
    struct authentication_job *job = job_new(request, a, credentials);

    if (job == NULL)
        return refuse(a, 503, "out of memory");
    job->negotiation = a->negotiation;
    a->negotiation = NULL;
    return submit(a, job, done, arg);
}

static bool is_demanded(const struct authentication *a, const struct config *config)
{
    if (a->demanded || a->exempt)
        return a->demanded;
    return config->access.require == CONFIG_REQUIRE_ANY;
}

/* With neither the field is meant for somebody else, and as good as absent, however malformed. */
static bool reads_field(const struct access *access)
{
    return access->htpasswd != NULL || access->negotiate != NULL;
}

static enum authentication_result refuse_anonymous(struct authentication *a,
                                                   const struct access *access)
{
    if (reads_field(access))
        return refuse(a, 407, "this proxy asks who you are");
    return refuse(a, 403,
                  a->unnamed ? "the client certificate names no user"
                             : "this proxy asks for a client certificate");
}

/* What the request says of its own. Its field is still in the head. */
static enum authentication_result ask_field(struct authentication *a,
                                            const struct authentication_request *request,
                                            authentication_done_fn *done, void *arg)
{
    const struct access *access = request->runtime->access;
    const struct dive_span *value = http_field_get(request->head, FIELD);
    struct credentials credentials;
    int r;

    if (http_field_count(request->head, FIELD) > 1)
        return refuse(a, 400, "more than one Proxy-Authorization field");
    r = credentials_parse(&credentials, *value);
    if (r == DIVE_E_NOMEM)
        return refuse(a, 503, "out of memory");
    if (r != 0)
        return refuse(a, 407, "Proxy-Authorization is not well-formed");
    if (credentials.scheme == CREDENTIALS_BASIC && access->htpasswd != NULL)
        return ask_basic(a, request, &credentials, done, arg);
    if (credentials.scheme == CREDENTIALS_NEGOTIATE && access->negotiate != NULL)
        return ask_negotiate(a, request, &credentials, done, arg);
    credentials_clear(&credentials);
    if (!is_demanded(a, request->runtime->config))
        return AUTHENTICATION_PASSED; /* meant for somebody else */
    (void)refuse_anonymous(a, access);
    a->refusal.text = "Proxy-Authorization has a scheme that is not offered here";
    return AUTHENTICATION_REFUSED;
}

/* A tunnel is its user's as long as it lasts; but who is taken out of the password file is not let
 * in by the tunnels that are open still. */
static enum authentication_result ask_tunnel(struct authentication *a,
                                             const struct authentication_request *request)
{
    const struct htpasswd *htpasswd = request->runtime->access->htpasswd;

    if (a->how == AUTHENTICATION_BASIC &&
        (htpasswd == NULL || htpasswd_find(htpasswd, a->user) == NULL))
        return refuse(a, 403, "the user of this tunnel may not use the proxy any more");
    return AUTHENTICATION_PASSED;
}

static enum authentication_result ask(struct authentication *a,
                                      const struct authentication_request *request,
                                      authentication_done_fn *done, void *arg)
{
    const struct config *config = request->runtime->config;

    if (request->in_tunnel)
        return ask_tunnel(a, request);
    if (a->how == AUTHENTICATION_CERTIFICATE)
        return AUTHENTICATION_PASSED;
    if (a->how == AUTHENTICATION_BASIC ||
        (a->how == AUTHENTICATION_NEGOTIATE &&
         (now_ms() >= a->until_ms || request->runtime->access->negotiate == NULL)))
        forget_user(a);
    if (!config_networks_match(&config->access.clients, request->client) ||
        (request->head->target.n > 0 && request->head->target.p[0] == '/'))
        return AUTHENTICATION_PASSED;
    if (http_field_get(request->head, FIELD) != NULL && reads_field(request->runtime->access)) {
        forget_user(a);
        return ask_field(a, request, done, arg);
    }
    negotiation_free(&a->negotiation); /* the client has given it up */
    if (a->user != NULL || !is_demanded(a, config))
        return AUTHENTICATION_PASSED;
    return refuse_anonymous(a, request->runtime->access);
}

enum authentication_result authentication_ask(struct authentication *a,
                                              const struct authentication_request *request,
                                              authentication_done_fn *done, void *arg)
{
    enum authentication_result result;

    assert(a->job == NULL);
    refusal_clear(&a->refusal);
    result = ask(a, request, done, arg);
    http_head_remove_secret(request->head, FIELD);
    return result;
}

int authentication_take_certificate(struct authentication *a, const SSL *ssl,
                                    const char *client_text)
{
    char user[ACCESS_USER_SIZE];
    int r = certificate_user(ssl, user);

    if (r == DIVE_E_NOT_FOUND)
        return 0;
    a->unnamed = r != 0;
    if (r != 0) {
        log_info("access", "%s: the client certificate names no user", client_text);
        return 0;
    }
    return admit(a, AUTHENTICATION_CERTIFICATE, user) == AUTHENTICATION_PASSED ? 0 : DIVE_E_NOMEM;
}

void authentication_clear(struct authentication *a)
{
    struct access_job *job = a->job != NULL ? &a->job->job : NULL;

    a->job = NULL;
    access_pool_cancel(&job);
    negotiation_free(&a->negotiation);
    refusal_clear(&a->refusal);
    forget_user(a);
}

size_t authentication_challenges(const struct authentication *a, const struct runtime *runtime,
                                 struct dive_field out[AUTHENTICATION_CHALLENGES], char **memory)
{
    const char *token = a->refusal.token != NULL ? a->refusal.token : "";
    const char *realm = runtime->config->access.realm;
    size_t n = 0, half = strlen(token) + sizeof("Negotiate ");
    size_t size = half + strlen(realm) + 64;

    *memory = NULL;
    if (a->refusal.status != 407)
        return 0;
    *memory = malloc(size);
    if (*memory == NULL)
        return 0;
    if (runtime->access->negotiate != NULL) {
        snprintf(*memory, half, "Negotiate%s%s", token[0] != '\0' ? " " : "", token);
        out[n++] = (struct dive_field){dive_span_str("Proxy-Authenticate"), dive_span_str(*memory)};
    }
    if (runtime->access->htpasswd != NULL) {
        snprintf(*memory + half, size - half, "Basic realm=\"%s\", charset=\"UTF-8\"", realm);
        out[n++] =
            (struct dive_field){dive_span_str("Proxy-Authenticate"), dive_span_str(*memory + half)};
    }
    return n;
}
