/* SPDX-License-Identifier: BSD-2-Clause
 *
 * private: the exchange's own state, shared by the stages in this folder and by nobody else.
 */
#ifndef DIVED_EXCHANGE_PRIVATE_H
#define DIVED_EXCHANGE_PRIVATE_H

#include "cache/cache_status.h"
#include "cache/flight.h"
#include "cache/freshness.h"
#include "cache/key.h"
#include "cache/remember.h"
#include "cache/store.h"
#include "cache/validate.h"
#include "cache/vary.h"
#include "core/metrics.h"
#include "core/relay.h"
#include "dns/verifier_lookups.h"
#include "exchange/body.h"
#include "exchange/exchange.h"
#include "exchange/source.h"
#include "hold/hold.h"
#include "http/multipart.h"
#include "http/range.h"
#include "lib/verifier.h"
#include "origin/pool.h"

/* enum, word; the picture of the moves is in exchange.c */
/* clang-format off */
#define EXCHANGE_STATES(X) \
    X(CHECK, "check")      \
    X(POLICY, "policy")    \
    X(LOOKUP, "lookup")    \
    X(REUSE, "reuse")      \
    X(FOLLOW, "follow")    \
    X(SHARE, "share")      \
    X(CONNECT, "connect")  \
    X(SEND, "send")        \
    X(HEAD, "head")        \
    X(JUDGE, "judge")      \
    X(STREAM, "stream")    \
    X(TEE, "tee")          \
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

/* Transparent: is the address that the client connected to one of the host's? */
enum destination_proof {
    DESTINATION_UNPROVEN = 0,
    DESTINATION_PENDING,
    DESTINATION_PROVEN,
};

/* What a stage says: the state to go on with, or that it waits for an event. */
#define EXCHANGE_WAIT (-1)

struct exchange {
    struct worker *worker;
    struct runtime *runtime;
    struct channel *client;
    const struct sockaddr_storage *peer; /* until the client is given back */
    const _Atomic unsigned *siblings;    /* so long too: connections of this client; or NULL */
    char peer_text[64];
    uint64_t client_number;
    char *user; /* who asks, or NULL */
    unsigned listener;
    const char *listener_name; /* until the client is given back */
    bool tls;
    const char *tls_version; /* towards the client; static, or NULL */
    const struct http_authority *fixed;
    const char *route;
    struct http_authority destination; /* transparent: an address, and the route; else kind 0 */
    enum destination_proof proof;
    struct resolver_query *destination_query;
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
    struct loop_timer trickle;   /* hold.trickle-interval */
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
    const struct parent *parent; /* proxy towards the origin; the runtime's, or NULL */

    /* who decides */
    const struct config_rule *rule; /* the configuration's, or NULL */
    char *rule_place;               /* for the trace, which may outlive the configuration */
    enum config_mode mode;          /* enforce, report-only, off */
    bool exempt;                    /* a browser's or a rule's */
    struct dive_verifier *verifier; /* NULL: nothing is verified */
    struct verifier_lookups lookups;
    bool failed_before;  /* blocked for what this very content was a moment ago */
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
    bool connect_failed; /* error_type and error say how */
    int connect_status;  /* and what the client is to be told */
    struct hold *hold;
    int64_t hold_until_ms; /* hold.timeout, monotonic */
    enum config_release release;
    uint64_t trickled; /* bytes that may have left by now; release: trickle */

    /* a transfer that goes on where it broke off (resume.c) */
    struct http_head whole; /* of the response that is being completed; status 0: none is */
    uint64_t resume_at;
    unsigned resumes;
    enum exchange_state resume_state; /* where the content goes on */
    char resume_range[40];

    /* the cache */
    bool looked;                  /* the store was asked */
    bool caches;                  /* the cache may answer, and store */
    struct cache_control control; /* of the request */
    struct store_key key;
    struct freshness freshness; /* of the stored or the new response */
    struct freshness_decision decision;
    struct cache_status cache_status;
    int64_t request_time, response_time; /* Unix seconds */
    struct object *object; /* the stored response that answers, or that was made of this one */
    struct object *stale;  /* the one that the origin is asked about */
    bool validates;        /* by our own conditions, which are in the request */
    void *background;      /* owned; not NULL: no client asks, the stored response is revalidated */
    bool borrowed;         /* `response` is the head of an object or a flight */
    bool conditions_ours;  /* the client's conditions and ranges are for us to answer */
    bool from_store;
    bool trace_waits; /* goes into the ring of traces itself */
    bool keeps;       /* the response is to be stored */
    char vary[VARY_SIZE];
    uint64_t hashed; /* bytes of the stored content */
    bool content_ended;
    struct object_check *check;

    /* a transfer that is shared */
    bool joins, joined_variant;
    struct store_key flight_key;
    struct flight *flight;
    bool leads;
    struct flight_waiter waiter;
    struct worker_post post;
    uint64_t published; /* leader: what its followers were told */
    bool complete;      /* leader: the hold has all of it */
    bool spoiled;       /* leader: the hold has failed, the rest passes without it */
    int64_t origin_due_ms, client_due_ms;

    /* content on its way to the client from a source of ours */
    struct source source;
    uint64_t send_offset, send_end;
    bool ranged;      /* send_end isn't the content's */
    bool send_ended;  /* the last chunk is queued */
    bool send_hashes; /* what passes is given to the verifier */
    struct http_multipart *parts;
    size_t part;

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
/* How much of `full` rounds a stage may do before others have their turn: a client with many
 * connections has many turns, and gets less in each. At least 1. */
unsigned exchange_rounds(const struct exchange *x, unsigned full);
/* The client's connection is lost. Returns EXCHANGE_END. */
int exchange_client_left(struct exchange *x);
/* The client has gone or is given up. True: the exchange goes on without it, because others wait
 * for what it brings. */
bool exchange_detach_client(struct exchange *x, const char *why);
/* Everything for the client is written: what becomes of its connection. */
enum exchange_fate exchange_fate_of(const struct exchange *x);
/* Calls `done`, and the exchange goes on without the client. */
void exchange_give_back(struct exchange *x);
/* The connection is ready, and its events are the exchange's from now on. */
void exchange_take_origin(struct exchange *x, struct origin_connection *origin);
void exchange_drop_origin(struct exchange *x, bool reusable);

/* ---- the stages: the next state, or EXCHANGE_WAIT ---- */
int check_request(struct exchange *x);
/* The request is one over https now, which a rule may deny. What else rules say is the http
 * request's, as the client made that. */
int check_upgraded(struct exchange *x);
int policy_wait(struct exchange *x);
/* 403: DNS gave no validated answer about the policy. Returns EXCHANGE_REFUSE. */
int policy_block_unvalidated(struct exchange *x);
int connect_origin(struct exchange *x);
int request_send(struct exchange *x);
int response_head(struct exchange *x);
int response_judge(struct exchange *x);
int lookup_stored(struct exchange *x);
int reuse_stored(struct exchange *x);
int follow_flight(struct exchange *x);
int share_content(struct exchange *x);
int tee_content(struct exchange *x);
int stream_content(struct exchange *x);
int hold_content(struct exchange *x);
int hold_verdict(struct exchange *x);
int release_content(struct exchange *x);
int refuse_answer(struct exchange *x);
int upgrade_relay(struct exchange *x);
int after_verdict(struct exchange *x);

/* Moves request content on; called before the stage while x->pumping. As a stage. */
int request_pump(struct exchange *x);

/* ---- destination.c ---- */
/* Asks the resolver, if it is to be known; stopped when the exchange closes. */
void destination_start(struct exchange *x);
void destination_stop(struct exchange *x);
/* Always PROVEN where the proxy itself chose the address, and in TLS. */
enum destination_proof destination_proof(const struct exchange *x);

/* ---- verify.c ---- */
/* 0 or DIVE_E*; without a verifier nothing is done. */
int verify_start(struct exchange *x) DIVE_MUST_USE;
int verify_response(struct exchange *x) DIVE_MUST_USE;
int verify_end(struct exchange *x) DIVE_MUST_USE;
/* Takes the verdict over for the log, and sends what is to be reported. `blocked`: as enforced. */
void verify_conclude(struct exchange *x, bool blocked);
void verify_stop(struct exchange *x);
/* A new verifier in the place of one that has judged a stored response. 0 or DIVE_E*. */
int verify_restart(struct exchange *x) DIVE_MUST_USE;
/* Only a part of the content goes by: it can't be judged. */
void verify_drop_part(struct exchange *x);
/* Frees the lookups; none may be under way. */
void verify_free(struct exchange *x);
/* Puts what the verifier has seen into the ring of traces; or sets x->trace_waits: the exchange
 * itself is to go there when it is destroyed, and the trace is made when somebody asks for it. */
void verify_trace(struct exchange *x);
/* libdive's trace, with what it doesn't know: who asked, whom they connected to, and whether the
 * content had failed before. malloc'd, the caller's; NULL without memory. Needs x->verifier. */
char *verify_make_trace(const struct exchange *x);
/* The ring takes over the exchange, of which only the heads, the object and the verifier are left.
 * `free_exchange` may be called by any thread, from now on. */
void verify_keep_trace(struct exchange *x, void (*free_exchange)(void *));

/* ---- held.c ---- */
/* The verdict is REJECT: blocked, nothing of the content goes out. */
int hold_block(struct exchange *x);
/* The same for what is known to have failed. */
int hold_block_again(struct exchange *x, enum dive_reason reason);
/* The keepalive timer's function. */
void hold_keep_alive(void *arg);

/* ---- greet.c ---- */
/* Is it the proxy itself that is asked for? The URL is known. */
bool greet_is_for_us(const struct exchange *x);
/* Answers it. As a stage. */
int greet_client(struct exchange *x);

/* ---- early.c ---- */
/* The hold begins. */
void early_begin(struct exchange *x);
/* Lets go what hold.release lets go before the verdict. EXCHANGE_WAIT, or as a stage. */
int early_send(struct exchange *x);
/* The trickle timer's function. */
void early_tick(void *arg);

/* ---- response.c ---- */
/* Queues a head, normalised, for the client, with `framing` as the client will see it and `add`
 * behind its fields. 0 or negative. */
int response_queue_head(struct exchange *x, const struct http_head *from, int status,
                        enum http_body framing, int64_t content_length,
                        const struct dive_field *add, size_t n_add,
                        const char *const *drop) DIVE_MUST_USE;
/* Shows the response to the verifier: x->response is the one to be judged. 0 or DIVE_E*. */
int response_describe(struct exchange *x) DIVE_MUST_USE;
/* The connection is read to the end of the response: it may serve another exchange. */
void response_release_origin(struct exchange *x);
/* dive.error-bodies: x->response goes to this client without its content, wherever it comes from.
 */
bool response_is_stripped(const struct exchange *x);

/* ---- send.c ---- */
/* Sends content of x->source from x->send_offset up to `limit` or x->send_end: 1 when all of that
 * is written or queued, 0 when others have their turn first, STREAM_WAIT, STREAM_ERROR. */
int send_content(struct exchange *x, uint64_t limit);
/* The framing's end, and everything queued: 1, STREAM_WAIT, STREAM_ERROR. */
int send_last(struct exchange *x);

/* ---- release.c ---- */
/* Queues the head for content of `length` bytes (-1: not known yet) of x->source: 200, 206, 304 or
 * 416. 1, or as a stage. */
int release_begin(struct exchange *x, int64_t length);

/* ---- tee.c ---- */
/* A deadline has passed. As a stage; EXCHANGE_TEE: it goes on. */
int tee_timeout(struct exchange *x);

/* ---- resume.c ---- */
/* The origin's content broke off: is the rest to be asked for? Then CONNECT comes next. */
bool resume_begin(struct exchange *x);
bool resume_is_under_way(const struct exchange *x);
/* Range and If-Range of the request for the rest; how many were written. */
size_t resume_fields(struct exchange *x, struct dive_field out[2]);
/* The head of the answer to it. As a stage. */
int resume_response(struct exchange *x);

/* ---- reuse.c ---- */
uint64_t reuse_variant(struct exchange *x, const char *vary);
/* The stored head takes the place of the origin's (once; then 0), and is shown to the verifier. */
int reuse_take_head(struct exchange *x, const struct object_meta *meta) DIVE_MUST_USE;
/* And back: nothing was said to the client, the origin is to be asked. */
int reuse_forget_head(struct exchange *x) DIVE_MUST_USE;
/* The origin has answered our validation, or can't be reached. As a stage; JUDGE and REFUSE: as if
 * there were no cache. */
int validated_response(struct exchange *x);
int validated_unreachable(struct exchange *x);

/* ---- revalidate.c ---- */
/* Starts another exchange, without a client, that asks the origin about what this one has stored.
 */
void revalidate_in_background(struct exchange *x);

/* ---- keep.c ---- */
/* The head is there: sets x->keeps. */
void keep_decide(struct exchange *x);
/* For a hold of this response: where the store can take it over, if it is to be stored. */
const struct hold_limits *keep_limits(const struct exchange *x);
/* Tells followers of the head, and hands them the hold (may be NULL: they wait for the verdict).
 * 0 or DIVE_E*. */
int keep_announce(struct exchange *x, struct hold **hold) DIVE_MUST_USE;
/* The content is complete and the verdict known as far as it will be: stores it, tells followers.
 */
void keep_settle(struct exchange *x);
/* Other ends, for those who follow: it can't be shared; it can't go on; this is the answer. */
void keep_release(struct exchange *x);
void keep_give_up(struct exchange *x, const char *why);
void keep_refused(struct exchange *x);
/* Leaves the flight, whatever the role. */
void keep_leave(struct exchange *x);
enum dive_reason keep_rejection(const struct exchange *x);
void keep_remember_rejection(struct exchange *x);

/* ---- access_log.c ---- */
void access_log_write(const struct exchange *x);

#endif
