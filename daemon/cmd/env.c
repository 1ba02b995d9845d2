/* SPDX-License-Identifier: BSD-2-Clause
 *
 * env: see env.h. Which program reads which variable, and the files that some of them name.
 *
 * Most variables replace the whole set of trusted CAs, and connections past the proxy (no_proxy,
 * interception.splice) need the public ones: a bundle of origins.ca-file and our CA is written. It
 * lies beside the CA's certificate, or in the user's cache folder where that isn't ours to write
 * to.
 */
#include "cmd/env.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/url.h"

#define BUNDLE_NAME "ca-bundle.crt"
#define JAVA_NAME "ca-bundle.p12"
#define WGETRC_NAME "wgetrc"
#define BUNDLE_MAX (8 << 20)

enum env_value {
    ENV_PROXY,
    ENV_NO_PROXY,
    ENV_BUNDLE,
    ENV_CERTIFICATE,
    ENV_WGETRC,
    ENV_JAVA,
    ENV_ONE,
    ENV_SECONDS,      /* how long to wait for a held download; what the user has set stays */
    ENV_MILLISECONDS, /* the same */
};

/* Two spellings where programs disagree: curl reads http_proxy in lower case only, wget nothing in
 * upper case. */
static const struct {
    const char *name;
    enum env_value value;
} env_variables[] = {
    {"http_proxy", ENV_PROXY},
    {"https_proxy", ENV_PROXY},
    {"HTTP_PROXY", ENV_PROXY},
    {"HTTPS_PROXY", ENV_PROXY},
    {"no_proxy", ENV_NO_PROXY},
    {"NO_PROXY", ENV_NO_PROXY},
    {"SSL_CERT_FILE", ENV_BUNDLE},            /* OpenSSL, go, Ruby, uv */
    {"CURL_CA_BUNDLE", ENV_BUNDLE},           /* curl, python requests */
    {"REQUESTS_CA_BUNDLE", ENV_BUNDLE},       /* python requests, conda */
    {"PIP_CERT", ENV_BUNDLE},                 /* pip */
    {"CONDA_SSL_VERIFY", ENV_BUNDLE},         /* conda */
    {"GIT_SSL_CAINFO", ENV_BUNDLE},           /* git */
    {"CARGO_HTTP_CAINFO", ENV_BUNDLE},        /* cargo */
    {"npm_config_cafile", ENV_BUNDLE},        /* npm, yarn 1: over one in an npmrc */
    {"NODE_EXTRA_CA_CERTS", ENV_CERTIFICATE}, /* node, npm, yarn 1: beside its own */
    {"NODE_USE_ENV_PROXY", ENV_ONE},          /* node's fetch */
    {"YARN_HTTP_PROXY", ENV_PROXY},           /* yarn 2 and later */
    {"YARN_HTTPS_PROXY", ENV_PROXY},
    {"YARN_HTTPS_CA_FILE_PATH", ENV_BUNDLE},
    {"PIP_DEFAULT_TIMEOUT", ENV_SECONDS}, /* 15 s without it */
    {"CARGO_HTTP_TIMEOUT", ENV_SECONDS},  /* 30 s */
    {"npm_config_fetch_timeout", ENV_MILLISECONDS},
    {"YARN_HTTP_TIMEOUT", ENV_MILLISECONDS},
    {"JAVA_TOOL_OPTIONS", ENV_JAVA}, /* every JVM */
    {"WGETRC", ENV_WGETRC},          /* wget */
};

#define ENV_VARIABLES (sizeof(env_variables) / sizeof(env_variables[0]))

static const char *env_text(const struct env *env, enum env_value value)
{
    switch (value) {
    case ENV_PROXY:
        return env->proxy;
    case ENV_NO_PROXY:
        return "localhost,127.0.0.1,::1";
    case ENV_BUNDLE:
        return env->bundle;
    case ENV_CERTIFICATE:
        return env->certificate;
    case ENV_WGETRC:
        return env->wgetrc;
    case ENV_JAVA:
        return env->java;
    case ENV_ONE:
        return "1";
    case ENV_SECONDS:
        return ENV_PATIENCE;
    case ENV_MILLISECONDS:
        return ENV_PATIENCE "000";
    }
    return "";
}

size_t env_count(void)
{
    return ENV_VARIABLES;
}

const char *env_get(const struct env *env, size_t i, const char **name)
{
    const char *text = env_text(env, env_variables[i].value);
    const char *own;

    *name = env_variables[i].name;
    if (env_variables[i].value == ENV_SECONDS || env_variables[i].value == ENV_MILLISECONDS) {
        own = getenv(*name);
        if (own != NULL && own[0] != '\0')
            return NULL;
    }
    return text[0] != '\0' ? text : NULL;
}

int env_find_proxy(const struct config *config, struct env *env)
{
    for (size_t i = 0; i < config->listeners.n; i++) {
        const struct config_listener *l = &config->listeners.v[i];
        const struct sockaddr_storage *address = &l->address.addr;
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        char text[INET6_ADDRSTRLEN] = "";

        if (l->mode != CONFIG_LISTENER_EXPLICIT)
            continue;
        if (address->ss_family == AF_INET) {
            bool any = v4->sin_addr.s_addr == htonl(INADDR_ANY);

            inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
            snprintf(env->proxy, sizeof(env->proxy), "http://%s:%u", any ? "127.0.0.1" : text,
                     ntohs(v4->sin_port));
            return 0;
        }
        inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
        snprintf(env->proxy, sizeof(env->proxy), "http://[%s]:%u",
                 IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr) ? "::1" : text, ntohs(v6->sin6_port));
        return 0;
    }
    command_error("%s has no listener of mode explicit", config->file);
    return -1;
}

/* A file with this content and nothing else, whole or not at all. 0 or -1 (errno). */
static int file_write(const char *folder, const char *name, const char *text, size_t n,
                      char path[ENV_PATH_SIZE])
{
    char aside[ENV_PATH_SIZE];
    int fd, r = -1;

    errno = ENAMETOOLONG;
    if (snprintf(path, ENV_PATH_SIZE, "%s/%s", folder, name) >= ENV_PATH_SIZE ||
        snprintf(aside, ENV_PATH_SIZE, "%s/.%s.XXXXXX", folder, name) >= ENV_PATH_SIZE)
        return -1;
    fd = mkostemp(aside, O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (write(fd, text, n) == (ssize_t)n && fchmod(fd, 0644) == 0)
        r = 0;
    if (close(fd) != 0 || r != 0 || rename(aside, path) != 0) {
        unlink(aside);
        return -1;
    }
    return 0;
}

/* origins.ca-file as it is and the certificate behind it. malloc'd; NULL: can't be made. */
static char *bundle_text(const struct ca_context *ca, X509 *certificate, size_t *len)
{
    const char *system = ca->config->origins.ca_file;
    FILE *in = system != NULL ? fopen(system, "re") : NULL;
    char *text = NULL;
    char block[65536];
    FILE *out = open_memstream(&text, len);
    size_t n, total = 0;
    bool good = out != NULL && in != NULL;

    while (good && (n = fread(block, 1, sizeof(block), in)) > 0) {
        total += n;
        good = total <= BUNDLE_MAX && fwrite(block, 1, n, out) == n;
    }
    good = good && !ferror(in) && fputc('\n', out) != EOF && PEM_write_X509(out, certificate) == 1;
    if (in != NULL)
        fclose(in);
    if (out != NULL && fclose(out) != 0)
        good = false;
    if (good)
        return text;
    free(text);
    return NULL;
}

/* The folder of the CA's certificate; not that, the user's cache folder, made if it is absent. */
static int folder_find(const struct env *env, char folder[ENV_PATH_SIZE])
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *slash;

    snprintf(folder, ENV_PATH_SIZE, "%s", env->certificate);
    slash = strrchr(folder, '/');
    if (slash != NULL) {
        *slash = '\0';
        if (folder[0] != '\0' && access(folder, W_OK) == 0)
            return 0;
    }
    if (cache != NULL && cache[0] == '/')
        snprintf(folder, ENV_PATH_SIZE, "%s", cache);
    else if (home != NULL && home[0] == '/')
        snprintf(folder, ENV_PATH_SIZE, "%s/.cache", home);
    else
        return -1;
    (void)!mkdir(folder, 0700);
    if (strlen(folder) + sizeof("/dived") > ENV_PATH_SIZE)
        return -1;
    strcat(folder, "/dived");
    return mkdir(folder, 0700) == 0 || errno == EEXIST ? 0 : -1;
}

/* WGETRC takes the place of ~/.wgetrc, so one that is there wins. */
static void env_write_wgetrc(struct env *env, const char *folder)
{
    const char *home = getenv("HOME");
    char text[ENV_PATH_SIZE + 64], own[ENV_PATH_SIZE];

    snprintf(own, sizeof(own), "%s/.wgetrc", home != NULL ? home : "");
    if (home != NULL && access(own, F_OK) == 0)
        return;
    snprintf(text, sizeof(text), "ca_certificate = %s\nread_timeout = " ENV_PATIENCE "\n",
             env->bundle);
    if (file_write(folder, WGETRC_NAME, text, strlen(text), env->wgetrc) != 0)
        env->wgetrc[0] = '\0';
}

/* Host and port of the proxy's URL, as Java wants them, and the store. What a user has there stays,
 * before ours, so that ours counts; but a store of the user's own isn't taken away. */
static void env_set_java(struct env *env)
{
    const char *own = getenv("JAVA_TOOL_OPTIONS"), *ours;
    struct http_url url;
    size_t kept, n;

    if (http_url_parse(&url, dive_span_str(env->proxy)) != 0)
        return;
    own = own != NULL ? own : "";
    ours = strstr(own, "-Dhttp.proxyHost="); /* a shell that has this environment already */
    kept = ours != NULL ? (size_t)(ours - own) : strlen(own);
    while (kept > 0 && own[kept - 1] == ' ')
        kept--;
    if (kept > sizeof(env->java) / 2)
        kept = 0;
    n = (size_t)snprintf(env->java, sizeof(env->java),
                         "%.*s%s-Dhttp.proxyHost=%s -Dhttp.proxyPort=%u -Dhttps.proxyHost=%s "
                         "-Dhttps.proxyPort=%u -Dhttp.nonProxyHosts=localhost|127.*|[::1]",
                         (int)kept, own, kept > 0 ? " " : "", url.at.host, url.at.port, url.at.host,
                         url.at.port);
    http_url_clear(&url);
    if (n < sizeof(env->java) && env->store[0] != '\0' && strchr(env->store, ' ') == NULL &&
        memmem(own, kept, "-Djavax.net.ssl.trustStore=", 27) == NULL)
        n += (size_t)snprintf(env->java + n, sizeof(env->java) - n,
                              " -Djavax.net.ssl.trustStore=%s "
                              "-Djavax.net.ssl.trustStoreType=PKCS12 "
                              "-Djavax.net.ssl.trustStorePassword=" ENV_STORE_PASSWORD,
                              env->store);
    if (n >= sizeof(env->java))
        env->java[0] = '\0';
}

static void env_write_java(struct env *env, const char *folder, const char *bundle, size_t len)
{
    size_t n = 0;
    char *store = env_java_store(bundle, len, &n);

    if (store == NULL || file_write(folder, JAVA_NAME, store, n, env->store) != 0)
        env->store[0] = '\0';
    free(store);
}

static void env_write_files(const struct ca_context *ca, X509 *certificate, struct env *env)
{
    char folder[ENV_PATH_SIZE];
    size_t len = 0;
    char *text = bundle_text(ca, certificate, &len);

    if (text == NULL || folder_find(env, folder) != 0 ||
        file_write(folder, BUNDLE_NAME, text, len, env->bundle) != 0) {
        command_error("a bundle with the public CAs can't be written: programs will trust what "
                      "comes through the proxy, and nothing past it");
        snprintf(env->bundle, sizeof(env->bundle), "%s", env->certificate);
    } else {
        env_write_wgetrc(env, folder);
        env_write_java(env, folder, text, len);
    }
    free(text);
}

int env_make(const struct ca_context *ca, const char *proxy, struct env *env)
{
    X509 *certificate = NULL;
    char *absolute = NULL, authority[HTTP_AUTHORITY_MAX];
    struct http_url url;
    int r = EX_CONFIG;

    *env = (struct env){0};
    if (proxy != NULL) {
        if (http_url_parse(&url, dive_span_str(proxy)) != 0) {
            command_error("no URL of a proxy: %s", proxy);
            return COMMAND_USAGE;
        }
        /* With its port always: programs differ in what they take when there is none. */
        http_authority_format(authority, &url.at, 0);
        snprintf(env->proxy, sizeof(env->proxy), "%s://%s", url.https ? "https" : "http",
                 authority);
        http_url_clear(&url);
    } else if (env_find_proxy(ca->config, env) != 0) {
        return EX_CONFIG;
    }
    r = COMMAND_OK;
    if (ca->certificate == NULL)
        goto out;
    r = ca_read(ca, &certificate);
    if (r != COMMAND_OK)
        goto out;
    absolute = realpath(ca->certificate, NULL);
    if (absolute == NULL || strlen(absolute) >= sizeof(env->certificate)) {
        command_error("%s: %s", ca->certificate, strerror(errno));
        r = EX_NOINPUT;
        goto out;
    }
    memcpy(env->certificate, absolute, strlen(absolute) + 1);
    env_write_files(ca, certificate, env);
out:
    if (r == COMMAND_OK)
        env_set_java(env);
    free(absolute);
    X509_free(certificate);
    return r;
}
