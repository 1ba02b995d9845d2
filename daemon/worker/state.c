/* SPDX-License-Identifier: BSD-2-Clause
 *
 * state: see state.h. The file, numbers in this machine's byte order (it never leaves it):
 *
 *      magic (8 bytes, with the version)
 *      'R' stored expires security n, name, n texts     a record
 *      'P' value seen, name                             a domain that had a policy
 *      SHA-256 of all before
 *
 * where a name or text is its length (4 bytes) and its bytes, all other numbers 8 bytes. The
 * checksum finds damage, not forgery: who may write the file is what the mode says.
 */
#include "worker/state.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buffer.h"
#include "lib/record_cache_store.h"

#define MAGIC "dived\0\1"
#define MAGIC_LEN 8
#define SUM_LEN 32
#define NAME_MAX_LEN DIVE_MEMORY_NAME_MAX
#define TEXTS_MAX 4096
#define TEXT_BYTES_MAX 65535

static int __attribute__((format(printf, 4, 5)))
fail(int error, char *why, size_t why_size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, why_size, format, args);
    va_end(args);
    return error;
}

/* ---- writing ---- */

static int put_number(struct buffer *out, int64_t number)
{
    return buffer_append(out, &number, sizeof(number), STATE_BYTES_MAX);
}

static int put_text(struct buffer *out, const char *text, size_t n)
{
    uint32_t length = (uint32_t)n;

    if (buffer_append(out, &length, sizeof(length), STATE_BYTES_MAX) != 0)
        return -1;
    return buffer_append(out, text, n, STATE_BYTES_MAX);
}

static int put_record(void *arg, const char *name, const struct dive_answer *answer, int64_t stored,
                      int64_t expires)
{
    struct buffer *out = arg;
    int r = buffer_append(out, "R", 1, STATE_BYTES_MAX);

    if (r != 0 || put_number(out, stored) != 0 || put_number(out, expires) != 0 ||
        put_number(out, answer->security) != 0 || put_number(out, (int64_t)answer->n) != 0 ||
        put_text(out, name, strlen(name)) != 0)
        return DIVE_E_NOMEM;
    for (size_t i = 0; i < answer->n; i++)
        if (put_text(out, answer->txt[i].p, answer->txt[i].n) != 0)
            return DIVE_E_NOMEM;
    return 0;
}

static int put_policy(void *arg, const char *name, const char *group, int64_t value, int64_t seen)
{
    struct buffer *out = arg;
    int r = buffer_append(out, "P", 1, STATE_BYTES_MAX);

    if (r != 0 || put_number(out, value) != 0 || put_number(out, seen) != 0 ||
        put_text(out, name, strlen(name)) != 0)
        return DIVE_E_NOMEM;
    return 0;
}

static bool checksum(const char *bytes, size_t n, unsigned char sum[SUM_LEN])
{
    size_t length = SUM_LEN;

    return EVP_Q_digest(NULL, "SHA256", NULL, bytes, n, sum, &length) == 1 && length == SUM_LEN;
}

static int make(struct shared *shared, int64_t now, struct buffer *out)
{
    unsigned char sum[SUM_LEN];
    int r = DIVE_E_NOMEM;

    /* The policies last: they are learned of records. */
    if (buffer_append(out, MAGIC, MAGIC_LEN, STATE_BYTES_MAX) != 0 ||
        (r = dive_record_cache_each(shared->records, now, put_record, out)) != 0 ||
        (r = dive_memory_each(shared->policies, put_policy, out)) != 0)
        return r;
    if (!checksum(buffer_data(out), buffer_length(out), sum) ||
        buffer_append(out, (const char *)sum, SUM_LEN, STATE_BYTES_MAX) != 0)
        return DIVE_E_NOMEM;
    return 0;
}

static int write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, p, n);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return -1;
        p += written;
        n -= (size_t)written;
    }
    return fsync(fd);
}

/* errno tells why when it returns -1. */
static int replace(int directory, const struct buffer *bytes)
{
    int fd, saved;

    (void)unlinkat(directory, STATE_FILE ".new", 0); /* of a run that was killed */
    fd = openat(directory, STATE_FILE ".new", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                0600);
    if (fd < 0)
        return -1;
    if (write_all(fd, buffer_data(bytes), buffer_length(bytes)) == 0 &&
        renameat(directory, STATE_FILE ".new", directory, STATE_FILE) == 0) {
        close(fd);
        return fsync(directory);
    }
    saved = errno;
    close(fd);
    (void)unlinkat(directory, STATE_FILE ".new", 0);
    errno = saved;
    return -1;
}

int state_save(struct shared *shared, const char *directory, int64_t now, char *why,
               size_t why_size)
{
    struct buffer bytes = {0};
    int dir = -1;
    int r = make(shared, now, &bytes);

    if (r != 0) {
        r = fail(r, why, why_size, "the state takes too much memory");
        goto out;
    }
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        r = fail(DIVE_E_STATE, why, why_size, "%s: %s", directory, strerror(errno));
        goto out;
    }
    dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || replace(dir, &bytes) != 0)
        r = fail(DIVE_E_STATE, why, why_size, "%s/" STATE_FILE ": %s", directory, strerror(errno));
out:
    if (dir >= 0)
        close(dir);
    buffer_release(&bytes);
    return r;
}

/* ---- reading ---- */

struct reader {
    const char *p;
    size_t left;
};

static bool get_bytes(struct reader *in, void *to, size_t n)
{
    if (in->left < n)
        return false;
    memcpy(to, in->p, n);
    in->p += n;
    in->left -= n;
    return true;
}

static bool get_text(struct reader *in, size_t max, struct dive_span *out)
{
    uint32_t n;

    if (!get_bytes(in, &n, sizeof(n)) || n > max || n > in->left)
        return false;
    *out = (struct dive_span){in->p, n};
    in->p += n;
    in->left -= n;
    return true;
}

static bool get_name(struct reader *in, char name[NAME_MAX_LEN + 1])
{
    struct dive_span text;

    if (!get_text(in, NAME_MAX_LEN, &text) || text.n == 0 || memchr(text.p, '\0', text.n) != NULL)
        return false;
    memcpy(name, text.p, text.n);
    name[text.n] = '\0';
    return true;
}

/* `shared` NULL: only whether it is well-formed. 0 or a negative DIVE_E*. */
static int get_record(struct reader *in, struct shared *shared, int64_t now)
{
    struct dive_span *txt = NULL;
    struct dive_answer answer = {0};
    char name[NAME_MAX_LEN + 1];
    int64_t number[4];
    int r = DIVE_E_SYNTAX;

    if (!get_bytes(in, number, sizeof(number)) || number[3] < 0 || number[3] > TEXTS_MAX ||
        (number[2] != DIVE_DNS_SECURE && number[2] != DIVE_DNS_INSECURE) || !get_name(in, name))
        return r;
    answer.security = (enum dive_security)number[2];
    answer.n = (size_t)number[3];
    txt = calloc(answer.n + 1, sizeof(*txt));
    if (txt == NULL)
        return DIVE_E_NOMEM;
    for (size_t i = 0; i < answer.n; i++)
        if (!get_text(in, TEXT_BYTES_MAX, &txt[i]))
            goto out;
    answer.txt = txt;
    r = 0;
    if (shared != NULL)
        r = dive_record_cache_restore(shared->records, name, &answer, number[0], number[1], now);
out:
    free(txt);
    return r;
}

static int get_policy(struct reader *in, struct shared *shared, int64_t now)
{
    char name[NAME_MAX_LEN + 1];
    int64_t number[2];

    if (!get_bytes(in, number, sizeof(number)) || !get_name(in, name) ||
        (number[0] != DIVE_REMEMBERED_ENFORCED && number[0] != DIVE_REMEMBERED_REPORT_ONLY))
        return DIVE_E_SYNTAX;
    if (shared == NULL)
        return 0;
    return dive_memory_put(shared->policies, name, name, number[0],
                           number[1] < now ? number[1] : now);
}

static int get_all(struct reader in, struct shared *shared, int64_t now)
{
    char kind;
    int r = 0;

    while (r == 0 && get_bytes(&in, &kind, 1)) {
        if (kind == 'R')
            r = get_record(&in, shared, now);
        else
            r = kind == 'P' ? get_policy(&in, shared, now) : DIVE_E_SYNTAX;
    }
    return r;
}

/* The whole content, malloc'd. */
static int read_file(int fd, char **out, size_t *n, char *why, size_t why_size)
{
    struct stat st;
    size_t at = 0;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
        (st.st_mode & 022) != 0)
        return fail(DIVE_E_STATE, why, why_size,
                    "not a regular file of ours that nobody else may write");
    if (st.st_size < MAGIC_LEN + SUM_LEN || st.st_size > (off_t)STATE_BYTES_MAX)
        return fail(DIVE_E_LIMIT, why, why_size, "not of a size that it can have");
    *n = (size_t)st.st_size;
    *out = malloc(*n);
    if (*out == NULL)
        return fail(DIVE_E_NOMEM, why, why_size, "out of memory");
    while (at < *n) {
        ssize_t got = read(fd, *out + at, *n - at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fail(DIVE_E_STATE, why, why_size, "it can't be read to its end");
        at += (size_t)got;
    }
    return 0;
}

static int load_bytes(struct shared *shared, const char *bytes, size_t n, int64_t now, char *why,
                      size_t why_size)
{
    struct reader in = {bytes + MAGIC_LEN, n - MAGIC_LEN - SUM_LEN};
    unsigned char sum[SUM_LEN];
    int r;

    if (memcmp(bytes, MAGIC, MAGIC_LEN) != 0)
        return fail(DIVE_E_UNSUPPORTED, why, why_size, "not a state file of this version");
    if (!checksum(bytes, n - SUM_LEN, sum) || memcmp(sum, bytes + n - SUM_LEN, SUM_LEN) != 0)
        return fail(DIVE_E_MISMATCH, why, why_size, "it is damaged (checksum)");
    /* Twice: nothing of a file that turns out to be nonsense further down is taken over. */
    if ((r = get_all(in, NULL, now)) == 0)
        r = get_all(in, shared, now);
    return r != 0 ? fail(r, why, why_size, "its content makes no sense") : 0;
}

int state_load(struct shared *shared, const char *directory, int64_t now, char *why,
               size_t why_size)
{
    char *path = NULL, *bytes = NULL;
    size_t n = 0;
    int fd = -1;
    int r = DIVE_E_INTERNAL;

    if (asprintf(&path, "%s/" STATE_FILE, directory) < 0)
        return fail(DIVE_E_NOMEM, why, why_size, "out of memory");
    fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        r = fail(errno == ENOENT ? DIVE_E_NOT_FOUND : DIVE_E_STATE, why, why_size, "%s",
                 strerror(errno));
        goto out;
    }
    if ((r = read_file(fd, &bytes, &n, why, why_size)) == 0)
        r = load_bytes(shared, bytes, n, now, why, why_size);
out:
    if (fd >= 0)
        close(fd);
    free(bytes);
    free(path);
    return r;
}
