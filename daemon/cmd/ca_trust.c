/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl ca trust: the interception CA into the trust store of this machine, and out of it again:
 * a file in a folder for local certificates, then the program that makes the bundles of it.
 */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/ca.h"

#define FILE_NAME "dived.crt"

/* Whose `update` is there is the machine's kind. */
static const struct store {
    const char *kind, *folder, *update;
    const char *add, *remove; /* its argument; NULL: none */
} stores[] = {
    {"Debian and its kin", "/usr/local/share/ca-certificates", "/usr/sbin/update-ca-certificates",
     NULL, "--fresh"},
    {"Fedora and its kin", "/etc/pki/ca-trust/source/anchors", "/usr/bin/update-ca-trust",
     "extract", "extract"},
};

#define STORES (sizeof(stores) / sizeof(stores[0]))

static const struct store *store_find(void)
{
    for (size_t i = 0; i < STORES; i++)
        if (access(stores[i].update, X_OK) == 0)
            return &stores[i];
    return NULL;
}

/* Only the certificate itself, whatever else is in the daemon's file; written aside and renamed, so
 * that nobody ever reads half of it. */
static int store_write(const struct store *store, const char *path, X509 *certificate)
{
    char aside[300];
    FILE *f;
    int r;

    snprintf(aside, sizeof(aside), "%s.new", path);
    if (mkdir(store->folder, 0755) != 0 && errno != EEXIST)
        return -1;
    f = fopen(aside, "we");
    if (f == NULL)
        return -1;
    r = PEM_write_X509(f, certificate) == 1 && fchmod(fileno(f), 0644) == 0 ? 0 : -1;
    if (fclose(f) != 0 || r != 0 || rename(aside, path) != 0) {
        unlink(aside);
        return -1;
    }
    return 0;
}

static int store_update(const struct store *store, const char *argument)
{
    char *const arguments[] = {(char *)store->update, (char *)argument, NULL};
    char *const environment[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status = -1;
    int r;

    if (posix_spawn_file_actions_init(&actions) != 0)
        return -1;
    /* What it says is for people; standard output may be JSON. */
    r = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    if (r == 0)
        r = posix_spawn(&pid, store->update, &actions, NULL, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    if (r != 0)
        return -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static void print_advice(const struct ca_context *ca)
{
    fprintf(stderr, "The machine's trust store is root's.\n");
    for (size_t i = 0; i < STORES; i++) {
        const struct store *s = &stores[i];
        const char *argument = ca->remove ? s->remove : s->add;

        if (ca->remove)
            fprintf(stderr, "On %s:\n  sudo rm %s/" FILE_NAME "\n", s->kind, s->folder);
        else
            fprintf(stderr, "On %s:\n  sudo install -m 644 '%s' %s/" FILE_NAME "\n", s->kind,
                    ca->certificate, s->folder);
        fprintf(stderr, "  sudo %s%s%s\n", strrchr(s->update, '/') + 1, argument != NULL ? " " : "",
                argument != NULL ? argument : "");
    }
    fprintf(stderr, "Without root, `divectl env` prints what makes single programs trust it.\n");
}

/* The programs that don't read the machine's store. */
static void print_rest(void)
{
    puts("With a set of CAs of their own, and not changed by this: Python (pip, requests, conda),\n"
         "node (npm, yarn), Java, Firefox. divectl env prints what makes them trust it, but for\n"
         "Firefox: Settings, Certificates, Import. Restart docker.");
}

static int trust_print(const struct ca_context *ca, const char *path, bool was_there)
{
    json_t *object;
    int r;

    if (!ca->options->json) {
        if (ca->remove)
            printf(was_there ? "no longer trusted: %s\n" : "not trusted: there is no %s\n", path);
        else
            printf("trusted: %s\n", path);
        if (!ca->remove)
            print_rest();
        return fflush(stdout) == 0 ? COMMAND_OK : EX_IOERR;
    }
    object = json_pack("{s:s}", !ca->remove ? "trusted" : was_there ? "removed" : "absent", path);
    r = object != NULL ? command_print_json(object) : EX_OSERR;
    json_decref(object);
    return r;
}

static int trust_update(const struct ca_context *ca, const struct store *store, const char *path)
{
    if (store_update(store, ca->remove ? store->remove : store->add) == 0)
        return COMMAND_OK;
    command_error("%s failed; %s is %s", store->update, path, ca->remove ? "gone" : "in place");
    return EX_UNAVAILABLE;
}

static int trust_remove(const struct ca_context *ca, const struct store *store, const char *path)
{
    bool was_there = unlink(path) == 0;
    int r = COMMAND_OK;

    if (!was_there && errno != ENOENT) {
        command_error("can't remove %s: %s", path, strerror(errno));
        return EX_CANTCREAT;
    }
    if (was_there)
        r = trust_update(ca, store, path);
    return r == COMMAND_OK ? trust_print(ca, path, was_there) : r;
}

static int trust_add(const struct ca_context *ca, const struct store *store, const char *path)
{
    X509 *certificate = NULL;
    int r = ca_read(ca, &certificate);

    if (r != COMMAND_OK)
        return r;
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0 ||
        X509_check_ca(certificate) != 1) {
        command_error("%s has expired or is no CA", ca->certificate);
        r = EX_DATAERR;
    } else if (store_write(store, path, certificate) != 0) {
        command_error("can't write %s: %s", path, strerror(errno));
        r = EX_CANTCREAT;
    } else {
        r = trust_update(ca, store, path);
    }
    X509_free(certificate);
    return r == COMMAND_OK ? trust_print(ca, path, true) : r;
}

int ca_trust(const struct ca_context *ca)
{
    const struct store *store = store_find();
    char path[256];

    if (geteuid() != 0 || store == NULL) {
        print_advice(ca);
        return geteuid() != 0 ? EX_NOPERM : EX_UNAVAILABLE;
    }
    snprintf(path, sizeof(path), "%s/" FILE_NAME, store->folder);
    return ca->remove ? trust_remove(ca, store, path) : trust_add(ca, store, path);
}
