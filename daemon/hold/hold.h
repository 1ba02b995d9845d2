/* SPDX-License-Identifier: BSD-2-Clause
 *
 * hold: a body that is kept back until its verdict: in memory first, in an unlinked file beyond
 * that.
 *
 *   hold_new --> { hold_space, read into it, hash it there, hold_commit } ... --> hold_finish -->
 * read back { hold_append }                                                            -->
 * hold_free
 *
 * A byte is read from the network straight into the hold (hold_space) and leaves it by pointer
 * (hold_peek), by sendfile (hold_file) or, towards TLS, by a copy (hold_read). Nothing is mapped:
 * the resident set of one hold is at most `memory` + HOLD_STAGING, whatever the body's size.
 *
 * A hold belongs to one worker; the account is shared by all. Writes go to the page cache and may
 * block for as long as the kernel makes a writer wait for its disk; nothing is synced, since nobody
 * reads the file after a crash. Calls nothing back.
 */
#ifndef DIVED_HOLD_HOLD_H
#define DIVED_HOLD_HOLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"

#define HOLD_STAGING (128 * 1024) /* bytes of the one buffer between the network and the file */

/* enum, word in logs and metrics, sentence */
/* clang-format off */
#define HOLD_ERRORS(X)                                                                          \
    X(OK,        "ok",             "no error")                                                   \
    X(TOO_LARGE, "too-large",      "the body is larger than hold.max-size")                      \
    X(TOTAL,     "total-exceeded", "all held bodies together are larger than hold.max-total")    \
    X(DISK_FULL, "disk-full",      "no space is left in hold.directory")                         \
    X(IO,        "io-error",       "hold.directory can't be written to or read from")            \
    X(NO_MEMORY, "no-memory",      "memory ran out")                                             \
    X(STATE,     "state",          "a call that isn't allowed now (a bug)")
/* clang-format on */

enum hold_error {
#define X(id, word, text) HOLD_##id,
    HOLD_ERRORS(X)
#undef X
};

const char *hold_error_word(enum hold_error error); /* static, never NULL */

/* Content bytes in all holds of the process. Initialise before the workers start; every field is
 * changed by hold.c only. */
struct hold_account {
    _Atomic uint64_t memory; /* bytes of content in memory, staging included */
    _Atomic uint64_t file;   /* bytes of content in files */
    _Atomic uint64_t total;  /* both */
    _Atomic uint64_t max_total;
};

void hold_account_init(struct hold_account *account, uint64_t max_total);
/* For a reload: holds that are already there stay, new bytes obey. */
void hold_account_set_max(struct hold_account *account, uint64_t max_total);
uint64_t hold_account_bytes(const struct hold_account *account);

/* From the configuration. A hold has a copy, since readers in other threads may outlive the
 * configuration; `directory` is borrowed while content is added, and by hold_describe(). */
struct hold_limits {
    size_t memory;     /* bytes of each body that stay in memory; 0: everything goes to the file */
    uint64_t max_size; /* bytes of one body */
    const char *directory; /* of the files */
    bool linkable;         /* hold_take_file()'s can be given a name there */
};

/* Can holds be made in `directory`? For the start: makes and drops a file. False: `why` has a
 * sentence, what, where, what to do. */
bool hold_check_directory(const char *directory, char *why, size_t why_size) DIVE_MUST_USE;

struct hold;

#define HOLD_SIZE_UNKNOWN UINT64_MAX

/* `expected`: Content-Length, or HOLD_SIZE_UNKNOWN. HOLD_TOO_LARGE at once when it is over
 * max_size, HOLD_TOTAL when it doesn't fit in what the account has left just now (it isn't
 * reserved). No memory for content is taken before the first byte. *out is NULL on failure. */
enum hold_error hold_new(struct hold **out, struct hold_account *account,
                         const struct hold_limits *limits, uint64_t expected) DIVE_MUST_USE;
/* In any state; gives everything back to the account, NULLs *hold. */
void hold_free(struct hold **hold);

/* Writable memory for the next bytes: at least 1 byte (up to 16 KiB at first, more later), good
 * until the next call with this hold. May write the staging buffer out to the file. */
enum hold_error hold_space(struct hold *hold, void **ptr, size_t *len) DIVE_MUST_USE;
/* The first `n` bytes of what hold_space() gave are content. 0 is allowed. */
enum hold_error hold_commit(struct hold *hold, size_t n) DIVE_MUST_USE;
/* Between the two: the hold_commit() that follows can't fail for up to `n` bytes, whatever others
 * take from the account meanwhile. For who has nowhere else to put what was read. */
enum hold_error hold_reserve(struct hold *hold, size_t n) DIVE_MUST_USE;
/* Copies: for bytes that were read elsewhere, such as around the framing of chunks. */
enum hold_error hold_append(struct hold *hold, const void *data, size_t n) DIVE_MUST_USE;
/* The body is complete: writes what is staged, frees the staging buffer. Idempotent. After it
 * nothing can be added (HOLD_STATE). */
enum hold_error hold_finish(struct hold *hold) DIVE_MUST_USE;

/* An error of the calls above stays: each later one gives it again, and so does this. The content
 * that was committed before can still be read, and must not be taken for the whole body. */
enum hold_error hold_error(const struct hold *hold);
/* The error as a sentence, with directory and system error. */
void hold_describe(const struct hold *hold, char *out, size_t size);

uint64_t hold_size(const struct hold *hold); /* content bytes committed */
bool hold_is_finished(const struct hold *hold);
/* How many of them, from the beginning, lie in memory for good; the rest is (or will be) in the
 * file. */
size_t hold_memory_size(const struct hold *hold);

/* Reading back, before or after hold_finish(), any number of times, from any offset.
 *
 * hold_peek: the contiguous piece in memory at `offset`, borrowed until the next call that adds
 * content or finishes. *len is 0 when that byte is in the file, or `offset` is the end or beyond.
 */
void hold_peek(const struct hold *hold, uint64_t offset, const void **ptr, size_t *len);
/* hold_file: descriptor (borrowed; its file position means nothing), position in the file, and
 * bytes in one piece at `offset`, for sendfile(). *len is 0 and *fd -1 when that byte isn't in the
 * file. */
void hold_file(const struct hold *hold, uint64_t offset, int *fd, off_t *position, uint64_t *len);
/* hold_read: copies up to `n` bytes at `offset`, from wherever they lie; *got is less than `n` only
 * at the end. HOLD_IO when the file can't be read (which doesn't change hold_error()). */
enum hold_error hold_read(const struct hold *hold, uint64_t offset, void *buf, size_t n,
                          size_t *got) DIVE_MUST_USE;
/* For other threads, while the hold grows: how much they may read, and where it lies. The hold's
 * owner publishes by itself what it commits to memory or writes to the file; hold_publish() writes
 * out what is staged, for readers that would wait too long for the next. Whoever reads holds the
 * owner's hold alive (cache/flight.h does). `published` is what hold_published() said to the
 * reader. */
enum hold_error hold_publish(struct hold *hold) DIVE_MUST_USE;
uint64_t hold_published(const struct hold *hold);
void hold_shared_peek(const struct hold *hold, uint64_t published, uint64_t offset,
                      const void **ptr, size_t *len);
void hold_shared_file(const struct hold *hold, uint64_t published, uint64_t offset, int *fd,
                      off_t *position, uint64_t *len);

/* For the cache, of a finished hold. All of it in one malloc'd block, the caller's; NULL when some
 * of it is in the file, when there is none, or without memory. */
char *hold_copy_memory(const struct hold *hold) DIVE_MUST_USE;
/* A descriptor, the caller's, of the file with all of the content in it, from position 0 on. -1
 * when there is no file, or it couldn't be completed. The hold can still be read. */
int hold_take_file(struct hold *hold) DIVE_MUST_USE;

/* Bytes before `offset` won't be read again soon: lets the kernel drop their pages. A hint, cheap;
 * for large files on their way out. */
void hold_read_done(struct hold *hold, uint64_t offset);

#endif
