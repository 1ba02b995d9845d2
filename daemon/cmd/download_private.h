/* SPDX-License-Identifier: BSD-2-Clause
 *
 * download_private: the state that the files of a download share, and nobody else.
 */
#ifndef DIVED_CMD_DOWNLOAD_PRIVATE_H
#define DIVED_CMD_DOWNLOAD_PRIVATE_H

#include "cmd/download.h"
#include "cmd/progress.h"
#include "dns/verifier_lookups.h"
#include "exchange/body.h"
#include "http/url.h"
#include "origin/pool.h"

/* clang-format off */
#define DOWNLOAD_STATES(X) \
    X(BEGIN, "begin")      \
    X(POLICY, "policy")    \
    X(CONNECT, "connect")  \
    X(SEND, "send")        \
    X(HEAD, "head")        \
    X(REHASH, "rehash")    \
    X(CONTENT, "content")  \
    X(VERDICT, "verdict")  \
    X(END, "end")
/* clang-format on */

enum download_state {
#define X(id, word) DOWNLOAD_STATE_##id,
    DOWNLOAD_STATES(X)
#undef X
        DOWNLOAD_STATE_COUNT
};

#define DOWNLOAD_WAIT (-1) /* a stage waits for an event */
#define DOWNLOAD_OWN_FIELDS 4

struct download {
    struct loop loop;
    struct runtime *runtime;
    struct resolver *resolver;
    struct origin_pool *origins;
    const struct download_options *options;
    struct download_result *result;
    struct event *signals[3];
    enum download_state state;
    bool began; /* what an earlier run left is touched */
    struct loop_timer timer;
    struct loop_node again;
    struct progress progress;
    unsigned hops;
    struct http_url first;

    /* one hop */
    struct http_url url;
    char *url_text; /* result->url */
    struct dive_verifier *verifier;
    struct verifier_lookups lookups;
    struct origin_connection *origin;
    bool origin_ready;
    bool dns_failed;           /* no address: the policy's answer tells which failure it is */
    bool no_range;             /* what an earlier run left turned out to be of no use */
    uint64_t offset, rehashed; /* of a range that was asked for; how much of it was hashed again */
    struct dive_field fields[DOWNLOAD_OWN_FIELDS + DOWNLOAD_FIELDS_MAX];
    size_t n_fields;
    struct dive_request dive_request;
    struct http_scan scan;
    unsigned interim;
    struct http_head response; /* as judged: of a resumed download, the one that began it */
    struct dive_response dive_response;
    struct body body;
    uint64_t total; /* of the content; 0: not known */
};

/* download.c */
/* Ends it. Returns DOWNLOAD_STATE_END. */
int download_fail(struct download *d, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int download_reject(struct download *d, const char *reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int download_reject_unvalidated(struct download *d);
/* For events: goes on, in `state` unless that is DOWNLOAD_WAIT. */
void download_enter(struct download *d, int state);
void download_deadline(struct download *d, int64_t ms);
/* The configuration's patience, unless --timeout gave another. */
int64_t download_patience(const struct download *d, int64_t configured_ms);
/* Goes on after others had their turn. Returns DOWNLOAD_WAIT. */
int download_yield(struct download *d);
void download_drop_origin(struct download *d);
/* Asks the same once more, without a range. Returns a state. */
int download_restart(struct download *d);
/* The response is a redirect. Returns a state. */
int download_follow(struct download *d);

/* download_connect.c, download_http.c: stages; the next state or DOWNLOAD_WAIT */
int download_policy(struct download *d);
int download_connect(struct download *d);
int download_send(struct download *d);
int download_head(struct download *d);
int download_rehash(struct download *d);
int download_content(struct download *d);

#endif
