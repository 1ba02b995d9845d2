/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl records --make: zone-file lines for a policy and keys. Whatever is composed here is
 * linted before it is printed, by the same code that judges records out of DNS: an error stops it,
 * a warning is told.
 */
#include <errno.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cmd/records.h"
#include "cmd/zone_line.h"

#define KEY_FILE_MAX 65536
#define POLICY_TTL_00 900 /* what the drafts recommend, seconds */
#define POLICY_TTL_01 300
#define KEY_TTL 900
#define TTL_MAX 2147483647 /* RFC 2181 section 8 */

/* Lines are printed only when all of them are good. */
struct output {
    json_t *lines;
    FILE *text; /* of the lines */
    size_t errors;
};

/* A decimal number; false and it was told. */
static bool number(const char *option, const char *text, int64_t least, int64_t most, int64_t *out)
{
    char *end = NULL;
    long long value;

    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || strchr("-0123456789", text[0]) == NULL ||
        value < least || value > most) {
        command_error("--%s: %s is no number from %" PRId64 " to %" PRId64, option, text, least,
                      most);
        return false;
    }
    *out = value;
    return true;
}

/* Could not stand in a structured field string without escapes; no parameter needs those. */
static bool plain(const char *option, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < ' ' || *p >= 0x7f || *p == '"' || *p == '\\') {
            command_error(
                "--%s: quotes, backslashes and what is not printable ASCII can't stand in "
                "a record",
                option);
            return false;
        }
    }
    return true;
}

/* ("a" "b") out of "a,b". */
static bool write_list(FILE *to, const char *option, const char *name, const char *words)
{
    if (!plain(option, words))
        return false;
    fprintf(to, ", %s=(", name);
    for (const char *p = words; *p != '\0';) {
        size_t n = strcspn(p, ",");

        if (n == 0) {
            command_error("--%s: an empty word in %s", option, words);
            return false;
        }
        fprintf(to, "%s\"%.*s\"", p == words ? "" : " ", (int)n, p);
        p += n + (p[n] == ',' && p[n + 1] != '\0');
        if (*p == ',') {
            command_error("--%s: an empty word in %s", option, words);
            return false;
        }
    }
    fputc(')', to);
    return true;
}

static bool write_number(FILE *to, const char *option, const char *name, const char *text,
                         int64_t most)
{
    int64_t value;

    if (text == NULL)
        return true;
    if (!number(option, text, 0, most, &value))
        return false;
    fprintf(to, ", %s=%" PRId64, name, value);
    return true;
}

static bool write_invalidate(FILE *to, const char *text)
{
    if (text != NULL && strcmp(text, "now") == 0) {
        fprintf(to, ", invalidate-keys-cache=%lld", (long long)time(NULL));
        return true;
    }
    return write_number(to, "invalidate-keys-cache", "invalidate-keys-cache", text,
                        INT64_C(999999999999999));
}

/* The lint's word on what was made. `owner` names it. */
static void tell_faults(struct output *output, const char *owner,
                        const struct records_faults *faults)
{
    for (size_t i = 0; i < faults->n; i++) {
        const struct records_fault *f = &faults->v[i];

        if (f->severity == RECORDS_NOTE)
            continue;
        output->errors += f->severity == RECORDS_ERROR;
        command_error("%s: %s: %s %s", owner, records_severity_word(f->severity), f->parameter,
                      f->text);
    }
}

static int add_line(struct output *output, const char *owner, int64_t ttl, const char *value)
{
    char *line = zone_line(owner, (uint32_t)ttl, value);
    json_t *o;

    if (line == NULL) {
        command_error("%s: %s", owner, strerror(errno));
        return errno == ENOMEM ? EX_OSERR : EX_DATAERR;
    }
    fprintf(output->text, "%s\n", line);
    o = json_pack("{s:s, s:I, s:s, s:s}", "owner", owner, "ttl", (json_int_t)ttl, "value", value,
                  "line", line);
    free(line);
    if (json_array_append_new(output->lines, o) != 0) {
        command_error("memory ran out");
        return EX_OSERR;
    }
    return COMMAND_OK;
}

/* The policy */

static bool write_policy(FILE *to, const struct records_make_options *make,
                         enum dive_version version)
{
    bool https = make->https_required != NULL, report = make->report_only != NULL;

    fprintf(to, "v=\"%s\"", dive_version_token(version));
    if (make->scopes == NULL)
        fputs(", scopes=(\"strict\")", to);
    else if (!write_list(to, "scopes", "scopes", make->scopes))
        return false;
    if (https || report)
        fprintf(to, ", directives=(%s%s%s)", https ? "\"https-required\"" : "",
                https && report ? " " : "", report ? "\"report-only\"" : "");
    if (!write_number(to, "cache", "cache", make->cache, dive_version_policy_cap(version)) ||
        !write_invalidate(to, make->invalidate))
        return false;
    if (make->report_to != NULL) {
        if (!plain("report-to", make->report_to))
            return false;
        fprintf(to, ", report-to=\"%s\"", make->report_to);
    }
    return true;
}

static int add_policy(struct output *output, const char *domain,
                      const struct records_make_options *make, enum dive_version version)
{
    int64_t ttl = version == DIVE_VERSION_DRAFT_00 ? POLICY_TTL_00 : POLICY_TTL_01;
    struct records_faults faults;
    char owner[DIVE_DOMAIN_BUF + 8], *value = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&value, &n);
    int r = COMMAND_USAGE;
    bool good;

    if (to == NULL)
        return EX_OSERR;
    snprintf(owner, sizeof(owner), "_dive.%s", domain);
    good = (make->ttl == NULL || number("ttl", make->ttl, 0, TTL_MAX, &ttl)) &&
           write_policy(to, make, version);
    if (fclose(to) != 0)
        r = EX_OSERR;
    else if (strlen(owner) > DIVE_DOMAIN_MAX)
        command_error("%s is longer than a DNS name can be", owner);
    else if (good && records_lint_policy(&faults, dive_span(value, n), DIVE_VERSIONS_ALL,
                                         time(NULL)) == 0) {
        tell_faults(output, owner, &faults);
        r = add_line(output, owner, ttl, value);
    }
    free(value);
    return r;
}

/* Keys */

struct public_key {
    enum dive_algorithm algorithm;
    uint8_t bytes[DIVE_PUBLIC_KEY_MAX];
    size_t n;
};

static bool key_of_pkey(struct public_key *out, const EVP_PKEY *pkey)
{
    out->n = sizeof(out->bytes);
    out->algorithm = EVP_PKEY_is_a(pkey, "ED25519") ? DIVE_ALGORITHM_ED25519
                     : EVP_PKEY_is_a(pkey, "ED448") ? DIVE_ALGORITHM_ED448
                                                    : DIVE_ALGORITHM_NONE;
    return out->algorithm != DIVE_ALGORITHM_NONE &&
           EVP_PKEY_get_raw_public_key(pkey, out->bytes, &out->n) == 1;
}

/* Base64 of a raw public key: its length tells the algorithm. */
static bool key_of_base64(struct public_key *out, const char *text, size_t n)
{
    unsigned char decoded[3 * DIVE_PUBLIC_KEY_MAX];
    int len;

    while (n > 0 && strchr(" \r\n", text[n - 1]) != NULL)
        n--;
    if (n == 0 || n % 4 != 0 || n > 4 * ((DIVE_PUBLIC_KEY_MAX + 2) / 3))
        return false;
    len = EVP_DecodeBlock(decoded, (const unsigned char *)text, (int)n);
    for (size_t i = n; i > 0 && text[i - 1] == '=' && n - i < 2; i--)
        len--;
    out->algorithm = len == 32   ? DIVE_ALGORITHM_ED25519
                     : len == 57 ? DIVE_ALGORITHM_ED448
                                 : DIVE_ALGORITHM_NONE;
    if (out->algorithm == DIVE_ALGORITHM_NONE)
        return false;
    out->n = (size_t)len;
    memcpy(out->bytes, decoded, out->n);
    return true;
}

/* Never asks for a passphrase: an encrypted key's public half belongs into a file of its own. */
static int no_passphrase(char *buffer, int size, int writing, void *arg)
{
    (void)buffer, (void)size, (void)writing, (void)arg;
    return -1;
}

static bool key_of_pem(struct public_key *out, const char *text, size_t n)
{
    BIO *in = BIO_new_mem_buf(text, (int)n);
    EVP_PKEY *pkey = in != NULL ? PEM_read_bio_PUBKEY(in, NULL, no_passphrase, NULL) : NULL;
    bool good;

    if (pkey == NULL && in != NULL && BIO_reset(in) == 1)
        pkey = PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL);
    good = pkey != NULL && key_of_pkey(out, pkey);
    EVP_PKEY_free(pkey);
    BIO_free(in);
    ERR_clear_error();
    return good;
}

/* The file's bytes are wiped: a private key may be among them. */
static int key_of_file(struct public_key *out, const char *path)
{
    char *text = calloc(1, KEY_FILE_MAX + 1);
    FILE *f = text != NULL ? fopen(path, "re") : NULL;
    size_t n = 0;
    int r = EX_DATAERR;

    if (f == NULL) {
        command_error("%s is neither a file that can be read (%s) nor base64 of a raw public key",
                      path, strerror(errno));
        free(text);
        return EX_NOINPUT;
    }
    n = fread(text, 1, KEY_FILE_MAX + 1, f);
    if (ferror(f) != 0) {
        command_error("%s: %s", path, strerror(errno));
        r = EX_IOERR;
    } else if (n > KEY_FILE_MAX) {
        command_error("%s is too large for a key", path);
    } else if (key_of_pem(out, text, n)) {
        r = COMMAND_OK;
    } else if (strstr(text, "-----BEGIN") == NULL && key_of_base64(out, text, n)) {
        r = COMMAND_OK;
    } else {
        command_error(
            "%s has no Ed25519 or Ed448 key: PEM, public or private and not encrypted, or "
            "the raw public key in base64",
            path);
    }
    fclose(f);
    OPENSSL_cleanse(text, KEY_FILE_MAX + 1);
    free(text);
    return r;
}

static bool write_key(FILE *to, const struct records_make_options *make,
                      const struct public_key *key)
{
    unsigned char base64[4 * ((DIVE_PUBLIC_KEY_MAX + 2) / 3) + 1];

    EVP_EncodeBlock(base64, key->bytes, (int)key->n);
    fprintf(to, "sig=\"%s\", key=:%s:", dive_algorithm_name(key->algorithm), (char *)base64);
    return (make->allowed_hash == NULL ||
            write_list(to, "allowed-hash", "allowed-hash", make->allowed_hash)) &&
           write_number(to, "key-cache", "cache", make->key_cache, DIVE_KEY_CACHE_CAP);
}

static int add_key(struct output *output, const char *domain,
                   const struct records_make_options *make, const char *argument)
{
    const char *equals = strchr(argument, '=');
    char owner[DIVE_DOMAIN_BUF + DIVE_KEY_ID_MAX + 16], *value = NULL;
    struct records_faults faults;
    struct public_key key = {0};
    int64_t ttl = KEY_TTL;
    size_t n = 0;
    FILE *to;
    int r = COMMAND_OK;
    bool good;

    if (equals == NULL || !dive_key_id_valid(dive_span(argument, (size_t)(equals - argument)))) {
        command_error("--key %s: KEYID=FILE is wanted; a Key ID has A-Z a-z 0-9 _ only, 63 at most",
                      argument);
        return COMMAND_USAGE;
    }
    snprintf(owner, sizeof(owner), "%.*s._divekey.%s", (int)(equals - argument), argument, domain);
    if (strlen(owner) > DIVE_DOMAIN_MAX) {
        command_error("%s is longer than a DNS name can be", owner);
        return COMMAND_USAGE;
    }
    if (!key_of_base64(&key, equals + 1, strlen(equals + 1)))
        r = key_of_file(&key, equals + 1);
    if (r != COMMAND_OK)
        return r;
    to = open_memstream(&value, &n);
    if (to == NULL)
        return EX_OSERR;
    good = (make->key_ttl == NULL || number("key-ttl", make->key_ttl, 0, TTL_MAX, &ttl)) &&
           write_key(to, make, &key);
    r = fclose(to) != 0 ? EX_OSERR : COMMAND_USAGE;
    if (good && r != EX_OSERR && records_lint_key(&faults, dive_span(value, n)) == 0) {
        tell_faults(output, owner, &faults);
        r = add_line(output, owner, ttl, value);
    }
    free(value);
    return r;
}

static int take_version(const char *text, enum dive_version *out)
{
    *out = DIVE_VERSION_DRAFT_01;
    if (text == NULL || strcmp(text, "01") == 0 ||
        dive_version_from_token(dive_span_str(text), out) == 0)
        return COMMAND_OK;
    *out = DIVE_VERSION_DRAFT_00;
    if (strcmp(text, "00") == 0)
        return COMMAND_OK;
    command_error("--policy: %s is neither 00 nor 01", text);
    return COMMAND_USAGE;
}

/* A policy is made unless only keys are wanted. */
static bool wants_policy(const struct records_make_options *make)
{
    return make->keys.n == 0 || make->policy != NULL || make->scopes != NULL ||
           make->https_required != NULL || make->report_only != NULL || make->cache != NULL ||
           make->invalidate != NULL || make->report_to != NULL || make->ttl != NULL;
}

int records_make(const struct command_options *options, const char *domain,
                 const struct records_make_options *make)
{
    char name[DIVE_DOMAIN_BUF], *text = NULL;
    size_t n = 0;
    struct output output = {.lines = json_array(), .text = open_memstream(&text, &n)};
    enum dive_version version;
    int r = EX_OSERR;

    if (output.lines == NULL || output.text == NULL)
        goto out;
    r = take_version(make->policy, &version);
    if (r == COMMAND_OK && dive_domain_normalize(dive_span_str(domain), name) != 0) {
        command_error("%s is no domain name", domain);
        r = COMMAND_USAGE;
    }
    if (r == COMMAND_OK && make->keys.n == 0 &&
        (make->allowed_hash != NULL || make->key_cache != NULL || make->key_ttl != NULL)) {
        command_error("--allowed-hash, --key-cache and --key-ttl go with --key");
        r = COMMAND_USAGE;
    }
    if (r == COMMAND_OK && wants_policy(make))
        r = add_policy(&output, name, make, version);
    for (size_t i = 0; i < make->keys.n && r == COMMAND_OK; i++)
        r = add_key(&output, name, make, make->keys.v[i]);
    if (r == COMMAND_OK && output.errors > 0)
        r = EX_DATAERR;
    if (r != COMMAND_OK || fflush(output.text) != 0)
        goto out;
    if (options->json)
        r = command_print_json(output.lines);
    else if (fputs(text, stdout) == EOF || fflush(stdout) != 0)
        r = EX_IOERR;
out:
    if (output.text != NULL)
        fclose(output.text);
    free(text);
    json_decref(output.lines);
    return r;
}
