/* SPDX-License-Identifier: BSD-2-Clause
 *
 * contain: see contain.h. Here is what of a configuration matters for it.
 */
#include "process/contain.h"

#include <errno.h>
#include <libgen.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/schema.h"
#include "core/log.h"
#include "core/sandbox.h"

#define LOW_PORTS 1024
#define PATHS_MAX 65536

/* ---- privileges ---- */

static bool is_low(const struct config_address *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)&address->addr;

    /* The port is at the same place in both families. */
    return address->len > 0 && ntohs(in->sin_port) > 0 && ntohs(in->sin_port) < LOW_PORTS;
}

/* What listeners of this configuration need, now and at a reload. */
static unsigned kept(const struct config *config)
{
    unsigned keep = is_low(&config->admin.http) ? PRIVILEGE_LOW_PORTS : 0;

    for (size_t i = 0; i < config->listeners.n; i++) {
        if (is_low(&config->listeners.v[i].address))
            keep |= PRIVILEGE_LOW_PORTS;
        if (config->listeners.v[i].tproxy)
            keep |= PRIVILEGE_TRANSPARENT;
    }
    return keep;
}

/* ---- paths ---- */

struct path_list {
    struct sandbox_path *v; /* the paths are malloc'd */
    size_t n;
    bool nomem;
};

static void free_paths(struct path_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free((char *)(uintptr_t)list->v[i].path);
    free(list->v);
    *list = (struct path_list){0};
}

/* Takes `path` over. */
static void add(struct path_list *list, char *path, bool writes)
{
    struct sandbox_path *more = NULL;

    for (size_t i = 0; path != NULL && i < list->n; i++) {
        if (strcmp(list->v[i].path, path) != 0)
            continue;
        list->v[i].writes |= writes;
        free(path);
        return;
    }
    if (path != NULL && list->n < PATHS_MAX)
        more = realloc(list->v, (list->n + 1) * sizeof(*more));
    if (more == NULL) {
        list->nomem = true;
        free(path);
        return;
    }
    list->v = more;
    list->v[list->n++] = (struct sandbox_path){path, writes};
}

/* With a folder, so that it means the same for everybody. */
static char *absolute(const char *path)
{
    char *folder, *out = NULL;

    if (path[0] == '/')
        return strdup(path);
    folder = getcwd(NULL, 0);
    if (folder != NULL && asprintf(&out, "%s/%s", folder, path) < 0)
        out = NULL;
    free(folder);
    return out;
}

/* A pattern of `include` becomes the folder above its first wildcard, unless that is the root. */
static bool cut_pattern(char *path)
{
    char *wildcard = strpbrk(path, "*?["), *slash = NULL;

    for (char *p = path; wildcard != NULL && p < wildcard; p++)
        if (*p == '/')
            slash = p;
    if (slash == NULL || slash == path)
        return false;
    *slash = '\0';
    return true;
}

/* A file that is replaced is another file: so it is the folder that has to be open. But not the
 * root, and not for what is no regular file (/dev/stdout). */
static void add_path(void *arg, const char *path, unsigned flags)
{
    struct path_list *list = arg;
    bool writes = (flags & (SCHEMA_WRITTEN | SCHEMA_DIRECTORY)) != 0;
    char *whole = absolute(path), *copy;
    const char *parent;
    struct stat st;
    bool there;

    if (whole == NULL) {
        list->nomem = true;
        return;
    }
    there = stat(whole, &st) == 0;
    if (!there && cut_pattern(whole))
        there = stat(whole, &st) == 0;
    if ((flags & SCHEMA_DIRECTORY) != 0 || (there && S_ISDIR(st.st_mode)) ||
        (there && !S_ISREG(st.st_mode) && !S_ISSOCK(st.st_mode))) {
        add(list, whole, writes);
        return;
    }
    copy = strdup(whole);
    parent = copy != NULL ? dirname(copy) : "/"; /* it writes to its argument */
    add(list, strdup(strcmp(parent, "/") != 0 ? parent : whole), writes);
    free(copy);
    free(whole);
}

/* Directories that are made when they are first needed have to be there for Landlock's sake. */
static void make_directory(void *arg, const char *path, unsigned flags)
{
    if ((flags & SCHEMA_DIRECTORY) != 0 && mkdir(path, 0700) != 0 && errno != EEXIST)
        log_warning("sandbox", "%s can't be made: %s", path, strerror(errno));
}

/* What Kerberos' library opens by itself at each login: its configuration, and, where clients log
 * in here, the file in which it remembers tickets so that none counts twice (kerberos(7),
 * KRB5_CONFIG and KRB5RCACHEDIR). */
static void add_kerberos(struct path_list *list, bool logins)
{
    const char *files = getenv("KRB5_CONFIG"), *replays = getenv("KRB5RCACHEDIR");
    char *copy = files != NULL ? strdup(files) : NULL, *rest = copy, *file;

    if (files != NULL && copy == NULL)
        list->nomem = true;
    while ((file = strsep(&rest, ":")) != NULL)
        if (file[0] != '\0')
            add_path(list, file, 0);
    free(copy);
    if (logins)
        add_path(list, replays != NULL ? replays : "/var/tmp", SCHEMA_DIRECTORY);
}

static int list_paths(struct path_list *list, const struct config *config, char *why,
                      size_t why_size)
{
    config_each_path(config, add_path, list);
    if (config->access.negotiate.keytab != NULL || config->origins.parent_keytab != NULL)
        add_kerberos(list, config->access.negotiate.keytab != NULL);
    if (!list->nomem)
        return 0;
    free_paths(list);
    snprintf(why, why_size, "out of memory");
    return DIVE_E_NOMEM;
}

/* ---- the order ---- */

static int begin(struct contain *contain, const struct config *config, char *why, size_t why_size)
{
    struct privileges privileges = {.keep = kept(config)}, signer = {0};
    struct keeper_options options = {
        .ca_certificate = config->interception.ca_certificate,
        .ca_key = config->interception.ca_key,
        .signer = &signer,
        .seccomp = config->sandbox.seccomp,
    };
    int r =
        privileges_find(&privileges, config->process.user, config->process.group, why, why_size);

    if (r != 0)
        return r;
    signer = privileges;
    signer.keep = 0;
    r = keeper_start(&contain->keeper, &options, why, why_size);
    if (r == 0)
        r = privileges_drop(&privileges, why, why_size);
    if (r != 0)
        keeper_stop(&contain->keeper);
    return r;
}

/* Inside of the sandbox: another configuration. */
static int look_again(const struct config *config, char *why, size_t why_size)
{
    struct path_list list = {0};
    int r = list_paths(&list, config, why, why_size);

    if (r != 0)
        return r;
    if (!sandbox_allows(&(struct sandbox_options){.paths = list.v, .n = list.n}, why, why_size))
        r = DIVE_E_UNSUPPORTED;
    free_paths(&list);
    return r;
}

int contain_check(const struct config *config, char *why, size_t why_size)
{
    struct privileges privileges = {0};

    return privileges_find(&privileges, config->process.user, config->process.group, why, why_size);
}

int contain_begin(struct contain *contain, const struct config *config, char *why, size_t why_size)
{
    if (contain->keeper == NULL)
        return begin(contain, config, why, why_size);
    return contain->entered ? look_again(config, why, why_size) : 0;
}

int contain_enter(struct contain *contain, const struct config *config, char *why, size_t why_size)
{
    struct sandbox_options options = {.seccomp = config->sandbox.seccomp,
                                      .landlock = config->sandbox.landlock};
    struct path_list list = {0};
    int r;

    if (geteuid() == 0)
        log_warning("sandbox", "dived runs as root: process.user names a user to become");
    if (options.landlock)
        config_each_path(config, make_directory, NULL);
    r = list_paths(&list, config, why, why_size);
    if (r != 0)
        return r;
    options.paths = list.v;
    options.n = list.n;
    r = sandbox_enter(&options, why, why_size);
    free_paths(&list);
    contain->entered = r == 0;
    return r;
}

bool contain_is_broken(struct contain *contain)
{
    if (contain->keeper == NULL || !keeper_is_gone(contain->keeper))
        return false;
    log_error("keeper", "the process that keeps the CA's key has ended: no host's certificate can "
                        "be made, so this one ends too");
    return true;
}

void contain_end(struct contain *contain)
{
    keeper_stop(&contain->keeper);
}
