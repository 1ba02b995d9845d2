/* SPDX-License-Identifier: BSD-2-Clause
 *
 * part: a file that isn't there until it is whole and judged. What has arrived is kept beside the
 * destination, readable by its owner alone:
 *
 *      NAME.divectl-part        the content so far
 *      NAME.divectl-part.head   the URL and the response head that it belongs to, only if that has
 *                               a strong validator (RFC 9110 section 8.8.1): then a later run can
 *                               ask for the rest (If-Range)
 *
 * and becomes NAME by fsync, rename, and fsync of the folder. With the destination "-" the content
 * is in a file without a name, and goes to standard output when it is committed.
 *
 * What fails returns an exit code (sysexits.h), and part_error() says why; 0 otherwise.
 */
#ifndef DIVED_CMD_PART_H
#define DIVED_CMD_PART_H

#include <stdbool.h>
#include <sys/types.h>

#include "http/head.h"

#define PART_HEAD_MAX (1024 * 1024 + 65536) /* bytes of the .head file: URL and head */

struct part;

/* A sentence about the call that failed last, as long as `part` lives. */
const char *part_error(const struct part *part);

/* `destination`: a path, or "-". COMMAND_USAGE when it exists and not `force`, or isn't a regular
 * file. Nothing is written yet. Takes up what an earlier run has left. *out is the caller's; on
 * failure it is NULL and it was printed why. */
int part_open(struct part **out, const char *destination, bool force) DIVE_MUST_USE;

/* Is there something of `url` that can be gone on with? The bytes that are there, 0: none. *head
 * is the raw head of the response they belong to and *validator its validator; both live as long as
 * nothing else is called but part_read(). */
uint64_t part_resumable(const struct part *part, const char *url, struct dive_span *head,
                        struct dive_span *validator);
/* Some of what is there: the count, 0 at its end, -1 when it can't be read. */
ssize_t part_read(struct part *part, void *to, size_t n, uint64_t offset) DIVE_MUST_USE;

/* A new response: what was there goes. `raw` and `head` are its head; `now` Unix seconds. */
int part_begin(struct part *part, const char *url, struct dive_span raw,
               const struct http_head *head, int64_t now) DIVE_MUST_USE;
/* Content behind what is there. */
int part_write(struct part *part, const void *data, size_t n) DIVE_MUST_USE;

/* It is whole and accepted: it gets its name. */
int part_commit(struct part *part) DIVE_MUST_USE;

/* Frees. `keep`: what has arrived is left for a later run, if that can go on with it; else, and
 * after part_commit() in any case, nothing is left. True: something was left. */
bool part_close(struct part **part, bool keep);

#endif
