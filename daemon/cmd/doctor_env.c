/* SPDX-License-Identifier: BSD-2-Clause
 *
 * doctor_env: what this environment makes programs do: which proxy they use, for which hosts, and
 * which CAs they trust.
 */
#include <errno.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cmd/doctor.h"
#include "config/match.h"

#define SET_IT "eval \"$(divectl env)\", or divectl run -- COMMAND"
#define CERTIFICATES_MAX 4096

static const char *doctor_get(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* ---- proxies ---- */

/* Do two ways to write a proxy mean the same? Without a scheme it is http; a slash at the end means
 * nothing. */
static bool same_proxy(const struct http_url *proxy, const char *value)
{
    struct http_url other;
    char text[512];
    bool same;

    snprintf(text, sizeof(text), "%s%s", strstr(value, "://") != NULL ? "" : "http://", value);
    if (strlen(text) == sizeof(text) - 1 || http_url_parse(&other, dive_span_str(text)) != 0)
        return false;
    same = other.https == proxy->https && other.at.port == proxy->at.port &&
           strcmp(other.at.host, proxy->at.host) == 0;
    http_url_clear(&other);
    return same;
}

static bool loopback(const struct http_url *url)
{
    return strcmp(url->at.host, "localhost") == 0 || strcmp(url->at.host, "::1") == 0 ||
           (url->at.kind == HTTP_HOST_IPV4 && strncmp(url->at.host, "127.", 4) == 0);
}

/* "localhost:3128" and "127.0.0.1:3128" are one listener. */
static bool our_proxy(const struct doctor *d, const char *value)
{
    struct http_url local = d->proxy;

    if (same_proxy(&d->proxy, value))
        return true;
    if (!loopback(&d->proxy))
        return false;
    snprintf(local.at.host, sizeof(local.at.host), "localhost");
    if (same_proxy(&local, value))
        return true;
    snprintf(local.at.host, sizeof(local.at.host), "127.0.0.1");
    return same_proxy(&local, value);
}

static void find_proxy(struct doctor *d, const char *lower, const char *upper)
{
    const char *small = doctor_get(lower), *large = doctor_get(upper);

    if (small == NULL && large == NULL) {
        doctor_find(d, DOCTOR_WARNING, lower, SET_IT,
                    "neither %s nor %s is set: programs go past the proxy unless a setting of "
                    "their own names it",
                    lower, upper);
        return;
    }
    if (small != NULL && large != NULL && strcmp(small, large) != 0) {
        doctor_find(d, DOCTOR_ERROR, lower, SET_IT,
                    "%s is %s, but %s is %s: which one counts depends on the program", lower, small,
                    upper, large);
        return;
    }
    if (small == NULL)
        doctor_find(d, DOCTOR_WARNING, lower, SET_IT, "only %s is set: wget doesn't read it%s",
                    upper, strcmp(lower, "http_proxy") == 0 ? ", nor does curl" : "");
    small = small != NULL ? small : large;
    if (!our_proxy(d, small))
        doctor_find(d, DOCTOR_ERROR, lower, SET_IT, "it names %s, and the proxy is %s", small,
                    d->proxy_text);
    else
        doctor_find(d, DOCTOR_OK, lower, NULL, "%s", small);
}

/* As most programs read an entry: "*", a name that also stands for all below it, an address. */
static bool entry_matches(const char *entry, size_t n, const char *host)
{
    size_t length = strlen(host);

    if (n == 1 && entry[0] == '*')
        return true;
    if (n > 0 && entry[0] == '*') {
        entry++;
        n--;
    }
    if (n > 0 && entry[0] == '.') {
        entry++;
        n--;
    }
    return n > 0 && n <= length && strncasecmp(host + length - n, entry, n) == 0 &&
           (n == length || host[length - n - 1] == '.');
}

static void find_no_proxy(struct doctor *d, const char *name, const char *value)
{
    while (*value != '\0') {
        size_t n = strcspn(value, ", ");

        if (n == 1 && value[0] == '*')
            doctor_find(d, DOCTOR_ERROR, "no_proxy", SET_IT,
                        "%s has *: every program goes past the proxy", name);
        else if (d->url != NULL && entry_matches(value, n, d->url->at.host))
            doctor_find(d, DOCTOR_ERROR, "no_proxy", "take the entry out of it",
                        "%s has %.*s: programs ask %s past the proxy", name, (int)n, value,
                        d->url->at.host);
        value += n + strspn(value + n, ", ");
    }
}

void doctor_env(struct doctor *d)
{
    const char *small = doctor_get("no_proxy"), *large = doctor_get("NO_PROXY");
    const char *all = doctor_get("all_proxy");

    find_proxy(d, "http_proxy", "HTTP_PROXY");
    find_proxy(d, "https_proxy", "HTTPS_PROXY");
    if (all == NULL)
        all = doctor_get("ALL_PROXY");
    if (all != NULL && !our_proxy(d, all))
        doctor_find(d, DOCTOR_WARNING, "all_proxy", "unset all_proxy ALL_PROXY",
                    "it names another proxy, %s, for what http_proxy and https_proxy leave out",
                    all);
    if (small != NULL && large != NULL && strcmp(small, large) != 0)
        doctor_find(d, DOCTOR_WARNING, "no_proxy", SET_IT,
                    "no_proxy is %s, but NO_PROXY is %s: which one counts depends on the program",
                    small, large);
    if (small != NULL)
        find_no_proxy(d, "no_proxy", small);
    if (large != NULL && (small == NULL || strcmp(small, large) != 0))
        find_no_proxy(d, "NO_PROXY", large);
    if (d->url != NULL && d->url->https &&
        config_hosts_match(&d->config->interception.splice, d->url->at.host))
        doctor_find(d, DOCTOR_NOTE, "splice", NULL,
                    "%s is in interception.splice: its TLS isn't opened and not verified",
                    d->url->at.host);
}

/* ---- trust ---- */

struct bundle {
    unsigned n;
    bool ours;    /* the CA is in it */
    bool another; /* one of the same name is, and not this one */
};

/* 0, or an errno. */
static int bundle_read(const struct doctor *d, const char *path, struct bundle *out)
{
    FILE *f = fopen(path, "re");
    X509 *certificate;
    int error = errno;

    *out = (struct bundle){0};
    if (f == NULL)
        return error;
    while (out->n < CERTIFICATES_MAX &&
           (certificate = PEM_read_X509(f, NULL, NULL, NULL)) != NULL) {
        out->n++;
        if (X509_cmp(certificate, d->ca) == 0)
            out->ours = true;
        else if (X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_subject_name(d->ca)) ==
                 0)
            out->another = true;
        X509_free(certificate);
    }
    fclose(f);
    return 0;
}

static const struct {
    const char *name, *program;
    bool whole; /* it takes the place of the program's own CAs */
} trust_variables[] = {
    {"CURL_CA_BUNDLE", "curl", true},
    {"SSL_CERT_FILE", "go, ruby and others on OpenSSL", true},
    {"REQUESTS_CA_BUNDLE", "Python requests", true},
    {"PIP_CERT", "pip", true},
    {"CONDA_SSL_VERIFY", "conda", true},
    {"GIT_SSL_CAINFO", "git", true},
    {"CARGO_HTTP_CAINFO", "cargo", true},
    {"npm_config_cafile", "npm, yarn 1", true},
    {"NODE_EXTRA_CA_CERTS", "npm, yarn, node", false},
};

static void find_variable(struct doctor *d, size_t i, const char *path)
{
    const char *name = trust_variables[i].name, *program = trust_variables[i].program;
    struct bundle bundle;
    int error = bundle_read(d, path, &bundle);

    if (error != 0)
        doctor_find(d, DOCTOR_ERROR, name, SET_IT, "%s: %s: %s", program, path, strerror(error));
    else if (!bundle.ours && bundle.another)
        doctor_find(d, DOCTOR_ERROR, name, SET_IT,
                    "%s: an older CA of the proxy's is in %s, and today's isn't", program, path);
    else if (!bundle.ours)
        doctor_find(d, DOCTOR_ERROR, name, SET_IT, "%s: the proxy's CA isn't in %s", program, path);
    else if (trust_variables[i].whole && bundle.n == 1)
        doctor_find(d, DOCTOR_WARNING, name, SET_IT,
                    "%s: nothing but the proxy's CA is in %s: what goes past the proxy fails",
                    program, path);
    else
        doctor_find(d, DOCTOR_OK, name, NULL, "%s: the CA is in %s", program, path);
}

static const char *const system_stores[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
};

void doctor_trust(struct doctor *d)
{
    struct bundle bundle = {0};
    const char *store = NULL;
    unsigned set = 0;

    if (d->ca == NULL)
        return;
    for (size_t i = 0; i < sizeof(system_stores) / sizeof(system_stores[0]) && store == NULL; i++)
        if (bundle_read(d, system_stores[i], &bundle) == 0)
            store = system_stores[i];
    for (size_t i = 0; i < sizeof(trust_variables) / sizeof(trust_variables[0]); i++) {
        const char *path = doctor_get(trust_variables[i].name);

        set += path != NULL;
        if (path != NULL)
            find_variable(d, i, path);
    }
    if (store != NULL && bundle.ours)
        doctor_find(d, DOCTOR_OK, "store", NULL, "the machine trusts the CA: it is in %s", store);
    else if (store != NULL && bundle.another)
        doctor_find(d, DOCTOR_ERROR, "store", "sudo divectl ca trust",
                    "an older CA of the proxy's is in %s, and today's isn't", store);
    else
        doctor_find(d, set == 0 ? DOCTOR_ERROR : DOCTOR_NOTE, "store",
                    set == 0 ? SET_IT " (or for all users: sudo divectl ca trust)"
                             : "sudo divectl ca trust, if they are to use it",
                    set == 0 ? "nothing trusts the proxy's CA: neither the machine's store nor a "
                               "variable"
                             : "the machine's store doesn't have it: apt and docker, which read no "
                               "variable, don't trust it");
}
