/* SPDX-License-Identifier: BSD-2-Clause
 *
 * parent: see parent.h.
 */
#include "origin/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"
#include "origin/parent_kerberos.h"

#define PASSWORD_MAX 1024
#define USER_MAX 255

struct parents {
    struct parent v[PARENTS_MAX];
    size_t n;
};

static bool parent_is(const struct parent *parent, const struct config_parent *named)
{
    const char *user = named->user != NULL ? named->user : "";

    return parent->tls == named->tls && parent->port == named->port &&
           strcmp(parent->host, named->host) == 0 &&
           strcmp(parent->user != NULL ? parent->user : "", user) == 0;
}

const struct parent *parents_find(const struct parents *parents, const struct config_parent *named)
{
    if (parents == NULL || named->kind != CONFIG_PARENT_PROXY)
        return NULL;
    for (size_t i = 0; i < parents->n; i++)
        if (parent_is(&parents->v[i], named))
            return &parents->v[i];
    return NULL;
}

static int parents_add(struct parents *parents, const struct config_parent *named, SSL_CTX *context,
                       char *why, size_t why_size)
{
    if (named->kind != CONFIG_PARENT_PROXY || parents_find(parents, named) != NULL)
        return 0;
    if (parents->n == PARENTS_MAX) {
        snprintf(why, why_size, "more than %d different parent proxies are named", PARENTS_MAX);
        return DIVE_E_LIMIT;
    }
    parents->v[parents->n++] = (struct parent){.tls = named->tls,
                                               .port = named->port,
                                               .host = named->host,
                                               .user = named->user,
                                               .name = named->name,
                                               .context = context};
    return 0;
}

/* ---- passwords ---- */

/* The whole file into `text`, NUL-terminated. */
static int read_passwords(const char *path, char text[PARENT_PASSWORD_FILE_MAX + 1], char *why,
                          size_t why_size)
{
    struct stat st;
    size_t n = 0;
    ssize_t got = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), r;

    if (fd < 0) {
        r = errno == ENOENT ? DIVE_E_NOT_FOUND : DIVE_E_STATE;
        snprintf(why, why_size, "can't read origins.parent-password-file %s: %s", path,
                 strerror(errno));
        return r;
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        if (st.st_mode & S_IRWXO)
            log_warning("origin", "%s holds passwords and is open to all users; chmod o= closes it",
                        path);
        while (n <= PARENT_PASSWORD_FILE_MAX &&
               (got = read(fd, text + n, PARENT_PASSWORD_FILE_MAX + 1 - n)) > 0)
            n += (size_t)got;
    }
    close(fd);
    if (got != 0 || n > PARENT_PASSWORD_FILE_MAX) {
        snprintf(why, why_size, "origins.parent-password-file %s is no file of at most %d bytes",
                 path, PARENT_PASSWORD_FILE_MAX);
        return DIVE_E_STATE;
    }
    text[n] = '\0';
    return 0;
}

/* One line of the file, without its end. False at the end of the text. */
static bool next_line(const char **rest, struct dive_span *line)
{
    const char *end;

    if (**rest == '\0')
        return false;
    end = *rest + strcspn(*rest, "\n");
    *line = dive_span(*rest, (size_t)(end - *rest));
    *rest = *end != '\0' ? end + 1 : end;
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

/* "user@host:port password", or for the default parent a file with nothing but the password. */
static bool find_password(const struct parent *parent, bool is_default, const char *text,
                          struct dive_span *out)
{
    char prefix[USER_MAX + 300];
    int n = snprintf(prefix, sizeof(prefix), "%s@%s ", parent->user, parent->name);
    struct dive_span line, only = {0};
    unsigned lines = 0;

    if (n < 0 || (size_t)n >= sizeof(prefix))
        return false;
    while (next_line(&text, &line)) {
        if (line.n == 0)
            continue;
        if (line.n > (size_t)n && memcmp(line.p, prefix, (size_t)n) == 0) {
            *out = dive_span(line.p + n, line.n - (size_t)n);
            return true;
        }
        only = line;
        lines++;
    }
    *out = only;
    return is_default && lines == 1;
}

/* RFC 7617 section 2. */
static int make_basic(struct parent *parent, struct dive_span password)
{
    unsigned char pair[USER_MAX + 1 + PASSWORD_MAX];
    size_t user = strlen(parent->user), n = user + 1 + password.n;

    for (size_t i = 0; i < password.n; i++)
        if ((unsigned char)password.p[i] < 0x20 || password.p[i] == 0x7f)
            return DIVE_E_SYNTAX;
    if (user > USER_MAX || password.n > PASSWORD_MAX)
        return DIVE_E_LIMIT;
    parent->authorization = malloc(sizeof("Basic ") + (n + 2) / 3 * 4);
    if (parent->authorization == NULL)
        return DIVE_E_NOMEM;
    memcpy(pair, parent->user, user);
    pair[user] = ':';
    memcpy(pair + user + 1, password.p, password.n);
    memcpy(parent->authorization, "Basic ", 6);
    (void)EVP_EncodeBlock((unsigned char *)parent->authorization + 6, pair, (int)n);
    OPENSSL_cleanse(pair, sizeof(pair));
    return 0;
}

static int parents_take_passwords(struct parents *parents, const struct config *config, char *why,
                                  size_t why_size)
{
    const char *path = config->origins.parent_password_file;
    char *text = malloc(PARENT_PASSWORD_FILE_MAX + 2);
    int r = DIVE_E_NOMEM;

    if (text == NULL)
        return r;
    r = read_passwords(path, text, why, why_size);
    for (size_t i = 0; r == 0 && i < parents->n; i++) {
        struct parent *parent = &parents->v[i];
        bool is_default = parent == parents_find(parents, &config->origins.parent);
        struct dive_span password;

        if (parent->user == NULL)
            continue;
        r = find_password(parent, is_default, text, &password) ? make_basic(parent, password)
                                                               : DIVE_E_SYNTAX;
        if (r != 0)
            snprintf(why, why_size,
                     "origins.parent-password-file %s has no usable password for %s@%s", path,
                     parent->user, parent->name);
    }
    OPENSSL_cleanse(text, PARENT_PASSWORD_FILE_MAX + 2);
    free(text);
    return r;
}

/* ---- tickets ---- */

static int parents_take_keytab(struct parents *parents, const struct config *config, char *why,
                               size_t why_size)
{
    struct parent_kerberos *kerberos;
    int r = parent_kerberos_new(&kerberos, config->origins.parent_keytab,
                                config->origins.parent_principal, why, why_size);

    if (r != 0)
        return r;
    for (size_t i = 0; i < parents->n; i++)
        if (parents->v[i].user == NULL)
            parents->v[i].kerberos = parent_kerberos_ref(kerberos);
    parent_kerberos_unref(&kerberos);
    return 0;
}

const char *parent_refusal(const struct parent *parent)
{
    if (parent->kerberos != NULL) {
        parent_kerberos_refused(parent->kerberos);
        return "refuses our Kerberos ticket";
    }
    return parent->authorization != NULL ? "doesn't accept our password"
                                         : "wants a password and we have none for it";
}

int parents_new(struct parents **out, const struct config *config, SSL_CTX *context, char *why,
                size_t why_size)
{
    struct parents *parents = calloc(1, sizeof(*parents));
    bool users = false;
    int r = DIVE_E_NOMEM;

    *out = NULL;
    snprintf(why, why_size, "out of memory");
    if (parents == NULL)
        goto out;
    r = parents_add(parents, &config->origins.parent, context, why, why_size);
    for (size_t i = 0; r == 0 && i < config->rules.n; i++)
        r = parents_add(parents, &config->rules.v[i].parent, context, why, why_size);
    for (size_t i = 0; i < parents->n; i++)
        users = users || parents->v[i].user != NULL;
    if (r == 0 && users && config->origins.parent_password_file == NULL) {
        snprintf(why, why_size,
                 "a parent proxy is named with a user, and there is no "
                 "origins.parent-password-file");
        r = DIVE_E_STATE;
    }
    if (r == 0 && users)
        r = parents_take_passwords(parents, config, why, why_size);
    if (r == 0 && config->origins.parent_keytab != NULL)
        r = parents_take_keytab(parents, config, why, why_size);
    if (r != 0)
        goto out;
    *out = parents;
    parents = NULL;
    why[0] = '\0';
out:
    parents_free(&parents);
    return r;
}

void parents_free(struct parents **parents)
{
    struct parents *p = *parents;

    *parents = NULL;
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n; i++) {
        parent_kerberos_unref(&p->v[i].kerberos);
        if (p->v[i].authorization == NULL)
            continue;
        OPENSSL_cleanse(p->v[i].authorization, strlen(p->v[i].authorization));
        free(p->v[i].authorization);
    }
    free(p);
}
