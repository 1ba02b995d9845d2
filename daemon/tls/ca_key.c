/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ca_key: see ca_key.h.
 */
#include "tls/ca_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls/failure.h"
#include "tls/token.h"
#include "tls/x509_build.h"

#define PEM_FILE_MAX (1024 * 1024)
#define CREDENTIAL "credential:"
#define SIGNATURE_MAX 2048 /* bytes: RSA of 16384 bits */
#define COORDINATE_MAX 66  /* bytes of r or s: P-521 */

struct ca_key {
    EVP_PKEY *pkey;      /* NULL: on a token */
    struct token *token; /* NULL: in memory */
};

/* ---- files ---- */

/* systemd gives a service's user access to its credentials by an ACL, whose mask stat() shows as
 * the group's bits. Nobody else can enter the directory. */
static mode_t forbidden_modes(const char *path)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    size_t n = directory != NULL ? strlen(directory) : 0;

    return n > 0 && strncmp(path, directory, n) == 0 && path[n] == '/' ? 037 : 077;
}

int ca_key_read_file(BIO **out, const char *path, bool is_secret, char *why, size_t why_size)
{
    struct stat st;
    char buffer[4096];
    ssize_t n;
    size_t total = 0;
    int r = DIVE_E_STATE;
    /* NONBLOCK: a FIFO in the file's place must not hang the start. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    BIO *bio = NULL;

    *out = NULL;
    if (fd < 0 || fstat(fd, &st) != 0) {
        r = errno == ENOENT ? DIVE_E_NOT_FOUND : DIVE_E_STATE;
        snprintf(why, why_size, "can't read %s: %s; %s", path, strerror(errno),
                 errno == ENOENT ? "restore it, or name another file in the configuration"
                                 : "give the user that dived runs as access to it");
        goto out;
    }
    if (!S_ISREG(st.st_mode) || st.st_size > PEM_FILE_MAX) {
        snprintf(why, why_size, "%s is no regular file of at most 1 MiB; name a PEM file", path);
        goto out;
    }
    if (is_secret && (st.st_mode & forbidden_modes(path)) != 0) {
        snprintf(
            why, why_size,
            "the private key %s can be accessed by its group or others (mode %04o); run: chmod "
            "600 %s",
            path, (unsigned)(st.st_mode & 07777), path);
        goto out;
    }
    bio = BIO_new(is_secret ? BIO_s_secmem() : BIO_s_mem());
    while (bio != NULL && (n = read(fd, buffer, sizeof buffer)) > 0) {
        total += (size_t)n;
        if (total > PEM_FILE_MAX || BIO_write(bio, buffer, (int)n) != n)
            break;
    }
    OPENSSL_cleanse(buffer, sizeof buffer);
    if (bio == NULL || n != 0) {
        r = bio == NULL ? DIVE_E_NOMEM : DIVE_E_STATE;
        snprintf(why, why_size, "can't read %s to its end", path);
        goto out;
    }
    *out = bio;
    bio = NULL;
    r = 0;
out:
    BIO_free(bio);
    if (fd >= 0)
        close(fd);
    return r;
}

/* A key with a passphrase must fail, not prompt on the daemon's terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    return -1;
}

static int load_file(struct ca_key *key, const char *path, char *why, size_t why_size)
{
    BIO *bio;
    int r = ca_key_read_file(&bio, path, true, why, why_size);

    if (r != 0)
        return r;
    ERR_clear_error();
    key->pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (key->pkey == NULL) {
        tls_failure_explain(
            why, why_size,
            "%s has no PEM private key without a passphrase; restore it, or name another in "
            "interception.ca-key",
            path);
        return DIVE_E_SYNTAX;
    }
    return 0;
}

bool ca_key_is_file(const char *from)
{
    return !token_is_uri(from) && strncmp(from, CREDENTIAL, sizeof CREDENTIAL - 1) != 0;
}

bool ca_key_is_out_of_reach(const char *from)
{
    return !token_is_uri(from) && !ca_key_is_file(from) && getenv("CREDENTIALS_DIRECTORY") == NULL;
}

static int load_credential(struct ca_key *key, const char *from, char *why, size_t why_size)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    char path[4096];

    if (directory != NULL && (size_t)snprintf(path, sizeof path, "%s/%s", directory,
                                              from + sizeof CREDENTIAL - 1) < sizeof path)
        return load_file(key, path, why, why_size);
    snprintf(why, why_size,
             "interception.ca-key, %.100s: $CREDENTIALS_DIRECTORY isn't set; LoadCredential= of a "
             "systemd service sets it",
             from);
    return DIVE_E_NOT_FOUND;
}

/* ---- tokens ---- */

struct pin_reader {
    char *why;
    size_t why_size;
};

/* The first line of the file. */
static int read_pin(void *arg, const char *source, char pin[TOKEN_PIN_MAX])
{
    struct pin_reader *reader = arg;
    BIO *bio;
    int n, r;

    if (source == NULL) {
        snprintf(reader->why, reader->why_size,
                 "the token wants a PIN: put it into a file of mode 600 and add "
                 "?pin-source=file:PATH to interception.ca-key");
        return DIVE_E_SYNTAX;
    }
    r = ca_key_read_file(&bio, source, true, reader->why, reader->why_size);
    if (r != 0)
        return r;
    n = BIO_gets(bio, pin, TOKEN_PIN_MAX);
    BIO_free(bio);
    while (n > 0 && (pin[n - 1] == '\n' || pin[n - 1] == '\r'))
        pin[--n] = '\0';
    if (n > 0)
        return 0;
    snprintf(reader->why, reader->why_size, "the first line of %s is no PIN", source);
    return DIVE_E_SYNTAX;
}

static int load_token(struct ca_key *key, const char *uri, char *why, size_t why_size)
{
    struct pin_reader reader = {why, why_size};
    char text[256];
    int r = token_open(&key->token, uri, read_pin, &reader, why, why_size);

    if (r != 0) {
        snprintf(text, sizeof text, "%s", why);
        snprintf(why, why_size, "interception.ca-key, %.100s: %s", uri, text);
    }
    return r;
}

int ca_key_load(struct ca_key **out, const char *from, char *why, size_t why_size)
{
    struct ca_key *key = calloc(1, sizeof *key);
    int r;

    *out = NULL;
    if (key == NULL) {
        snprintf(why, why_size, "memory ran out while loading the CA key");
        return DIVE_E_NOMEM;
    }
    if (token_is_uri(from))
        r = load_token(key, from, why, why_size);
    else
        r = ca_key_is_file(from) ? load_file(key, from, why, why_size)
                                 : load_credential(key, from, why, why_size);
    if (r != 0)
        ca_key_free(&key);
    *out = key;
    return r;
}

void ca_key_free(struct ca_key **key)
{
    struct ca_key *old = *key;

    *key = NULL;
    if (old == NULL)
        return;
    EVP_PKEY_free(old->pkey);
    token_close(&old->token);
    free(old);
}

/* ---- signing ---- */

/* r and s, one after the other, as the DER of RFC 3279 section 2.2.3. */
static int encode_ecdsa(unsigned char signature[SIGNATURE_MAX], size_t *n)
{
    unsigned char raw[2 * COORDINATE_MAX], *p = signature;
    size_t half = *n / 2;
    ECDSA_SIG *sig = NULL;
    BIGNUM *r, *s;
    int length;

    if (*n % 2 != 0 || half == 0 || half > COORDINATE_MAX)
        return DIVE_E_INTERNAL;
    memcpy(raw, signature, *n);
    r = BN_bin2bn(raw, (int)half, NULL);
    s = BN_bin2bn(raw + half, (int)half, NULL);
    sig = ECDSA_SIG_new();
    if (r == NULL || s == NULL || sig == NULL || ECDSA_SIG_set0(sig, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(sig);
        return DIVE_E_NOMEM;
    }
    length = i2d_ECDSA_SIG(sig, &p);
    ECDSA_SIG_free(sig);
    *n = length > 0 ? (size_t)length : 0;
    return length > 0 ? 0 : DIVE_E_INTERNAL;
}

/* Signs the SHA-256 of `data` on the token. */
static int token_sign_data(struct token *token, bool is_rsa, const unsigned char *data, size_t n,
                           unsigned char signature[SIGNATURE_MAX], size_t *signature_n)
{
    /* DigestInfo of SHA-256 (RFC 8017 section 9.2, note 1) */
    static const unsigned char prefix[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60,
                                           0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
                                           0x01, 0x05, 0x00, 0x04, 0x20};
    CK_MECHANISM mechanism = {is_rsa ? CKM_RSA_PKCS : CKM_ECDSA, NULL, 0};
    unsigned char input[sizeof prefix + SHA256_DIGEST_LENGTH];
    size_t skip = is_rsa ? 0 : sizeof prefix;
    int r;

    memcpy(input, prefix, sizeof prefix);
    if (SHA256(data, n, input + sizeof prefix) == NULL)
        return DIVE_E_INTERNAL;
    *signature_n = SIGNATURE_MAX;
    r = token_sign(token, &mechanism, 1, input + skip, sizeof input - skip, signature, signature_n);
    return r == 0 && !is_rsa ? encode_ecdsa(signature, signature_n) : r;
}

/* OpenSSL has no call that puts a signature into a certificate: its own X509_sign() writes to these
 * three members, which X509_get0_*() hand out as constants. */
static int set_algorithm(X509 *certificate, bool is_rsa)
{
    int nid = is_rsa ? NID_sha256WithRSAEncryption : NID_ecdsa_with_SHA256;
    int parameter = is_rsa ? V_ASN1_NULL : V_ASN1_UNDEF;
    const X509_ALGOR *outer;

    X509_get0_signature(NULL, &outer, certificate);
    return X509_ALGOR_set0((X509_ALGOR *)(uintptr_t)outer, OBJ_nid2obj(nid), parameter, NULL) ==
                       1 &&
                   X509_ALGOR_set0((X509_ALGOR *)(uintptr_t)X509_get0_tbs_sigalg(certificate),
                                   OBJ_nid2obj(nid), parameter, NULL) == 1
               ? 0
               : DIVE_E_NOMEM;
}

static int set_signature(X509 *certificate, const unsigned char *signature, size_t n)
{
    const ASN1_BIT_STRING *bits;
    ASN1_BIT_STRING *writable;

    X509_get0_signature(&bits, NULL, certificate);
    writable = (ASN1_BIT_STRING *)(uintptr_t)bits;
    if (ASN1_STRING_set(writable, signature, (int)n) != 1)
        return DIVE_E_NOMEM;
    writable->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 7);
    writable->flags |= ASN1_STRING_FLAG_BITS_LEFT; /* no unused bits */
    return 0;
}

static int sign_on_token(struct token *token, EVP_PKEY *public_key, X509 *certificate)
{
    bool is_rsa = EVP_PKEY_get_base_id(public_key) == EVP_PKEY_RSA;
    unsigned char signature[SIGNATURE_MAX], *tbs = NULL;
    size_t signature_n;
    int n, r = set_algorithm(certificate, is_rsa);

    if (r != 0)
        return r;
    n = i2d_re_X509_tbs(certificate, &tbs);
    if (n <= 0)
        return DIVE_E_NOMEM;
    r = token_sign_data(token, is_rsa, tbs, (size_t)n, signature, &signature_n);
    OPENSSL_free(tbs);
    return r == 0 ? set_signature(certificate, signature, signature_n) : r;
}

int ca_key_sign(struct ca_key *key, EVP_PKEY *public_key, X509 *certificate)
{
    if (key->token == NULL)
        return x509_build_sign(certificate, key->pkey);
    return sign_on_token(key->token, public_key, certificate);
}

/* A token may keep its public key to itself, so it has to show what it can do. */
static bool token_matches(struct token *token, EVP_PKEY *public_key)
{
    static const unsigned char probe[] = "dived: is this the key of the certificate?";
    bool is_rsa = EVP_PKEY_get_base_id(public_key) == EVP_PKEY_RSA;
    unsigned char signature[SIGNATURE_MAX];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t n;
    bool good;

    good = context != NULL &&
           token_sign_data(token, is_rsa, probe, sizeof probe, signature, &n) == 0 &&
           EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, public_key) == 1 &&
           EVP_DigestVerify(context, signature, n, probe, sizeof probe) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return good;
}

bool ca_key_matches(struct ca_key *key, EVP_PKEY *public_key)
{
    if (key->token != NULL)
        return token_matches(key->token, public_key);
    return EVP_PKEY_eq(public_key, key->pkey) == 1;
}
