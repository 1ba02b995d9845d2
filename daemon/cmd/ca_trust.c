/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl ca trust: the interception CA into the trust store of this machine, as Debian keeps it: a
 * file in a folder for local certificates, then update-ca-certificates(8).
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

#define STORE_FOLDER "/usr/local/share/ca-certificates"
#define STORE_FILE STORE_FOLDER "/dived.crt"
#define UPDATE "/usr/sbin/update-ca-certificates"

/* Only the certificate itself, whatever else is in the daemon's file; written aside and renamed, so
 * that nobody ever reads half of it. */
static int store_write(X509 *certificate)
{
    static const char aside[] = STORE_FILE ".new";
    FILE *f;
    int r;

    if (mkdir(STORE_FOLDER, 0755) != 0 && errno != EEXIST)
        return -1;
    f = fopen(aside, "we");
    if (f == NULL)
        return -1;
    r = PEM_write_X509(f, certificate) == 1 && fchmod(fileno(f), 0644) == 0 ? 0 : -1;
    if (fclose(f) != 0 || r != 0 || rename(aside, STORE_FILE) != 0) {
        unlink(aside);
        return -1;
    }
    return 0;
}

static int store_update(void)
{
    char *const arguments[] = {(char *)UPDATE, NULL};
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
        r = posix_spawn(&pid, UPDATE, &actions, NULL, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    if (r != 0)
        return -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static void print_advice(const struct ca_context *ca)
{
    fprintf(stderr,
            "The machine's trust store is root's. On Debian and its kin:\n"
            "  sudo install -m 644 '%s' " STORE_FILE "\n"
            "  sudo update-ca-certificates\n"
            "Elsewhere the folder is /etc/pki/ca-trust/source/anchors and the command "
            "update-ca-trust.\n"
            "Without root, `divectl ca env` prints what makes single programs trust it.\n",
            ca->certificate);
}

int ca_trust(const struct ca_context *ca)
{
    X509 *certificate = NULL;
    json_t *object;
    int r = ca_read(ca, &certificate);

    if (r != COMMAND_OK)
        return r;
    if (geteuid() != 0 || access(UPDATE, X_OK) != 0) {
        print_advice(ca);
        r = geteuid() != 0 ? EX_NOPERM : EX_UNAVAILABLE;
        goto out;
    }
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0 ||
        X509_check_ca(certificate) != 1) {
        command_error("%s has expired or is no CA", ca->certificate);
        r = EX_DATAERR;
        goto out;
    }
    if (store_write(certificate) != 0) {
        command_error("can't write " STORE_FILE ": %s", strerror(errno));
        r = EX_CANTCREAT;
        goto out;
    }
    if (store_update() != 0) {
        command_error(UPDATE " failed; " STORE_FILE " is in place");
        r = EX_UNAVAILABLE;
        goto out;
    }
    if (!ca->options->json) {
        puts("trusted: " STORE_FILE);
        goto out;
    }
    object = json_pack("{s:s}", "trusted", STORE_FILE);
    r = command_print_json(object);
    json_decref(object);
out:
    X509_free(certificate);
    return r;
}
