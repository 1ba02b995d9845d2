/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sign_key: see sign_key.h. The secrets' small helpers are in sign_secret.c.
 */
#include "cmd/sign_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/pkcs11.h"
#include "cmd/sign_secret.h"

#define KEY_FILE_MAX 16384 /* bytes; an encrypted PEM has about 400 */
#define PASSPHRASE_MAX 1024
#define SEED_MAX 57

struct sign_key {
    enum dive_algorithm algorithm;
    EVP_PKEY *pkey;           /* NULL: on a token */
    struct pkcs11_key *token; /* NULL: not on one */
    uint8_t public_key[DIVE_PUBLIC_KEY_MAX];
    size_t public_len;
};

/* How OpenSSL's reader gets the passphrase. */
struct passphrase {
    const struct sign_key_source *source;
    bool asked; /* the PEM is encrypted */
    char text[PASSPHRASE_MAX];
    int failed; /* an exit code that was told */
};

static int passphrase_for(char *out, int size, int writing, void *arg)
{
    struct passphrase *p = arg;
    size_t n;

    (void)writing;
    /* OpenSSL asks once for each form that the key might have; people are asked once. */
    if (!p->asked && p->source->passphrase != NULL)
        snprintf(p->text, sizeof(p->text), "%s", p->source->passphrase);
    else if (!p->asked && p->source->passphrase_file != NULL)
        p->failed = sign_secret_file(p->source->passphrase_file, p->source->insecure_permissions,
                                     p->text, sizeof(p->text));
    else if (!p->asked)
        p->failed = sign_secret_prompt(p->source->from, p->text, sizeof(p->text));
    p->asked = true;
    n = strlen(p->text);
    if (p->failed != 0 || n > (size_t)size)
        return -1;
    memcpy(out, p->text, n);
    return (int)n;
}

static bool is_blank(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != '\n' && p[i] != '\r' && p[i] != ' ' && p[i] != '\t')
            return false;
    }
    return true;
}

/* One PEM private key and nothing behind it. */
static int read_pem(const struct sign_key_source *source, const char *text, size_t n,
                    EVP_PKEY **out)
{
    struct passphrase passphrase = {.source = source};
    BIO *bio = BIO_new_mem_buf(text, (int)n);
    const char *rest = NULL;
    long left;
    int r = EX_DATAERR;

    *out = NULL;
    if (bio == NULL)
        return EX_OSERR;
    *out = PEM_read_bio_PrivateKey(bio, NULL, passphrase_for, &passphrase);
    left = BIO_get_mem_data(bio, &rest);
    if (passphrase.failed != 0) {
        r = passphrase.failed;
    } else if (*out == NULL && passphrase.asked) {
        command_error("%s: the passphrase is wrong, or the key is damaged", source->from);
    } else if (*out == NULL) {
        command_error("%s: no private key in PEM", source->from);
    } else if (left < 0 || !is_blank(rest, (size_t)left)) {
        command_error("%s: something follows the private key", source->from);
    } else {
        r = COMMAND_OK;
    }
    OPENSSL_cleanse(&passphrase, sizeof(passphrase));
    BIO_free(bio);
    ERR_clear_error();
    return r;
}

/* The seed alone, in base64 on one line: its length says which algorithm. */
static int read_raw(const char *from, const char *text, size_t n, EVP_PKEY **out)
{
    uint8_t seed[SEED_MAX + 3];
    size_t padding = 0;
    int bytes, type;

    *out = NULL;
    while (n > 0 && is_blank(text + n - 1, 1))
        n--;
    while (padding < 2 && padding < n && text[n - 1 - padding] == '=')
        padding++;
    if (n == 0 || n % 4 != 0 || n / 4 * 3 > sizeof(seed)) {
        command_error("%s: neither PEM nor a private key in base64", from);
        return EX_DATAERR;
    }
    bytes = EVP_DecodeBlock(seed, (const unsigned char *)text, (int)n);
    bytes = bytes < 0 ? -1 : bytes - (int)padding;
    type = bytes == 32 ? EVP_PKEY_ED25519 : bytes == SEED_MAX ? EVP_PKEY_ED448 : EVP_PKEY_NONE;
    if (bytes < 0)
        command_error("%s: neither PEM nor a private key in base64", from);
    else if (type == EVP_PKEY_NONE)
        command_error("%s: a private key of %d bytes; ed25519 has 32, ed448 57", from, bytes);
    else
        *out = EVP_PKEY_new_raw_private_key(type, NULL, seed, (size_t)bytes);
    OPENSSL_cleanse(seed, sizeof(seed));
    return *out != NULL ? COMMAND_OK : EX_DATAERR;
}

static int take_pkey(const char *from, struct sign_key *key)
{
    int type = EVP_PKEY_get_base_id(key->pkey);

    key->algorithm = type == EVP_PKEY_ED25519 ? DIVE_ALGORITHM_ED25519
                     : type == EVP_PKEY_ED448 ? DIVE_ALGORITHM_ED448
                                              : DIVE_ALGORITHM_NONE;
    if (key->algorithm == DIVE_ALGORITHM_NONE) {
        command_error("%s: a key for %s; DIVE has ed25519 and ed448 only", from,
                      EVP_PKEY_get0_type_name(key->pkey));
        return EX_DATAERR;
    }
    key->public_len = sizeof(key->public_key);
    if (EVP_PKEY_get_raw_public_key(key->pkey, key->public_key, &key->public_len) != 1) {
        command_error("%s: the key has no public half", from);
        return EX_DATAERR;
    }
    return COMMAND_OK;
}

static int load_text(const struct sign_key_source *source, struct sign_key *key)
{
    char *text = malloc(KEY_FILE_MAX);
    size_t n = 0;
    int r = EX_OSERR;

    if (text == NULL) {
        command_error("no memory");
        return EX_OSERR;
    }
    r = sign_secret_read(source->from, source->insecure_permissions, text, KEY_FILE_MAX, &n);
    if (r == COMMAND_OK && memmem(text, n, "-----BEGIN", 10) != NULL)
        r = read_pem(source, text, n, &key->pkey);
    else if (r == COMMAND_OK)
        r = read_raw(source->from, text, n, &key->pkey);
    if (r == COMMAND_OK)
        r = take_pkey(source->from, key);
    OPENSSL_cleanse(text, KEY_FILE_MAX);
    free(text);
    return r;
}

static int load_token(const struct sign_key_source *source, struct sign_key *key)
{
    struct dive_span public_key;
    int r = pkcs11_key_open(source, &key->token);

    if (r != COMMAND_OK)
        return r;
    key->algorithm = pkcs11_key_algorithm(key->token);
    public_key = pkcs11_key_public(key->token);
    if (public_key.n > 0)
        memcpy(key->public_key, public_key.p, public_key.n);
    key->public_len = public_key.n;
    return COMMAND_OK;
}

int sign_key_load(const struct sign_key_source *source, struct sign_key **out)
{
    struct sign_key *key = calloc(1, sizeof(*key));
    int r = EX_OSERR;

    *out = NULL;
    if (key == NULL) {
        command_error("no memory");
        return EX_OSERR;
    }
    if (strncmp(source->from, "pkcs11:", 7) == 0)
        r = load_token(source, key);
    else
        r = load_text(source, key);
    if (r == COMMAND_OK)
        *out = key;
    else
        sign_key_free(&key);
    return r;
}

void sign_key_free(struct sign_key **key)
{
    if (*key == NULL)
        return;
    EVP_PKEY_free((*key)->pkey);
    pkcs11_key_close(&(*key)->token);
    free(*key);
    *key = NULL;
}

enum dive_algorithm sign_key_algorithm(const struct sign_key *key)
{
    return key->algorithm;
}

struct dive_span sign_key_public(const struct sign_key *key)
{
    return dive_span(key->public_key, key->public_len);
}

int sign_key_sign(void *arg, const void *message, size_t n, uint8_t *signature)
{
    struct sign_key *key = arg;
    size_t len = dive_algorithm_signature_bytes(key->algorithm);
    EVP_MD_CTX *context;
    int r = DIVE_E_INTERNAL;

    if (key->token != NULL)
        return pkcs11_key_sign(key->token, message, n, signature);
    context = EVP_MD_CTX_new();
    if (context == NULL)
        return DIVE_E_NOMEM;
    if (EVP_DigestSignInit(context, NULL, NULL, NULL, key->pkey) == 1 &&
        EVP_DigestSign(context, signature, &len, message, n) == 1 &&
        len == dive_algorithm_signature_bytes(key->algorithm))
        r = 0;
    EVP_MD_CTX_free(context);
    return r;
}
