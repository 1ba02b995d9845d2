/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl keygen: makes a key pair, keeps the private half in a file that nobody else can read, and
 * prints the key record as a line for the zone file. With --existing it prints the record of a key
 * that is there: in a file, or on a token.
 *
 * The record goes through the parser that verifiers use before it is printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/sign_key.h"
#include "cmd/sign_name.h"
#include "cmd/sign_secret.h"
#include "cmd/zone_line.h"
#include "lib/key_record.h"

#define DEFAULT_TTL 300
#define RECORD_MAX 512
#define PASSPHRASE_MAX 1024
#define SEED_MAX 57

struct keygen {
    const char *algorithm, *keyid, *ttl, *cache, *allowed, *passphrase_file, *pin_file;
    const char *raw, *encrypt, *existing, *insecure;
    const char *path;
    struct sign_name name;
    int64_t ttl_seconds, cache_seconds;
    unsigned allowed_hashes;
    char passphrase[PASSPHRASE_MAX]; /* wiped at the end; "": none */
};

static int bad_option(const char *option, const char *value)
{
    command_error("--%s: can't be %s", option, value);
    return COMMAND_USAGE;
}

static int check_options(struct keygen *k)
{
    if (k->keyid == NULL || sign_name_parse(k->keyid, &k->name) != 0 || k->name.domain[0] == '\0') {
        command_error("--keyid ID@DOMAIN names the key record: 1 to 63 of A-Z a-z 0-9 _, and the "
                      "domain that it is for");
        return COMMAND_USAGE;
    }
    if (strlen(k->name.key_id) + strlen("._divekey.") + strlen(k->name.domain) > DIVE_DOMAIN_MAX)
        return bad_option("keyid", "so long: no DNS name can hold it");
    k->ttl_seconds = DEFAULT_TTL;
    if (k->ttl != NULL &&
        (sign_number_parse(k->ttl, &k->ttl_seconds) != 0 || k->ttl_seconds > INT32_MAX))
        return bad_option("ttl", k->ttl);
    if (k->cache != NULL && sign_number_parse(k->cache, &k->cache_seconds) != 0)
        return bad_option("cache", k->cache);
    if (k->allowed != NULL && sign_hashes_parse(k->allowed, &k->allowed_hashes) != 0)
        return bad_option("allowed-hash", k->allowed);
    if (k->raw != NULL && (k->encrypt != NULL || k->passphrase_file != NULL)) {
        command_error("--raw: the format has no encryption");
        return COMMAND_USAGE;
    }
    return COMMAND_OK;
}

/* The passphrase for a new key; the prompt asks twice. */
static int new_passphrase(struct keygen *k)
{
    char *out = k->passphrase;
    char again[PASSPHRASE_MAX];
    int r;

    if (k->passphrase_file != NULL)
        return sign_secret_file(k->passphrase_file, k->insecure != NULL, out, PASSPHRASE_MAX);
    r = sign_secret_prompt(k->path, out, PASSPHRASE_MAX);
    if (r == COMMAND_OK)
        r = sign_secret_prompt("the same key, once more", again, sizeof(again));
    if (r == COMMAND_OK && (strcmp(out, again) != 0 || out[0] == '\0')) {
        command_error("the passphrases differ, or are empty");
        r = COMMAND_USAGE;
    }
    OPENSSL_cleanse(again, sizeof(again));
    return r;
}

/* The private key as text in a memory BIO. */
static int private_text(struct keygen *k, EVP_PKEY *pkey, BIO *bio)
{
    uint8_t seed[SEED_MAX];
    unsigned char base64[4 * (SEED_MAX + 2) / 3 + 2];
    size_t n = sizeof(seed);
    int r = EX_SOFTWARE;

    if (k->raw != NULL) {
        if (EVP_PKEY_get_raw_private_key(pkey, seed, &n) == 1) {
            EVP_EncodeBlock(base64, seed, (int)n);
            if (BIO_printf(bio, "%s\n", (const char *)base64) > 0)
                r = COMMAND_OK;
        }
        OPENSSL_cleanse(seed, sizeof(seed));
        OPENSSL_cleanse(base64, sizeof(base64));
    } else if (k->encrypt != NULL || k->passphrase_file != NULL) {
        r = new_passphrase(k);
        if (r == COMMAND_OK &&
            PEM_write_bio_PKCS8PrivateKey(bio, pkey, EVP_aes_256_cbc(), k->passphrase,
                                          (int)strlen(k->passphrase), NULL, NULL) != 1)
            r = EX_SOFTWARE;
        return r;
    } else if (PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1) {
        r = COMMAND_OK;
    }
    return r;
}

/* A new file with mode 0600, whole or not at all; nothing is replaced. */
static int write_new(const char *path, const char *text, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t done = 0;
    ssize_t put = 0;

    if (fd < 0 && errno == EEXIST) {
        command_error("%s exists already; keys are never overwritten", path);
        return COMMAND_USAGE;
    }
    if (fd < 0) {
        command_error("%s: %s", path, strerror(errno));
        return errno == EACCES ? EX_NOPERM : EX_CANTCREAT;
    }
    while (done < n && (put >= 0 || errno == EINTR)) {
        put = write(fd, text + done, n - done);
        done += put > 0 ? (size_t)put : 0;
    }
    if (done == n && fsync(fd) == 0 && close(fd) == 0)
        return COMMAND_OK;
    command_error("%s: %s", path, strerror(errno));
    unlink(path);
    return EX_IOERR;
}

static int make_key(struct keygen *k)
{
    const char *name = k->algorithm != NULL ? k->algorithm : "ed25519";
    enum dive_algorithm algorithm;
    EVP_PKEY *pkey;
    BIO *bio;
    char *text = NULL;
    long n;
    int r = EX_SOFTWARE;

    if (dive_algorithm_from_name(dive_span_str(name), &algorithm) != 0)
        return bad_option("algorithm", name);
    pkey = EVP_PKEY_Q_keygen(NULL, NULL, algorithm == DIVE_ALGORITHM_ED25519 ? "ED25519" : "ED448");
    bio = BIO_new(BIO_s_secmem());
    if (pkey != NULL && bio != NULL)
        r = private_text(k, pkey, bio);
    if (r == COMMAND_OK) {
        n = BIO_get_mem_data(bio, &text);
        r = n > 0 ? write_new(k->path, text, (size_t)n) : EX_SOFTWARE;
        if (n > 0)
            OPENSSL_cleanse(text, (size_t)n);
    }
    if (r == EX_SOFTWARE)
        command_error("can't make a key");
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    return r;
}

/* The record's text, checked by the parser that verifiers use. */
static int record_text(const struct keygen *k, const struct sign_key *key, char out[RECORD_MAX])
{
    struct dive_span raw = sign_key_public(key);
    unsigned char base64[4 * (DIVE_PUBLIC_KEY_MAX + 2) / 3 + 2];
    struct dive_key parsed;
    int n;

    if (raw.n == 0) {
        command_error("%.60s: the token has no public key object beside the private one", k->path);
        return EX_DATAERR;
    }
    EVP_EncodeBlock(base64, (const unsigned char *)raw.p, (int)raw.n);
    n = snprintf(out, RECORD_MAX,
                 "sig=\"%s\", key=:%s:", dive_algorithm_name(sign_key_algorithm(key)),
                 (const char *)base64);
    if (k->allowed != NULL) {
        const char *separator = ", allowed-hash=(\"";

        for (unsigned hash = 0; hash < DIVE_HASH_COUNT; hash++) {
            if ((k->allowed_hashes & DIVE_HASH_BIT(hash)) == 0)
                continue;
            n += snprintf(out + n, RECORD_MAX - (size_t)n, "%s%s\"", separator,
                          dive_hash_record_name((enum dive_hash)hash));
            separator = " \"";
        }
        n += snprintf(out + n, RECORD_MAX - (size_t)n, ")");
    }
    if (k->cache != NULL)
        snprintf(out + n, RECORD_MAX - (size_t)n, ", cache=%lld", (long long)k->cache_seconds);
    if (dive_key_parse(&parsed, dive_span_str(out), NULL) == 0)
        return COMMAND_OK;
    command_error("this key makes no valid record");
    return EX_DATAERR;
}

static int print_record(const struct keygen *k, const struct command_options *options,
                        const struct sign_key *key)
{
    char record[RECORD_MAX], owner[DIVE_DOMAIN_BUF + 16 + DIVE_KEY_ID_MAX];
    char *line;
    json_t *json;
    int r = record_text(k, key, record);

    if (r != COMMAND_OK)
        return r;
    snprintf(owner, sizeof(owner), "%s._divekey.%s", k->name.key_id, k->name.domain);
    line = zone_line(owner, (uint32_t)k->ttl_seconds, record);
    if (line == NULL)
        return EX_OSERR;
    if (options->json) {
        json = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "key", k->path, "algorithm",
                         dive_algorithm_name(sign_key_algorithm(key)), "keyid", k->keyid, "name",
                         owner, "record", record, "zone_line", line);
        r = json != NULL ? command_print_json(json) : EX_OSERR;
        json_decref(json);
    } else if (printf("%s\n", line) < 0 || fflush(stdout) != 0) {
        command_error("can't write the record: %s", strerror(errno));
        r = EX_IOERR;
    }
    free(line);
    return r;
}

int command_keygen(const struct command *command, int argc, char **argv)
{
    struct command_options options;
    struct keygen k = {0};
    struct sign_key *key = NULL;
    const struct command_option own[] = {
        {"algorithm", true, &k.algorithm},
        {"keyid", true, &k.keyid},
        {"ttl", true, &k.ttl},
        {"cache", true, &k.cache},
        {"allowed-hash", true, &k.allowed},
        {"passphrase-file", true, &k.passphrase_file},
        {"pin-file", true, &k.pin_file},
        {"raw", false, &k.raw},
        {"encrypt", false, &k.encrypt},
        {"existing", false, &k.existing},
        {"insecure-key-permissions", false, &k.insecure},
        {NULL, false, NULL},
    };
    struct sign_key_source source;
    int r = command_parse(command, argc, argv, own, 1, 1, &options);

    if (r != 0)
        return r < 0 ? COMMAND_OK : r;
    k.path = options.argv[0];
    r = check_options(&k);
    if (r == COMMAND_OK && k.existing == NULL)
        r = make_key(&k);
    source = (struct sign_key_source){.from = k.path,
                                      .passphrase_file = k.passphrase_file,
                                      .passphrase = k.passphrase[0] != '\0' ? k.passphrase : NULL,
                                      .pin_file = k.pin_file,
                                      .insecure_permissions = k.insecure != NULL};
    if (r == COMMAND_OK)
        r = sign_key_load(&source, &key);
    if (r == COMMAND_OK)
        r = print_record(&k, &options, key);
    sign_key_free(&key);
    OPENSSL_cleanse(&k, sizeof(k));
    return r;
}
