/* SPDX-License-Identifier: BSD-2-Clause
 *
 * hold: see the header. A hold's content is, in this order:
 *
 *   chunks in memory            up to limits.memory, then full for good
 *   the file                    positions are those of the content: its beginning, which lies in
 *                               the chunks, is a hole until hold_take_file() fills it
 *   the staging buffer          the last bytes, not in the file yet; gone after hold_finish()
 *
 * Chunks grow from 16 to 64 KiB, so that a small body costs little and a large one is read in large
 * pieces. Their sizes follow from their number: an offset gives its chunk without a search.
 *
 * What other threads read: chunks (the array of them is allocated once, before the first is
 * published) and the file. `published` says how far, and orders it.
 */
#include "hold/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hold/hold_file.h"

#define SMALL_CHUNK ((size_t)16 * 1024)
#define SMALL_CHUNKS 4
#define LARGE_CHUNK (SMALL_CHUNK * SMALL_CHUNKS)

struct hold {
    struct hold_account *account;
    struct hold_limits limits; /* a copy: followers read when the configuration has gone */
    char **chunk;
    size_t n_chunks;  /* allocated */
    size_t in_memory; /* content bytes in chunks */
    int fd;           /* -1 until the file is needed */
    uint64_t in_file;
    uint64_t forgotten; /* bytes of the file, from its beginning, whose pages may go */
    char *staging;
    size_t staged;
    size_t offered;             /* bytes that hold_space() gave and hold_commit() may take */
    size_t reserved;            /* of them, admitted by the account already */
    _Atomic uint64_t published; /* content bytes that other threads may read */
    enum hold_error error;
    int system_error;
    bool finished;
};

const char *hold_error_word(enum hold_error error)
{
    static const char *const words[] = {
#define X(id, word, text) [HOLD_##id] = word,
        HOLD_ERRORS(X)
#undef X
    };

    return (size_t)error < sizeof words / sizeof words[0] ? words[error] : words[HOLD_STATE];
}

static const char *error_text(enum hold_error error)
{
    static const char *const texts[] = {
#define X(id, word, text) [HOLD_##id] = text,
        HOLD_ERRORS(X)
#undef X
    };

    return (size_t)error < sizeof texts / sizeof texts[0] ? texts[error] : texts[HOLD_STATE];
}

void hold_account_init(struct hold_account *account, uint64_t max_total)
{
    atomic_init(&account->memory, 0);
    atomic_init(&account->file, 0);
    atomic_init(&account->total, 0);
    atomic_init(&account->max_total, max_total);
}

void hold_account_set_max(struct hold_account *account, uint64_t max_total)
{
    atomic_store_explicit(&account->max_total, max_total, memory_order_relaxed);
}

uint64_t hold_account_bytes(const struct hold_account *account)
{
    return atomic_load_explicit(&account->total, memory_order_relaxed);
}

/* Counters only: they order nothing else, so relaxed will do. */
static void account_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void account_take(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_sub_explicit(counter, n, memory_order_relaxed);
}

static bool account_admit(struct hold_account *account, uint64_t n)
{
    uint64_t max = atomic_load_explicit(&account->max_total, memory_order_relaxed);
    uint64_t total = atomic_load_explicit(&account->total, memory_order_relaxed);

    do {
        if (total > max || n > max - total)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&account->total, &total, total + n,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static enum hold_error fail(struct hold *hold, enum hold_error error, int system_error)
{
    hold->error = error;
    hold->system_error = system_error;
    hold->offered = 0;
    return error;
}

static enum hold_error fail_file(struct hold *hold, int system_error)
{
    bool full = system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG;

    return fail(hold, full ? HOLD_DISK_FULL : HOLD_IO, system_error);
}

bool hold_check_directory(const char *directory, char *why, size_t why_size)
{
    int error, fd = hold_file_open(directory, false);

    if (fd >= 0) {
        close(fd);
        why[0] = '\0';
        return true;
    }
    error = errno;
    snprintf(
        why, why_size,
        "can't make files in hold.directory %s: %s; create it for the user that dived runs as, "
        "or name another",
        directory, strerror(error));
    return false;
}

enum hold_error hold_new(struct hold **out, struct hold_account *account,
                         const struct hold_limits *limits, uint64_t expected)
{
    uint64_t max = atomic_load_explicit(&account->max_total, memory_order_relaxed);
    struct hold *hold;

    *out = NULL;
    if (expected != HOLD_SIZE_UNKNOWN) {
        if (expected > limits->max_size)
            return HOLD_TOO_LARGE;
        if (expected > max || hold_account_bytes(account) > max - expected)
            return HOLD_TOTAL;
    }
    hold = calloc(1, sizeof *hold);
    if (hold == NULL)
        return HOLD_NO_MEMORY;
    hold->account = account;
    hold->limits = *limits;
    hold->fd = -1;
    *out = hold;
    return HOLD_OK;
}

void hold_free(struct hold **hold)
{
    struct hold *old = *hold;
    size_t i;

    *hold = NULL;
    if (old == NULL)
        return;
    account_take(&old->account->memory, old->in_memory + old->staged);
    account_take(&old->account->file, old->in_file);
    account_take(&old->account->total, hold_size(old) + old->reserved);
    for (i = 0; i < old->n_chunks; i++)
        free(old->chunk[i]);
    free(old->chunk);
    free(old->staging);
    if (old->fd >= 0)
        close(old->fd);
    free(old);
}

static size_t chunk_index(size_t offset)
{
    return offset < LARGE_CHUNK ? offset / SMALL_CHUNK : SMALL_CHUNKS - 1 + offset / LARGE_CHUNK;
}

static size_t chunk_start(size_t index)
{
    return index < SMALL_CHUNKS ? index * SMALL_CHUNK : (index - SMALL_CHUNKS + 1) * LARGE_CHUNK;
}

/* The last chunk is cut to the limit. */
static size_t chunk_size(const struct hold *hold, size_t index)
{
    size_t size = index < SMALL_CHUNKS ? SMALL_CHUNK : LARGE_CHUNK;
    size_t left = hold->limits.memory - chunk_start(index);

    return size < left ? size : left;
}

static enum hold_error add_chunk(struct hold *hold)
{
    char *memory;

    if (hold->chunk == NULL) {
        hold->chunk = calloc(chunk_index(hold->limits.memory - 1) + 1, sizeof *hold->chunk);
        if (hold->chunk == NULL)
            return fail(hold, HOLD_NO_MEMORY, 0);
    }
    memory = malloc(chunk_size(hold, hold->n_chunks));
    if (memory == NULL)
        return fail(hold, HOLD_NO_MEMORY, 0);
    hold->chunk[hold->n_chunks++] = memory;
    return HOLD_OK;
}

static void publish(struct hold *hold)
{
    atomic_store_explicit(&hold->published, (uint64_t)hold->in_memory + hold->in_file,
                          memory_order_release);
}

static enum hold_error flush(struct hold *hold)
{
    int error;

    if (hold->staged == 0)
        return HOLD_OK;
    error = hold_file_write(hold->fd, hold->staging, hold->staged,
                            (uint64_t)hold->in_memory + hold->in_file);
    if (error != 0)
        return fail_file(hold, error);
    account_take(&hold->account->memory, hold->staged);
    account_add(&hold->account->file, hold->staged);
    hold->in_file += hold->staged;
    hold->staged = 0;
    publish(hold);
    return HOLD_OK;
}

/* Room in the staging buffer, which comes with the file: a directory that can't be used is found
 * out before a byte goes there. */
static enum hold_error staging_space(struct hold *hold)
{
    if (hold->fd < 0) {
        hold->fd = hold_file_open(hold->limits.directory, hold->limits.linkable);
        if (hold->fd < 0)
            return fail_file(hold, errno);
    }
    if (hold->staging == NULL) {
        hold->staging = malloc(HOLD_STAGING);
        if (hold->staging == NULL)
            return fail(hold, HOLD_NO_MEMORY, 0);
    }
    return hold->staged == HOLD_STAGING ? flush(hold) : HOLD_OK;
}

enum hold_error hold_space(struct hold *hold, void **ptr, size_t *len)
{
    enum hold_error error = hold->error;
    size_t index, at;

    *ptr = NULL;
    *len = 0;
    if (error == HOLD_OK && hold->finished)
        error = HOLD_STATE;
    if (error != HOLD_OK)
        return error;
    if (hold->in_memory < hold->limits.memory) {
        index = chunk_index(hold->in_memory);
        if (index == hold->n_chunks) {
            error = add_chunk(hold);
            if (error != HOLD_OK)
                return error;
        }
        at = hold->in_memory - chunk_start(index);
        *ptr = hold->chunk[index] + at;
        *len = chunk_size(hold, index) - at;
    } else {
        error = staging_space(hold);
        if (error != HOLD_OK)
            return error;
        *ptr = hold->staging + hold->staged;
        *len = HOLD_STAGING - hold->staged;
    }
    hold->offered = *len;
    return HOLD_OK;
}

/* May `n` more bytes come in? Without the account's word. */
static bool fits(const struct hold *hold, size_t n)
{
    return n <= hold->limits.max_size && hold_size(hold) <= hold->limits.max_size - n;
}

enum hold_error hold_reserve(struct hold *hold, size_t n)
{
    if (hold->error != HOLD_OK)
        return hold->error;
    if (n > hold->offered || hold->reserved > 0)
        return HOLD_STATE;
    if (!fits(hold, n))
        return HOLD_TOO_LARGE;
    if (!account_admit(hold->account, n))
        return HOLD_TOTAL;
    hold->reserved = n;
    return HOLD_OK;
}

/* Takes `n` bytes from what is reserved, or else from the account; the rest goes back. */
static bool admit(struct hold *hold, size_t n)
{
    size_t reserved = hold->reserved;

    hold->reserved = 0;
    if (reserved == 0)
        return account_admit(hold->account, n);
    if (n > reserved && !account_admit(hold->account, n - reserved)) {
        account_take(&hold->account->total, reserved);
        return false;
    }
    if (n < reserved)
        account_take(&hold->account->total, reserved - n);
    return true;
}

enum hold_error hold_commit(struct hold *hold, size_t n)
{
    if (hold->error != HOLD_OK)
        return hold->error;
    if (n > hold->offered || hold->finished)
        return fail(hold, HOLD_STATE, 0);
    hold->offered = 0;
    if (!fits(hold, n))
        return fail(hold, HOLD_TOO_LARGE, 0);
    if (!admit(hold, n))
        return fail(hold, HOLD_TOTAL, 0);
    account_add(&hold->account->memory, n);
    if (hold->in_memory < hold->limits.memory) {
        hold->in_memory += n;
        publish(hold);
    } else {
        hold->staged += n;
    }
    return HOLD_OK;
}

enum hold_error hold_append(struct hold *hold, const void *data, size_t n)
{
    const char *p = data;
    enum hold_error error = hold->error;
    size_t len;
    void *ptr;

    if (error == HOLD_OK && hold->finished)
        error = HOLD_STATE;
    while (error == HOLD_OK && n > 0) {
        error = hold_space(hold, &ptr, &len);
        if (error != HOLD_OK)
            break;
        if (len > n)
            len = n;
        memcpy(ptr, p, len);
        p += len;
        n -= len;
        error = hold_commit(hold, len);
    }
    return error;
}

enum hold_error hold_finish(struct hold *hold)
{
    enum hold_error error = hold->error;

    if (error != HOLD_OK || hold->finished)
        return error;
    hold->offered = 0;
    error = flush(hold);
    if (error != HOLD_OK)
        return error;
    free(hold->staging);
    hold->staging = NULL;
    hold->finished = true;
    return HOLD_OK;
}

enum hold_error hold_publish(struct hold *hold)
{
    return hold->error != HOLD_OK ? hold->error : flush(hold);
}

uint64_t hold_published(const struct hold *hold)
{
    return atomic_load_explicit(&hold->published, memory_order_acquire);
}

void hold_shared_peek(const struct hold *hold, uint64_t published, uint64_t offset,
                      const void **ptr, size_t *len)
{
    uint64_t end = published < hold->limits.memory ? published : hold->limits.memory;
    size_t index, left;

    *ptr = NULL;
    *len = 0;
    if (offset >= end)
        return;
    index = chunk_index((size_t)offset);
    *ptr = hold->chunk[index] + ((size_t)offset - chunk_start(index));
    left = chunk_start(index) + chunk_size(hold, index) - (size_t)offset;
    *len = left < end - offset ? left : (size_t)(end - offset);
}

void hold_shared_file(const struct hold *hold, uint64_t published, uint64_t offset, int *fd,
                      off_t *position, uint64_t *len)
{
    bool there = offset >= hold->limits.memory && offset < published;

    *fd = there ? hold->fd : -1;
    *position = there ? (off_t)offset : 0;
    *len = there ? published - offset : 0;
}

char *hold_copy_memory(const struct hold *hold)
{
    size_t size = (size_t)hold_size(hold), got = 0;
    char *copy;

    if (!hold->finished || hold->in_file > 0 || size == 0)
        return NULL;
    copy = malloc(size);
    if (copy != NULL && (hold_read(hold, 0, copy, size, &got) != HOLD_OK || got != size)) {
        free(copy);
        copy = NULL;
    }
    return copy;
}

int hold_take_file(struct hold *hold)
{
    size_t at = 0;

    if (!hold->finished || hold->in_file == 0)
        return -1;
    while (at < hold->in_memory) {
        const void *piece;
        size_t n;

        hold_peek(hold, at, &piece, &n);
        if (hold_file_write(hold->fd, piece, n, at) != 0)
            return -1;
        at += n;
    }
    return fcntl(hold->fd, F_DUPFD_CLOEXEC, 0);
}

enum hold_error hold_error(const struct hold *hold)
{
    return hold->error;
}

void hold_describe(const struct hold *hold, char *out, size_t size)
{
    if (hold->system_error != 0)
        snprintf(out, size, "%s (%s: %s)", error_text(hold->error), hold->limits.directory,
                 strerror(hold->system_error));
    else
        snprintf(out, size, "%s", error_text(hold->error));
}

uint64_t hold_size(const struct hold *hold)
{
    return (uint64_t)hold->in_memory + hold->in_file + hold->staged;
}

bool hold_is_finished(const struct hold *hold)
{
    return hold->finished;
}

size_t hold_memory_size(const struct hold *hold)
{
    return hold->in_memory;
}

void hold_peek(const struct hold *hold, uint64_t offset, const void **ptr, size_t *len)
{
    size_t index, at, left;

    *ptr = NULL;
    *len = 0;
    if (offset < hold->in_memory) {
        index = chunk_index((size_t)offset);
        at = (size_t)offset - chunk_start(index);
        left = chunk_size(hold, index) - at;
        *ptr = hold->chunk[index] + at;
        *len = left < hold->in_memory - offset ? left : hold->in_memory - (size_t)offset;
    } else if (offset >= hold->in_memory + hold->in_file && offset < hold_size(hold)) {
        at = (size_t)(offset - hold->in_memory - hold->in_file);
        *ptr = hold->staging + at;
        *len = hold->staged - at;
    }
}

void hold_file(const struct hold *hold, uint64_t offset, int *fd, off_t *position, uint64_t *len)
{
    *fd = -1;
    *position = 0;
    *len = 0;
    if (offset < hold->in_memory || offset >= hold->in_memory + hold->in_file)
        return;
    *fd = hold->fd;
    *position = (off_t)offset;
    *len = hold->in_memory + hold->in_file - offset;
}

enum hold_error hold_read(const struct hold *hold, uint64_t offset, void *buf, size_t n,
                          size_t *got)
{
    const void *memory;
    off_t position;
    uint64_t in_file;
    size_t piece;
    int fd;

    *got = 0;
    while (*got < n && offset < hold_size(hold)) {
        hold_peek(hold, offset, &memory, &piece);
        if (piece > 0) {
            piece = piece < n - *got ? piece : n - *got;
            memcpy((char *)buf + *got, memory, piece);
        } else {
            hold_file(hold, offset, &fd, &position, &in_file);
            piece = in_file < n - *got ? (size_t)in_file : n - *got;
            if (piece == 0)
                return HOLD_STATE;
            if (hold_file_read(fd, (char *)buf + *got, piece, (uint64_t)position) != 0)
                return HOLD_IO;
        }
        *got += piece;
        offset += piece;
    }
    return HOLD_OK;
}

void hold_read_done(struct hold *hold, uint64_t offset)
{
    if (hold->fd >= 0 && offset > hold->in_memory)
        hold_file_forget(hold->fd, offset, &hold->forgotten);
}
