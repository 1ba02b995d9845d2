/* SPDX-License-Identifier: BSD-2-Clause
 *
 * flight: one transfer from an origin that several exchanges, on any worker, wait for or read from
 * together (collapsed forwarding). Its leader has the origin's connection and writes; followers
 * look.
 *
 *   PENDING --head--+--> STREAMING   not covered: followers read the content as it arrives
 *      |            +--> HELD        covered: followers wait for the verdict
 *      |                   |
 *      +-------------------+--> DONE      complete; in `object` if it was stored
 *                          +--> RELEASED  can't be shared: each follower goes its own way
 *                          +--> FAILED    as told in `failure`
 *
 * The table knows a flight until it is DONE, RELEASED or FAILED. Everything here may be called from
 * any thread.
 */
#ifndef DIVED_CACHE_FLIGHT_H
#define DIVED_CACHE_FLIGHT_H

#include <sys/queue.h>

#include "cache/object.h"
#include "hold/hold.h"
#include "lib/verifier.h"

/* clang-format off */
#define FLIGHT_STATES(X)        \
    X(PENDING, "pending")       \
    X(STREAMING, "streaming")   \
    X(HELD, "held")             \
    X(DONE, "done")             \
    X(RELEASED, "released")     \
    X(FAILED, "failed")
/* clang-format on */

enum flight_state {
#define X(id, word) FLIGHT_##id,
    FLIGHT_STATES(X)
#undef X
};

/* Why a leader had nothing to give, for the followers' answers. */
struct flight_failure {
    int status;             /* of the answer that the leader's client gets */
    const char *error_type; /* RFC 9209; static */
    bool blocked;           /* by DIVE, enforced; then: */
    bool personal;          /* by the leader's rule or request: it says nothing about others' */
    enum dive_reason reason;
    const char *reason_word; /* when it isn't one of the draft's; static, or NULL */
    char text[400];
};

struct flights; /* the table */
struct flight;

/* A follower, embedded in whoever follows. `wake` is called from the leader's thread, with a lock
 * held: it must only pass the news on, and not call anything of this file. */
struct flight_waiter {
    TAILQ_ENTRY(flight_waiter) link;
    void (*wake)(struct flight_waiter *waiter);
    bool armed;
};

int flights_new(struct flights **out) DIVE_MUST_USE;
void flights_free(struct flights **flights); /* no flight may be left in it */

enum flight_role { FLIGHT_LEAD = 0, FLIGHT_FOLLOW = 1 };
/* The flight for `key`, or a new one that the caller leads. *out is a reference of the caller's; a
 * follower's `waiter` is on it until flight_leave(). Negative: DIVE_E_NOMEM. */
int flights_join(struct flights *flights, const struct store_key *key, struct flight_waiter *waiter,
                 struct flight **out) DIVE_MUST_USE;
/* One that nobody can join: a transfer that is stored only. */
int flight_new_alone(struct flight **out) DIVE_MUST_USE;
/* Gives the caller's reference back; `waiter` NULL: the leader's, who has ended it before. NULLs.
 */
void flight_leave(struct flight **flight, struct flight_waiter *waiter);

/* ---- the leader's ---- */

/* The head came. Takes over `meta` (its head and vary; its content isn't there yet), and `hold`,
 * which the leader goes on to fill: the flight keeps it for its readers. `hold` NULL: HELD. */
void flight_set_head(struct flight *flight, struct object_meta *meta, struct hold **hold);
/* More has been published in the hold. */
void flight_progress(struct flight *flight);
size_t flight_followers(const struct flight *flight);
/* Does any follower wait for more content? */
bool flight_is_awaited(const struct flight *flight);
/* The ends, one of them, once; the leader's reference stays (it may still read the hold).
 * `object` may be NULL (complete, but not stored); a reference is taken. */
void flight_done(struct flight *flight, struct object *object);
void flight_release(struct flight *flight);
void flight_fail(struct flight *flight, const struct flight_failure *failure);
bool flight_has_ended(const struct flight *flight);

/* The hold of STREAMING, for its leader, and for readers (hold_shared_*()); NULL when HELD. */
struct hold *flight_hold(const struct flight *flight);

/* ---- a follower's ---- */

struct flight_view {
    enum flight_state state;
    const struct object_meta *meta; /* STREAMING, HELD, and DONE after them; else NULL */
    struct object *object;          /* DONE: borrowed, or NULL */
    const struct flight_failure *failure;
    uint64_t published; /* content bytes that may be read; all of them when DONE */
};

/* What there is; all borrowed for as long as the reference. `waiter`, if not NULL, is woken once,
 * when anything changes after this look. */
void flight_look(struct flight *flight, struct flight_waiter *waiter, struct flight_view *out);

const char *flight_state_word(enum flight_state state);

#endif
