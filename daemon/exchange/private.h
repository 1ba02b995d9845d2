/* SPDX-License-Identifier: BSD-2-Clause
 *
 * private: the exchange's own state, shared by the stages in this folder and by nobody else.
 */
#ifndef DIVED_EXCHANGE_PRIVATE_H
#define DIVED_EXCHANGE_PRIVATE_H

#include "core/metrics.h"
#include "core/relay.h"
#include "dns/verifier_lookups.h"
#include "exchange/body.h"
#include "exchange/exchange.h"
#include "hold/hold.h"
#include "http/range.h"
#include "lib/verifier.h"
#include "origin/pool.h"

/* enum, word; the picture of the moves is in exchange.c */
/* clang-format off */
#define EXCHANGE_STATES(X) \
    X(CHECK, "check")      \
    X(POLICY, "policy")    \
    X(CONNECT, "connect")  \
    X(SEND, "send")        \
    X(HEAD, "head")        \
    X(JUDGE, "judge")      \
    X(STREAM, "stream")    \
    X(HOLD, "hold")        \
    X(VERDICT, "verdict")  \
    X(RELEASE, "release")  \
    X(REFUSE, "refuse")    \
    X(UPGRADE, "upgrade")  \
    X(AFTER, "after")      \
    X(END, "end")
/* clang-format on */

enum exchange_state {
#define X(id, word) EXCHANGE_##id,
    EXCHANGE_STATES(X)
#undef X
        EXCHANGE_STATE_COUNT
};

/* What a stage says: the state to go on with, or that it waits for an event. */
#define EXCHANGE_WAIT (-1)

struct exchange {
    struct worker *worker;
    struct runtime *runtime;
    struct channel *client;
    const struct sockaddr_storage *peer; /* until the client is given back */
    char peer_text[64];
    unsigned listener;
    bool tls;
    const char *tls_version; /* towards the client; static, or NULL */
    const struct http_authority *fixed;
    const char *route;
    exchange_done_fn *done;
    void *arg;

    enum exchange_state state;
    bool closing;
    bool running;    /* exchange_run() is on the stack */
    bool yields;     /* a stage could go on, but others have their turn first */
    bool given_back; /* `done` was called: the client's side isn't ours any more */
    unsigned want_client, want_origin; /* what the stages wait for, collected by one run */
    TAILQ_ENTRY(exchange) link;        /* in worker->exchanges */
    enum exchange_fate fate;
    struct loop_node node; /* deferred run, then the reap */
    struct loop_timer timer;
    struct loop_timer keepalive; /* hold.keepalive */
    char id[EXCHANGE_ID_SIZE];
    int64_t started_ms;
    int64_t started_unix_ms;

    /* the request */
    struct http_head request;
    struct http_url url;
    bool url_known;
    char *path; /* url.path as a string, whole: what rules and custom scopes look at */
    bool
        upgraded_to_https; /* https-required: the origin is asked by TLS though the client wasn't */
    struct body request_body;
    bool request_queued; /* its head was handed to the connection */
    bool asks_upgrade;   /* and asks to change protocols */
    bool pumping;        /* its content is on the way */
    bool awaits_head;    /* the response's head was waited for */
    bool request_ended;  /* and its end was queued */
    struct dive_request dive_request;

    /* who decides */
    enum config_mode mode;          /* enforce, report-only, off */
    bool exempt;                    /* a browser's or a rule's */
    struct dive_verifier *verifier; /* NULL: nothing is verified */
    struct verifier_lookups lookups;
    bool report_only;    /* as of the policy: failures are reported, never blocked */
    bool take_whole;     /* a Range is served by us, from the verified whole */
    int64_t complete_us; /* when the content was complete, for the metrics */

    /* the origin's side */
    struct origin_connection *origin;
    bool origin_ready;
    bool retried;
    struct http_scan scan;
    unsigned interim; /* 1xx responses so far */
    struct http_head response;
    struct dive_response dive_response;
    struct body response_body;
    struct hold *hold;
    int64_t hold_until_ms; /* hold.timeout, monotonic */
    uint64_t release_offset, release_end;

    /* the client's side */
    bool head_sent;             /* a final head is on its way to the client */
    bool client_stalls;         /* content waits for it; the deadline is running */
    enum http_body client_body; /* our framing of the content */
    int status;                 /* told to the client, for the log */
    uint64_t bytes_out;
    struct relay relay;
    bool upgrade_over; /* the relay has ended */

    /* for the log */
    bool concluded;
    enum verdict_word verdict;
    enum action_word action;
    enum dive_reason reason;
    const char *reason_word; /* when it isn't one of the draft's */
    const char *error_type;  /* RFC 9209; static */
    char error[400];         /* a sentence, or "" */
};

/* ---- exchange.c ---- */
void exchange_run(struct exchange *x);
/* The stages' way to end with an answer of our own; usable until a final head went out. Returns
 * EXCHANGE_REFUSE. */
int exchange_refuse(struct exchange *x, int status, const char *error_type, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The client must see that what it got isn't whole. Returns EXCHANGE_END. */
int exchange_break(struct exchange *x, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void exchange_deadline(struct exchange *x, int64_t ms);
/* The client's connection is lost. Returns EXCHANGE_END. */
int exchange_client_left(struct exchange *x);
/* Everything for the client is written: what becomes of its connection. */
enum exchange_fate exchange_fate_of(const struct exchange *x);
/* Calls `done`, and the exchange goes on without the client. */
void exchange_give_back(struct exchange *x);
/* The connection is ready, and its events are the exchange's from now on. */
void exchange_take_origin(struct exchange *x, struct origin_connection *origin);
void exchange_drop_origin(struct exchange *x, bool reusable);

/* ---- the stages: the next state, or EXCHANGE_WAIT ---- */
int check_request(struct exchange *x);
int policy_wait(struct exchange *x);
/* 403: DNS gave no validated answer about the policy. Returns EXCHANGE_REFUSE. */
int policy_block_unvalidated(struct exchange *x);
int connect_origin(struct exchange *x);
int request_send(struct exchange *x);
int response_head(struct exchange *x);
int response_judge(struct exchange *x);
int stream_content(struct exchange *x);
int hold_content(struct exchange *x);
int hold_verdict(struct exchange *x);
int hold_release(struct exchange *x);
int refuse_answer(struct exchange *x);
int upgrade_relay(struct exchange *x);
int after_verdict(struct exchange *x);

/* Moves request content on; called before the stage while x->pumping. As a stage. */
int request_pump(struct exchange *x);

/* ---- verify.c ---- */
/* 0 or DIVE_E*; without a verifier nothing is done. */
int verify_start(struct exchange *x) DIVE_MUST_USE;
int verify_response(struct exchange *x) DIVE_MUST_USE;
int verify_end(struct exchange *x) DIVE_MUST_USE;
/* Takes the verdict over for the log, and sends what is to be reported. `blocked`: as enforced. */
void verify_conclude(struct exchange *x, bool blocked);
void verify_stop(struct exchange *x);
/* Frees the lookups; none may be under way. */
void verify_free(struct exchange *x);
/* Puts what the verifier has seen into the ring of traces. */
void verify_trace(struct exchange *x);

/* ---- held.c ---- */
/* The verdict is REJECT: blocked, nothing of the content goes out. */
int hold_block(struct exchange *x);
/* The keepalive timer's function. */
void hold_keep_alive(void *arg);
/* Queues the response head for the client; `range` as served by us, or NULL. */

/* ---- response.c ---- */
/* Queues the origin's head, normalised, for the client, with `framing` as the client will see it
 * and `add` behind its fields. `status` is the origin's but for ranges served by us. 0 or negative.
 */
int response_queue_head(struct exchange *x, int status, enum http_body framing,
                        int64_t content_length, const struct dive_field *add, size_t n_add,
                        const char *const *drop) DIVE_MUST_USE;
/* The connection is read to the end of the response: it may serve another exchange. */
void response_release_origin(struct exchange *x);

/* ---- access_log.c ---- */
void access_log_write(const struct exchange *x);

#endif
