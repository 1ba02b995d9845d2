/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ca_create: makes the interception CA's key and certificate.
 *
 *   lock the key's directory -> both absent? -> write both aside, synced -> rename the key ->
 * rename the certificate -> sync the directories -> unlock
 *
 * No rename replaces anything, so even without a lock (a file system that has none) the files of
 * another daemon are never overwritten. A crash between the renames leaves a key without a
 * certificate, which is refused with words, not repaired: the key might be somebody's.
 */
#include "tls/ca.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls/failure.h"
#include "tls/x509_build.h"

#define PATH_BUF 4096
#define LOCK_TRIES 200
#define LOCK_WAIT_US 50000
#define DAY ((time_t)86400)

/* A descriptor of the directory that `path` lies in, or -1 (errno). */
static int open_directory(const char *path)
{
    char copy[PATH_BUF];

    if ((size_t)snprintf(copy, sizeof copy, "%s", path) >= sizeof copy) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Waits ten seconds at most. What can't be locked is used all the same: see above. */
static void lock_directory(int fd)
{
    int tries = 0;

    while (flock(fd, LOCK_EX | LOCK_NB) != 0 && (errno == EWOULDBLOCK || errno == EINTR) &&
           ++tries < LOCK_TRIES)
        usleep(LOCK_WAIT_US);
}

static int write_all(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, data, n);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return -1;
        data += written;
        n -= (size_t)written;
    }
    return 0;
}

/* Writes `bio`'s bytes to a new file beside `path`, whose name goes to `temporary`. */
static int write_aside(const char *path, BIO *bio, mode_t mode, char temporary[PATH_BUF])
{
    uint32_t random;
    char *data = NULL;
    long n = BIO_get_mem_data(bio, &data);
    int fd, saved;

    temporary[0] = '\0';
    if (RAND_bytes((unsigned char *)&random, sizeof random) != 1 || n <= 0) {
        errno = EIO;
        return -1;
    }
    if ((size_t)snprintf(temporary, PATH_BUF, "%s.%08x.new", path, random) >= PATH_BUF) {
        temporary[0] = '\0';
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        temporary[0] = '\0';
        return -1;
    }
    if (write_all(fd, data, (size_t)n) != 0 || fchmod(fd, mode) != 0 || fsync(fd) != 0) {
        saved = errno;
        close(fd);
        unlink(temporary);
        temporary[0] = '\0';
        errno = saved;
        return -1;
    }
    return close(fd);
}

static int rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    /* A file system without NOREPLACE. link() doesn't replace either. */
    if (link(from, to) != 0)
        return -1;
    unlink(from);
    return 0;
}

static int make_certificate(X509 **out, EVP_PKEY *key, time_t now)
{
    char host[256] = "", cn[65]; /* ub-common-name is 64 */
    X509 *certificate;
    X509_NAME *name;
    /* Leaves are backdated against clock skew, and clipped to this. */
    int r = x509_build_new(&certificate, key, now - DAY, now + TLS_CA_YEARS * 365 * DAY);

    *out = NULL;
    if (r != 0)
        return r;
    r = DIVE_E_INTERNAL;
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
        snprintf(host, sizeof host, "localhost");
    snprintf(cn, sizeof cn, "dived interception CA %.42s", host);
    name = X509_get_subject_name(certificate);
    if (X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (unsigned char *)cn, -1, -1,
                                   0) != 1 ||
        X509_set_issuer_name(certificate, name) != 1)
        goto out;
    r = x509_build_extension(certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    if (r != 0)
        goto out;
    r = x509_build_extension(certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    if (r != 0)
        goto out;
    r = x509_build_extension(certificate, NID_subject_key_identifier, "hash");
    if (r != 0)
        goto out;
    r = x509_build_sign(certificate, key);
    if (r != 0)
        goto out;
    *out = certificate;
    certificate = NULL;
    r = 0;
out:
    X509_free(certificate);
    return r;
}

/* A new pair as PEM; both BIOs are the caller's. The key's memory is wiped when it is freed. */
static int make_pem(BIO **certificate_pem, BIO **key_pem, time_t now)
{
    EVP_PKEY *key = NULL;
    X509 *certificate = NULL;
    int r = DIVE_E_NOMEM;

    *certificate_pem = BIO_new(BIO_s_mem());
    *key_pem = BIO_new(BIO_s_secmem());
    if (*certificate_pem == NULL || *key_pem == NULL)
        goto out;
    r = x509_build_key(&key);
    if (r != 0)
        goto out;
    r = make_certificate(&certificate, key, now);
    if (r != 0)
        goto out;
    r = DIVE_E_INTERNAL;
    if (PEM_write_bio_X509(*certificate_pem, certificate) != 1 ||
        PEM_write_bio_PKCS8PrivateKey(*key_pem, key, NULL, NULL, 0, NULL, NULL) != 1)
        goto out;
    r = 0;
out:
    X509_free(certificate);
    EVP_PKEY_free(key);
    return r;
}

static int publish(const char *certificate_file, const char *key_file, BIO *certificate_pem,
                   BIO *key_pem, const char **failed)
{
    char new_certificate[PATH_BUF] = "", new_key[PATH_BUF] = "";
    bool key_is_there = false;
    int saved, r = -1;

    *failed = key_file;
    if (write_aside(key_file, key_pem, 0600, new_key) != 0)
        goto out;
    *failed = certificate_file;
    if (write_aside(certificate_file, certificate_pem, 0644, new_certificate) != 0)
        goto out;
    *failed = key_file;
    if (rename_new(new_key, key_file) != 0)
        goto out;
    new_key[0] = '\0';
    key_is_there = true;
    *failed = certificate_file;
    if (rename_new(new_certificate, certificate_file) != 0)
        goto out;
    new_certificate[0] = '\0';
    r = 0;
out:
    saved = errno;
    if (new_key[0] != '\0')
        unlink(new_key);
    if (new_certificate[0] != '\0')
        unlink(new_certificate);
    if (r != 0 && key_is_there)
        unlink(key_file); /* ours: nothing was replaced */
    errno = saved;
    return r;
}

static void sync_directory_of(const char *path)
{
    int fd = open_directory(path);

    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

int tls_ca_create(const char *certificate_file, const char *key_file, time_t now, char *why,
                  size_t why_size)
{
    BIO *certificate_pem = NULL, *key_pem = NULL;
    const char *failed = key_file;
    bool has_certificate, has_key;
    int r = DIVE_E_NOT_FOUND, lock = open_directory(key_file);

    if (lock < 0) {
        snprintf(why, why_size,
                 "can't make the CA key %s: its directory can't be opened (%s); create "
                 "it for the user that dived runs as, or name another in interception.ca-key",
                 key_file, strerror(errno));
        return r;
    }
    lock_directory(lock);
    has_certificate = access(certificate_file, F_OK) == 0;
    has_key = access(key_file, F_OK) == 0;
    if (has_certificate && has_key) {
        snprintf(why, why_size, "%s and %s are there already; remove both to have a new pair made",
                 certificate_file, key_file);
        r = DIVE_E_STATE;
        goto out;
    }
    if (has_certificate || has_key) {
        snprintf(why, why_size,
                 "%s is there but %s is missing; restore it, or remove the former to "
                 "have a new pair made",
                 has_key ? key_file : certificate_file, has_key ? certificate_file : key_file);
        goto out;
    }
    r = make_pem(&certificate_pem, &key_pem, now);
    if (r != 0) {
        tls_failure_explain(why, why_size, "can't make a CA key and certificate");
        goto out;
    }
    if (publish(certificate_file, key_file, certificate_pem, key_pem, &failed) != 0) {
        snprintf(why, why_size,
                 "can't write %s: %s; give the user that dived runs as write access "
                 "to its directory, or name another place in interception.ca-%s",
                 failed, strerror(errno), failed == key_file ? "key" : "certificate");
        r = errno == EEXIST ? DIVE_E_STATE : DIVE_E_NOT_FOUND;
        goto out;
    }
    sync_directory_of(key_file);
    sync_directory_of(certificate_file);
    why[0] = '\0';
    r = 0;
out:
    ERR_clear_error();
    BIO_free(certificate_pem);
    BIO_free(key_pem);
    close(lock); /* unlocks */
    return r;
}
