/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl ca env: the environment in which programs use the proxy and trust its CA, for
 * `eval "$(divectl ca env)"`.
 *
 * Most variables replace the whole set of trusted CAs, and connections past the proxy (no_proxy,
 * interception.splice) need the public ones: a bundle of origins.ca-file and our CA is written. It
 * lies beside the CA's certificate, or in the user's cache folder where that isn't ours to write
 * to.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/ca.h"

#define PATH_SIZE 4096
#define BUNDLE_NAME "ca-bundle.crt"
#define WGETRC_NAME "wgetrc"
#define BUNDLE_MAX (8 << 20)

enum env_value { ENV_PROXY, ENV_NO_PROXY, ENV_BUNDLE, ENV_CERTIFICATE, ENV_WGETRC, ENV_ONE };

/* Which programs read which variable. Two spellings where programs disagree: curl reads http_proxy
 * in lower case only, wget nothing in upper case. */
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
    {"REQUESTS_CA_BUNDLE", ENV_BUNDLE},       /* python requests */
    {"PIP_CERT", ENV_BUNDLE},                 /* pip */
    {"GIT_SSL_CAINFO", ENV_BUNDLE},           /* git */
    {"CARGO_HTTP_CAINFO", ENV_BUNDLE},        /* cargo */
    {"NODE_EXTRA_CA_CERTS", ENV_CERTIFICATE}, /* node, npm: beside its own */
    {"NODE_USE_ENV_PROXY", ENV_ONE},          /* node's fetch */
    {"WGETRC", ENV_WGETRC},                   /* wget */
};

#define ENV_VARIABLES (sizeof(env_variables) / sizeof(env_variables[0]))

struct env {
    char proxy[128];
    char certificate[PATH_SIZE];
    char bundle[PATH_SIZE];
    char wgetrc[PATH_SIZE]; /* "": none */
};

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
    case ENV_ONE:
        return "1";
    }
    return "";
}

/* The first listener of explicit mode; of one on all addresses, the loopback one. */
static int env_find_proxy(const struct config *config, struct env *env)
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
                      char path[PATH_SIZE])
{
    char aside[PATH_SIZE];
    int fd, r = -1;

    errno = ENAMETOOLONG;
    if (snprintf(path, PATH_SIZE, "%s/%s", folder, name) >= PATH_SIZE ||
        snprintf(aside, PATH_SIZE, "%s/.%s.XXXXXX", folder, name) >= PATH_SIZE)
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
static int folder_find(const struct env *env, char folder[PATH_SIZE])
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *slash;

    snprintf(folder, PATH_SIZE, "%s", env->certificate);
    slash = strrchr(folder, '/');
    if (slash != NULL) {
        *slash = '\0';
        if (folder[0] != '\0' && access(folder, W_OK) == 0)
            return 0;
    }
    if (cache != NULL && cache[0] == '/')
        snprintf(folder, PATH_SIZE, "%s", cache);
    else if (home != NULL && home[0] == '/')
        snprintf(folder, PATH_SIZE, "%s/.cache", home);
    else
        return -1;
    (void)!mkdir(folder, 0700);
    if (strlen(folder) + sizeof("/dived") > PATH_SIZE)
        return -1;
    strcat(folder, "/dived");
    return mkdir(folder, 0700) == 0 || errno == EEXIST ? 0 : -1;
}

/* WGETRC takes the place of ~/.wgetrc, so one that is there wins. */
static void env_write_wgetrc(struct env *env, const char *folder)
{
    const char *home = getenv("HOME");
    char text[PATH_SIZE + 32], own[PATH_SIZE];

    snprintf(own, sizeof(own), "%s/.wgetrc", home != NULL ? home : "");
    if (home != NULL && access(own, F_OK) == 0)
        return;
    snprintf(text, sizeof(text), "ca_certificate = %s\n", env->bundle);
    if (file_write(folder, WGETRC_NAME, text, strlen(text), env->wgetrc) != 0)
        env->wgetrc[0] = '\0';
}

static void env_write_files(const struct ca_context *ca, X509 *certificate, struct env *env)
{
    char folder[PATH_SIZE];
    size_t len = 0;
    char *text = bundle_text(ca, certificate, &len);

    if (text == NULL || folder_find(env, folder) != 0 ||
        file_write(folder, BUNDLE_NAME, text, len, env->bundle) != 0) {
        command_error("a bundle with the public CAs can't be written: programs will trust what "
                      "comes through the proxy, and nothing past it");
        snprintf(env->bundle, sizeof(env->bundle), "%s", env->certificate);
    } else {
        env_write_wgetrc(env, folder);
    }
    free(text);
}

/* 'text', for a shell of POSIX. */
static void print_quoted(const char *text)
{
    putchar('\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    }
    putchar('\'');
}

static int env_print_json(const struct env *env)
{
    json_t *object = json_object();
    int r = EX_OSERR;

    for (size_t i = 0; i < ENV_VARIABLES && object != NULL; i++) {
        const char *text = env_text(env, env_variables[i].value);

        if (text[0] != '\0' &&
            json_object_set_new(object, env_variables[i].name, json_string(text)) != 0) {
            json_decref(object);
            object = NULL;
        }
    }
    if (object != NULL)
        r = command_print_json(object);
    else
        command_error("a path is no UTF-8, or memory is out");
    json_decref(object);
    return r;
}

static int env_print(const struct env *env)
{
    puts("# eval \"$(divectl ca env)\"");
    for (size_t i = 0; i < ENV_VARIABLES; i++) {
        const char *text = env_text(env, env_variables[i].value);

        if (text[0] == '\0')
            continue;
        printf("export %s=", env_variables[i].name);
        print_quoted(text);
        putchar('\n');
    }
    if (env->wgetrc[0] == '\0') {
        fputs("# wget: there is a ~/.wgetrc; add to it: ca_certificate = ", stdout);
        command_print_text(env->bundle); /* a line end in it would end the comment */
        putchar('\n');
    }
    puts("# apt and docker trust the machine's store only: divectl ca trust");
    return fflush(stdout) == 0 ? COMMAND_OK : EX_IOERR;
}

int ca_env(const struct ca_context *ca)
{
    struct env env = {0};
    X509 *certificate = NULL;
    char *absolute;
    int r = ca_read(ca, &certificate);

    if (r != COMMAND_OK)
        return r;
    r = EX_CONFIG;
    if (env_find_proxy(ca->config, &env) != 0)
        goto out;
    absolute = realpath(ca->certificate, NULL);
    if (absolute == NULL || strlen(absolute) >= sizeof(env.certificate)) {
        command_error("%s: %s", ca->certificate, strerror(errno));
        free(absolute);
        r = EX_NOINPUT;
        goto out;
    }
    memcpy(env.certificate, absolute, strlen(absolute) + 1);
    free(absolute);
    env_write_files(ca, certificate, &env);
    r = ca->options->json ? env_print_json(&env) : env_print(&env);
out:
    X509_free(certificate);
    return r;
}
