/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl ca: finds the CA's files, makes them, shows the certificate. The other actions have files
 * of their own: ca_trust.c, env_print.c.
 */
#include "cmd/ca.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tls/ca.h"

#define FINGERPRINT_BYTES 32

int ca_read(const struct ca_context *ca, X509 **out)
{
    FILE *f = fopen(ca->certificate, "re");

    *out = NULL;
    if (f == NULL && errno == ENOENT) {
        command_error("there is no CA yet: %s does not exist (dived makes it at its first start, "
                      "divectl ca init makes it now)",
                      ca->certificate);
        return COMMAND_NO;
    }
    if (f == NULL) {
        command_error("%s: %s", ca->certificate, strerror(errno));
        return errno == EACCES ? EX_NOPERM : EX_NOINPUT;
    }
    *out = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    if (*out != NULL)
        return COMMAND_OK;
    command_error("%s: no PEM certificate", ca->certificate);
    return EX_DATAERR;
}

/* As `openssl x509 -fingerprint -sha256` writes it. */
static int fingerprint_of(X509 *certificate, char out[TLS_CA_FINGERPRINT_BUF])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    out[0] = '\0';
    if (X509_digest(certificate, EVP_sha256(), digest, &n) != 1 || n != FINGERPRINT_BYTES)
        return -1;
    for (unsigned i = 0; i < n; i++)
        snprintf(out + 3 * (size_t)i, 4, i + 1 < n ? "%02X:" : "%02X", digest[i]);
    return 0;
}

/* RFC 3339; "-" when it can't be said. */
static void time_of(const ASN1_TIME *time, char out[32])
{
    struct tm tm;

    snprintf(out, 32, "-");
    if (ASN1_TIME_to_tm(time, &tm) == 1)
        strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* malloc'd; NULL without memory. */
static char *subject_of(X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *subject = NULL;
    char *data;
    long n;

    if (bio == NULL)
        return NULL;
    if (X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
        n = BIO_get_mem_data(bio, &data);
        if (n >= 0)
            subject = strndup(data, (size_t)n);
    }
    BIO_free(bio);
    return subject;
}

static const char *validity_of(X509 *certificate)
{
    if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        return "not-yet";
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        return "expired";
    return "valid";
}

static json_t *describe(const struct ca_context *ca, X509 *certificate)
{
    char fingerprint[TLS_CA_FINGERPRINT_BUF], from[32], until[32];
    char *subject = subject_of(certificate);
    json_t *object = NULL;

    time_of(X509_get0_notBefore(certificate), from);
    time_of(X509_get0_notAfter(certificate), until);
    if (subject != NULL && fingerprint_of(certificate, fingerprint) == 0)
        object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "certificate", ca->certificate,
                           "key", ca->key, "subject", subject, "not_before", from, "not_after",
                           until, "validity", validity_of(certificate), "sha256", fingerprint);
    free(subject);
    return object;
}

int ca_show(const struct ca_context *ca)
{
    X509 *certificate = NULL;
    json_t *object;
    int r = ca_read(ca, &certificate);

    if (r != COMMAND_OK)
        return r;
    object = describe(ca, certificate);
    X509_free(certificate);
    if (object == NULL) {
        command_error("%s can't be shown", ca->certificate);
        return EX_SOFTWARE;
    }
    if (ca->options->json) {
        r = command_print_json(object);
    } else {
        printf("certificate: %s\nsubject:     ", ca->certificate);
        command_print_text(command_string(object, "subject"));
        printf("\nvalid:       %s to %s%s\n", command_string(object, "not_before"),
               command_string(object, "not_after"),
               strcmp(command_string(object, "validity"), "valid") == 0 ? "" : " (NOT now)");
        printf("SHA-256:     %s\n", command_string(object, "sha256"));
    }
    json_decref(object);
    return r;
}

/* What root makes is root's, and the daemon mostly isn't. */
static void advise_owner(const struct ca_context *ca)
{
    char folder[4096];
    struct stat st;
    char *slash;

    snprintf(folder, sizeof(folder), "%s", ca->key);
    slash = strrchr(folder, '/');
    if (slash == NULL || geteuid() != 0)
        return;
    slash[slash == folder] = '\0';
    if (stat(folder, &st) == 0 && st.st_uid != 0)
        command_error(
            "the key belongs to root; the daemon's user must own it: chown --reference=%s "
            "%s %s",
            folder, ca->key, ca->certificate);
}

int ca_init(const struct ca_context *ca)
{
    char why[512] = "";
    int r = tls_ca_create(ca->certificate, ca->key, time(NULL), why, sizeof(why));

    if (r != 0) {
        command_error("%s", why[0] != '\0' ? why : dive_strerror(r));
        if (access(ca->certificate, F_OK) == 0 || access(ca->key, F_OK) == 0)
            return COMMAND_USAGE; /* what is to be made exists */
        return EX_CANTCREAT;
    }
    advise_owner(ca);
    return ca_show(ca);
}

static const struct {
    const char *name;
    int (*run)(const struct ca_context *ca);
} ca_actions[] = {
    {"init", ca_init},
    {"show", ca_show},
    {"trust", ca_trust},
    {"env", ca_env},
};

static int ca_run(const struct command *command, const struct ca_context *ca)
{
    for (size_t i = 0; i < sizeof(ca_actions) / sizeof(ca_actions[0]); i++) {
        if (strcmp(ca->options->argv[0], ca_actions[i].name) == 0)
            return ca_actions[i].run(ca);
    }
    command_error("no such action: ca %s", ca->options->argv[0]);
    return command_usage(command);
}

int command_ca(const struct command *command, int argc, char **argv)
{
    struct command_options options;
    struct config *config = NULL;
    struct ca_context ca = {.options = &options};
    const char *certificate = NULL, *key = NULL, *remove = NULL;
    const struct command_option own[] = {
        {"certificate", true, &certificate, NULL, "FILE"},
        {"key", true, &key, NULL, "FILE"},
        {"remove", false, &remove, NULL, NULL},
        {NULL, false, NULL},
    };
    int r = command_parse(command, argc, argv, own, 1, 1, &options);

    if (r != 0)
        return r < 0 ? COMMAND_OK : r;
    r = command_config_or_defaults(&options, &config);
    if (r != COMMAND_OK)
        return r;
    ca.config = config;
    ca.certificate = certificate != NULL ? certificate : config->interception.ca_certificate;
    ca.key = key != NULL ? key : config->interception.ca_key;
    ca.remove = remove != NULL;
    if (ca.remove && strcmp(options.argv[0], "trust") != 0) {
        command_error("--remove belongs to ca trust");
        r = COMMAND_USAGE;
    } else if (ca.certificate == NULL || ca.key == NULL) {
        command_error("%s names no CA; --certificate FILE and --key FILE do", config->file);
        r = EX_CONFIG;
    } else {
        r = ca_run(command, &ca);
    }
    config_unref(&config);
    return r;
}
