/* SPDX-License-Identifier: BSD-2-Clause
 *
 * memory: what was seen before, by name, with a number and the time it was seen last. One serves
 * the verifier beyond the drafts: the domains that had a policy (the number: see below). No I/O, no
 * clock; the caller brings the lock. Not of the installed library: programs outside of this tree
 * leave the verifier's option NULL.
 *
 * The bound must not be a way to flush the memory: names are made by outsiders, who can sign as
 * many names below a domain of theirs as they like. So names belong to groups (the last two labels
 * of their domain), and a full memory drops from its largest group what was seen longest ago. To
 * push out others' names takes more domains of one's own than others have names.
 */
#ifndef DIVE_MEMORY_H
#define DIVE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record_cache.h" /* dive_lock */

#define DIVE_MEMORY_MAX (1u << 20)               /* entries of one memory */
#define DIVE_MEMORY_LIFETIME_MAX (366 * 86400ll) /* seconds */
#define DIVE_MEMORY_NAME_MAX 320                 /* bytes */
#define DIVE_MEMORY_MARK_SECONDS 60              /* see dive_memory_forget() */

/* The number of a remembered policy. */
#define DIVE_REMEMBERED_ENFORCED 1
#define DIVE_REMEMBERED_REPORT_ONLY 2

struct dive_memory;

/* `max_entries` 1 to DIVE_MEMORY_MAX, else DIVE_E_LIMIT. `lock` is copied and called around every
 * use; NULL: it belongs to one thread. */
int dive_memory_new(struct dive_memory **out, size_t max_entries,
                    const struct dive_lock *lock) DIVE_MUST_USE;
void dive_memory_free(struct dive_memory **memory);

/* `domain` gives the group; it may be `name` itself. Everything is copied. Seen at `now` (Unix
 * seconds), with `value` in place of what was there; nothing happens (0) when `name` was forgotten
 * at that second or later. DIVE_E_NOMEM: what was there stays; DIVE_E_LIMIT: a name longer than
 * DIVE_MEMORY_NAME_MAX, or empty. */
int dive_memory_put(struct dive_memory *memory, const char *name, const char *domain, int64_t value,
                    int64_t now) DIVE_MUST_USE;

/* Was it seen no more than `lifetime` seconds before `now`? A time in the future (the clock jumped
 * back) counts as now, for that is the safe side. *value and *seen (both may be NULL) are set when
 * true. */
bool dive_memory_get(struct dive_memory *memory, const char *name, int64_t now, int64_t lifetime,
                     int64_t *value, int64_t *seen);

/* Was it there? forget: whenever it was seen. disprove: only if it was seen no later than `at`, the
 * second in which it wasn't so any more. Both leave a mark for a while: whoever saw it at `at` or
 * before and only now comes to say so changes nothing, so within one second absence wins. */
bool dive_memory_forget(struct dive_memory *memory, const char *name, int64_t at);
bool dive_memory_disprove(struct dive_memory *memory, const char *name, int64_t at);
size_t dive_memory_entries(struct dive_memory *memory); /* without what was forgotten */

/* All of them, the groups in no order, within a group what was seen longest ago first. Runs under
 * the lock, borrows, must not call the memory; what it returns other than 0 ends the walk and is
 * returned. */
int dive_memory_each(struct dive_memory *memory,
                     int (*each)(void *arg, const char *name, const char *group, int64_t value,
                                 int64_t seen),
                     void *arg) DIVE_MUST_USE;

#endif
