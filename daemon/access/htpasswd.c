/* SPDX-License-Identifier: BSD-2-Clause
 *
 * htpasswd: see htpasswd.h.
 */
#include "access/htpasswd.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BCRYPT_COST_MAX 14 /* about a second */
#define BCRYPT_LENGTH 60
#define SHA512_ROUNDS_MAX 1000000
#define YESCRYPT_N_MAX 'B' /* 2^14 blocks of 4 KiB: 64 MiB */

struct htpasswd_entry {
    const char *user, *hash; /* in `text` */
    unsigned line;
};

struct htpasswd {
    char *text; /* the file, lines and fields ended by NUL */
    size_t n_text;
    struct htpasswd_entry *v; /* sorted by user */
    size_t n;
    const char *costliest;
    char decoy[HTPASSWD_HASH_MAX + 1];
};

/* ---- hashes ---- */

static bool is_hash_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '/' || c == '$' || c == '=';
}

/* The work of one check, roughly in microseconds; 0: it is beyond the bound. */
static unsigned bcrypt_work(const char *hash)
{
    unsigned cost;

    if (strlen(hash) != BCRYPT_LENGTH || hash[4] < '0' || hash[4] > '9' || hash[5] < '0' ||
        hash[5] > '9' || hash[6] != '$')
        return 0;
    cost = (unsigned)(hash[4] - '0') * 10 + (unsigned)(hash[5] - '0');
    return cost >= 4 && cost <= BCRYPT_COST_MAX ? 60u << cost : 0;
}

static unsigned sha512_work(const char *hash)
{
    char *end = NULL;
    unsigned long rounds = 5000;

    if (strncmp(hash + 3, "rounds=", 7) == 0) {
        if (hash[10] < '0' || hash[10] > '9')
            return 0;
        rounds = strtoul(hash + 10, &end, 10);
        if (*end != '$')
            return 0;
    }
    return rounds <= SHA512_ROUNDS_MAX ? (unsigned)rounds : 0;
}

/* crypt(5): "$y$", then the flavour, log2 of N less one, and r, one character each as long as they
 * are small; anything longer asks for more. */
static unsigned yescrypt_work(const char *hash)
{
    static const char digits[] = "./0123456789AB";
    const char *n = hash[3] == 'j' && hash[4] != '\0' ? strchr(digits, hash[4]) : NULL;

    if (n == NULL || hash[5] == '\0' || hash[5] > 'T' || hash[6] != '$')
        return 0;
    return 10u << (n - digits + 1);
}

/* Its work, or 0 with the reason. */
static unsigned hash_work(const char *hash, const char **why)
{
    unsigned work = 0;

    *why = "the cost of its hash is out of bounds (bcrypt 4 to 14, sha512crypt up to 1000000 "
           "rounds, yescrypt up to 64 MiB), or the hash is cut";
    if (strncmp(hash, "$2y$", 4) == 0 || strncmp(hash, "$2b$", 4) == 0 ||
        strncmp(hash, "$2a$", 4) == 0) {
        work = bcrypt_work(hash);
    } else if (strncmp(hash, "$6$", 3) == 0) {
        work = sha512_work(hash);
    } else if (strncmp(hash, "$y$", 3) == 0) {
        work = yescrypt_work(hash);
    } else {
        *why = "its password is not hashed by bcrypt, yescrypt or sha512crypt (MD5, SHA-1, DES and "
               "plain text are not accepted); set it anew with htpasswd -B or mkpasswd -m yescrypt";
        return 0;
    }
    if (work > 0 && crypt_checksalt(hash) != CRYPT_SALT_OK) {
        *why = "its hash is not well-formed, or of a kind that this system's libcrypt doesn't know";
        return 0;
    }
    return work;
}

bool htpasswd_verify(const char *hash, const char *password)
{
    struct crypt_data *data = calloc(1, sizeof(*data));
    const char *made;
    size_t n = strlen(hash);
    bool same = false;

    if (data == NULL)
        return false;
    made = crypt_r(password, hash, data);
    if (made != NULL && made[0] == '$' && strlen(made) == n)
        same = CRYPTO_memcmp(made, hash, n) == 0;
    explicit_bzero(data, sizeof(*data));
    free(data);
    return same;
}

/* ---- the file ---- */

/* "user:hash" in place. The reason why it isn't, or NULL. */
static const char *read_line(struct htpasswd *h, char *line, size_t n, unsigned number,
                             unsigned *costliest)
{
    char *colon = memchr(line, ':', n);
    struct htpasswd_entry *e = &h->v[h->n];
    const char *why = NULL;
    unsigned work;

    if (colon == NULL)
        return "has no colon; a line is user:hash";
    if (!access_text_is_user(line, (size_t)(colon - line)))
        return "its user is empty, longer than 255 bytes, or not UTF-8 without control characters";
    *colon = '\0';
    line[n] = '\0';
    *e = (struct htpasswd_entry){line, colon + 1, number};
    if (strlen(e->hash) != (size_t)(line + n - e->hash) || strlen(e->hash) > HTPASSWD_HASH_MAX)
        return "its hash is too long or has a NUL";
    for (const char *p = e->hash; e->hash[0] == '$' && *p != '\0'; p++)
        if (!is_hash_char(*p))
            return "its hash has a character that no hash has (is there a second colon?)";
    work = hash_work(e->hash, &why);
    if (work == 0)
        return why;
    if (work > *costliest) {
        *costliest = work;
        h->costliest = e->hash;
    }
    h->n++;
    return NULL;
}

static int by_user(const void *a, const void *b)
{
    const struct htpasswd_entry *x = a, *y = b;
    int c = strcmp(x->user, y->user);

    return c != 0 ? c : (x->line > y->line) - (x->line < y->line);
}

static int read_lines(struct htpasswd *h, const char *name, char *why, size_t why_size)
{
    unsigned number = 0, costliest = 0;
    char *p = h->text, *end = h->text + h->n_text;

    while (p < end) {
        char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((stop != NULL ? stop : end) - p);
        const char *wrong = NULL;

        number++;
        if (n > 0 && p[n - 1] == '\r')
            n--;
        if (n > 0 && p[0] != '#')
            wrong = h->n == HTPASSWD_USERS_MAX
                        ? "is one user more than the 100000 that a file may have"
                        : read_line(h, p, n, number, &costliest);
        if (wrong != NULL) {
            snprintf(why, why_size, "%s:%u: %s", name, number, wrong);
            return DIVE_E_SYNTAX;
        }
        p = stop != NULL ? stop + 1 : end;
    }
    qsort(h->v, h->n, sizeof(*h->v), by_user);
    for (size_t i = 1; i < h->n; i++) {
        if (strcmp(h->v[i - 1].user, h->v[i].user) == 0) {
            snprintf(why, why_size, "%s:%u: its user is that of line %u; leave one of them", name,
                     h->v[i].line, h->v[i - 1].line);
            return DIVE_E_SYNTAX;
        }
    }
    return 0;
}

/* The settings of the costliest hash, and no hash behind them that a password has. */
static void make_decoy(struct htpasswd *h)
{
    const char *hash = h->costliest != NULL
                           ? h->costliest
                           : "$2y$10$aaaaaaaaaaaaaaaaaaaaaOaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    size_t n = strlen(hash);

    memcpy(h->decoy, hash, n + 1);
    h->decoy[n - 1] = h->decoy[n - 1] == '.' ? '/' : '.';
    h->decoy[n - 2] = h->decoy[n - 2] == '.' ? '/' : '.';
}

/* Takes over `text`, of `n` bytes and one more. */
static int htpasswd_take(struct htpasswd **out, const char *name, char *text, size_t n, char *why,
                         size_t why_size)
{
    struct htpasswd *h = calloc(1, sizeof(*h));
    int r = DIVE_E_NOMEM;
    size_t lines = 1;

    *out = NULL;
    snprintf(why, why_size, "%s: out of memory", name);
    if (h == NULL) {
        explicit_bzero(text, n);
        free(text);
        return r;
    }
    h->text = text;
    h->n_text = n;
    text[n] = '\0';
    for (size_t i = 0; i < n && lines <= HTPASSWD_USERS_MAX; i++)
        lines += text[i] == '\n';
    h->v = calloc(lines, sizeof(*h->v));
    if (h->v == NULL)
        goto out;
    r = read_lines(h, name, why, why_size);
    if (r != 0)
        goto out;
    make_decoy(h);
    *out = h;
    h = NULL;
    why[0] = '\0';
    r = 0;
out:
    htpasswd_free(&h);
    return r;
}

int htpasswd_parse(struct htpasswd **out, const char *name, const char *text, size_t n, char *why,
                   size_t why_size)
{
    char *copy = n <= HTPASSWD_FILE_MAX ? malloc(n + 1) : NULL;

    *out = NULL;
    if (copy == NULL) {
        snprintf(why, why_size, "%s: %s", name,
                 n > HTPASSWD_FILE_MAX ? "is larger than 16 MiB" : "out of memory");
        return n > HTPASSWD_FILE_MAX ? DIVE_E_LIMIT : DIVE_E_NOMEM;
    }
    memcpy(copy, text, n);
    return htpasswd_take(out, name, copy, n, why, why_size);
}

int htpasswd_load(struct htpasswd **out, const char *path, char *why, size_t why_size)
{
    /* Nonblocking: a pipe, named by mistake, must not stop a reload. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r = DIVE_E_NOT_FOUND;
    size_t n = 0, size;
    char *text = NULL;
    struct stat st;

    *out = NULL;
    if (fd < 0 || fstat(fd, &st) != 0 || (!S_ISREG(st.st_mode) && (errno = EINVAL))) {
        snprintf(why, why_size, "access.htpasswd: %s: cannot be read: %s", path, strerror(errno));
        goto out;
    }
    if ((st.st_mode & S_IWOTH) != 0) {
        snprintf(why, why_size,
                 "access.htpasswd: %s: everybody can write to it (mode %04o); run: chmod o-w %s",
                 path, (unsigned)st.st_mode & 07777u, path);
        goto out;
    }
    size = (size_t)st.st_size;
    r = DIVE_E_LIMIT;
    snprintf(why, why_size, "%s: is larger than 16 MiB", path);
    if (st.st_size > HTPASSWD_FILE_MAX)
        goto out;
    r = DIVE_E_NOMEM;
    snprintf(why, why_size, "%s: out of memory", path);
    text = malloc(size + 1);
    if (text == NULL)
        goto out;
    while (n < size) {
        ssize_t got = read(fd, text + n, size - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            snprintf(why, why_size, "%s: cannot be read: %s", path, strerror(errno));
            explicit_bzero(text, n);
            r = DIVE_E_NOT_FOUND;
            goto out;
        }
        if (got == 0)
            break; /* it was cut meanwhile: what is there counts */
        n += (size_t)got;
    }
    r = htpasswd_take(out, path, text, n, why, why_size);
    text = NULL;
out:
    free(text);
    if (fd >= 0)
        close(fd);
    return r;
}

void htpasswd_free(struct htpasswd **h)
{
    if (*h == NULL)
        return;
    if ((*h)->text != NULL)
        explicit_bzero((*h)->text, (*h)->n_text);
    free((*h)->text);
    free((*h)->v);
    explicit_bzero((*h)->decoy, sizeof((*h)->decoy));
    free(*h);
    *h = NULL;
}

size_t htpasswd_count(const struct htpasswd *h)
{
    return h->n;
}

const char *htpasswd_find(const struct htpasswd *h, const char *user)
{
    size_t low = 0, high = h->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = strcmp(user, h->v[middle].user);

        if (c == 0)
            return h->v[middle].hash;
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *htpasswd_decoy(const struct htpasswd *h)
{
    return h->decoy;
}
