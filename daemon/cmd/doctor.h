/* SPDX-License-Identifier: BSD-2-Clause
 *
 * doctor: what the parts of `divectl doctor` share. Each looks at one side and adds findings; none
 * of them changes anything.
 *
 *      doctor.c         the command, the list of findings; the CA's certificate
 *      doctor_env.c     what this environment makes programs do: proxies, trusted CAs
 *      doctor_host.c    this machine: the daemon, its listener, DNS, disk
 *      doctor_ask.c     one request through the proxy
 */
#ifndef DIVED_CMD_DOCTOR_H
#define DIVED_CMD_DOCTOR_H

#include "cmd/env.h"
#include "http/url.h"

enum doctor_state { DOCTOR_OK, DOCTOR_NOTE, DOCTOR_WARNING, DOCTOR_ERROR };

/* Everything lives until the command ends. */
struct doctor {
    const struct command_options *options;
    const struct config *config; /* the defaults when there is no file */
    bool local;                  /* the proxy is this configuration's */
    char proxy_text[300];        /* "http://127.0.0.1:3128" */
    struct http_url proxy;
    const struct http_url *url; /* what is to be fetched, or NULL */
    const char *certificate;    /* path of the CA's, or NULL */
    X509 *ca;                   /* or NULL: it can't be had */
    json_t *findings;           /* NULL: memory ran out */
    unsigned errors;
    bool listens; /* the proxy takes connections */
};

/* `check`: a word for machines, "listener". `advice`: what to do, or NULL. */
void doctor_find(struct doctor *d, enum doctor_state state, const char *check, const char *advice,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

void doctor_env(struct doctor *d);
void doctor_trust(struct doctor *d);
void doctor_daemon(struct doctor *d);
void doctor_listener(struct doctor *d);
void doctor_dns(struct doctor *d);
void doctor_hold(struct doctor *d);
void doctor_request(struct doctor *d);

/* A connection to the proxy, or -1 with errno. Its reads and writes time out after 10 s. */
int doctor_connect(const struct doctor *d);
/* The proxy's own certificate of its CA, as it hands it out; NULL: it doesn't. */
X509 *doctor_fetch_ca(const struct doctor *d);
/* A day as people write it; "-" when it can't be said. */
void doctor_day(const ASN1_TIME *time, char out[32]);

#endif
