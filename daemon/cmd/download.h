/* SPDX-License-Identifier: BSD-2-Clause
 *
 * download: one GET with its redirects, by the daemon's own resolver, origin client and verifier,
 * for the command line. Never through a proxy. It blocks until the end.
 *
 *      download.c        hops, verdict, the end
 *      download_connect.c  policy, connection
 *      download_http.c   request, response head, content
 *      part.c            where the content goes until it is judged
 *      redirect.c        where a Location leads
 *
 * Each hop has a verifier of its own: what a host's policy says about its own responses counts.
 */
#ifndef DIVED_CMD_DOWNLOAD_H
#define DIVED_CMD_DOWNLOAD_H

#include <jansson.h>

#include "cmd/part.h"
#include "core/loop.h"
#include "lib/verifier.h"
#include "worker/runtime.h"

#define DOWNLOAD_FIELDS_MAX 64     /* --header */
#define DOWNLOAD_REDIRECTS_MAX 100 /* --max-redirects */

struct download_options {
    const char *url;
    const struct dive_field *fields; /* for the first origin only; checked */
    size_t n_fields;
    int64_t idle_ms;   /* nothing moves for so long: the end; 0: as in the configuration */
    uint64_t max_size; /* of the content; 0: any */
    unsigned max_redirects;
    bool allow_downgrade; /* from https to http by a redirect */
    bool quiet;           /* no progress */
    bool resume;          /* go on with what an earlier run has left in `part` */
    struct part *part;    /* gets the content; NULL: it is dropped. Borrowed */
};

enum download_end {
    DOWNLOAD_FAILED = 0,  /* `exit` and `error` say why; nothing can be said of the content */
    DOWNLOAD_REJECTED,    /* by DIVE: `error` says why */
    DOWNLOAD_UNVERIFIED,  /* whole, but no policy covers it: nothing vouches for it */
    DOWNLOAD_REPORT_ONLY, /* whole, and it failed, but the policy wants failures reported only */
    DOWNLOAD_ACCEPTED,    /* whole, and verified */
};

/* "failed", "rejected", "unverified", "report-only", "accepted" */
const char *download_end_word(enum download_end end);

struct download_result {
    enum download_end end;
    int exit;           /* FAILED: sysexits.h, or 128 + the signal that stopped it */
    char error[512];    /* FAILED, REJECTED, REPORT_ONLY: a sentence, printable ASCII */
    const char *reason; /* REJECTED, REPORT_ONLY: failure-reason or a word of ours; static */
    bool can_resume;    /* FAILED while the content came: what is there is of use */
    bool not_supported; /* UNVERIFIED: the host has no policy at all */
    int status;         /* of the last response; 0: none */
    uint64_t bytes;     /* of the content */
    uint64_t resumed;   /* of them, from an earlier run */
    char *url;          /* asked last */
    json_t *redirects;  /* array, in order */
    json_t *trace;      /* of the last hop (docs/trace.md); NULL when there was none */
};

/* `runtime`: of runtime_new_outgoing(). *result is to be cleared whatever became of it. */
void download_run(struct runtime *runtime, const struct download_options *options,
                  struct download_result *result);
void download_result_clear(struct download_result *result);

#endif
