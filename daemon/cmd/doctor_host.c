/* SPDX-License-Identifier: BSD-2-Clause
 *
 * doctor_host: the machine that the proxy runs on: is the daemon there, does its listener take
 * connections, can DNS be validated, is there room for what is held.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "cmd/doctor.h"
#include "cmd/records_ask.h"

#define SPACE_LOW (1024ULL << 20)
#define SPACE_NONE (16ULL << 20)
/* Before this was written: certificates and signatures can't be valid then. */
#define YEAR_2026 1767225600

void doctor_daemon(struct doctor *d)
{
    char why[1024] = "";
    json_t *answer = NULL;
    int r;

    if (time(NULL) < YEAR_2026)
        doctor_find(d, DOCTOR_ERROR, "clock", "set this machine's clock",
                    "it is before 2026 by this machine's clock: no certificate and no DNSSEC "
                    "signature can be valid");
    command_errors_into(why, sizeof(why));
    r = command_ask(d->options, "status", NULL, &answer);
    command_errors_into(NULL, 0);
    if (r == EX_NOPERM)
        doctor_find(d, DOCTOR_NOTE, "daemon", "try again as root",
                    "only the daemon's user and root may ask it");
    else if (r != COMMAND_OK)
        doctor_find(d, r == EX_CONFIG ? DOCTOR_NOTE : DOCTOR_ERROR, "daemon",
                    r == EX_CONFIG ? NULL
                                   : "start it (systemctl start dived), or name its configuration "
                                     "with -c FILE",
                    "%s", why);
    else
        doctor_find(d, DOCTOR_OK, "daemon", NULL, "dived %s is up, with %s",
                    command_string(answer, "version"), command_string(answer, "config"));
    json_decref(answer);
}

void doctor_listener(struct doctor *d)
{
    int fd = doctor_connect(d), error = errno;

    d->listens = fd >= 0;
    if (fd >= 0) {
        close(fd);
        doctor_find(d, DOCTOR_OK, "listener", NULL, "%s takes connections", d->proxy_text);
        return;
    }
    doctor_find(d, DOCTOR_ERROR, "listener",
                d->local ? "is dived running with this configuration? Its error log says why not"
                         : "are address and port right, and does a firewall let you through?",
                "%s: %s", d->proxy_text, strerror(error));
}

/* A name that doesn't exist, right below the root: its absence is proven by the root's own
 * signatures, so that nothing but the trust anchor and the way to an answer is tried. */
void doctor_dns(struct doctor *d)
{
    struct records_asker *asker = NULL;
    struct records_names names = {0};
    const struct records_name *name;
    char why[1024] = "";
    int r;

    command_errors_into(why, sizeof(why));
    r = records_asker_new(&asker, d->config);
    command_errors_into(NULL, 0);
    if (r != COMMAND_OK) {
        doctor_find(d, DOCTOR_ERROR, "dns", "see dns in the configuration", "%s", why);
        return;
    }
    r = records_add(&names, RECORDS_PROBE, "", NULL, false);
    if (r == 0)
        r = records_ask(asker, &names);
    if (r != 0) {
        doctor_find(d, DOCTOR_ERROR, "dns", NULL, "%s", dive_strerror(r));
        goto out;
    }
    name = &names.v[0];
    switch (name->security) {
    case DIVE_DNS_SECURE:
        doctor_find(d, DOCTOR_OK, "dns", NULL, "answers about the root are validated");
        break;
    case DIVE_DNS_BOGUS:
        doctor_find(
            d, DOCTOR_ERROR, "dns", "is the clock right, and dns.trust-anchor-file of today?",
            "answers about the root fail validation: %s", name->why != NULL ? name->why : "bogus");
        break;
    case DIVE_DNS_INSECURE:
        doctor_find(d, DOCTOR_ERROR, "dns", "name a trust anchor: dns.trust-anchor-file",
                    "nothing is validated: no policy can count");
        break;
    case DIVE_DNS_NO_ANSWER:
        doctor_find(d, DOCTOR_ERROR, "dns",
                    d->config->dns.forward.n > 0
                        ? "dns.forward must be reached, and pass DNSSEC records on"
                        : "port 53 must be open outwards, or dns.forward name a resolver",
                    "no answer about the root: %s", name->why != NULL ? name->why : "time ran out");
        break;
    }
out:
    records_names_free(&names);
    records_asker_free(&asker);
}

void doctor_hold(struct doctor *d)
{
    const char *directory = d->config->hold.directory;
    unsigned long long room;
    struct statvfs st;

    if (statvfs(directory, &st) != 0) {
        doctor_find(d, errno == EACCES ? DOCTOR_NOTE : DOCTOR_ERROR, "hold",
                    errno == EACCES ? "try again as root"
                                    : "make it, or name another in hold.directory",
                    "%s: %s", directory, strerror(errno));
        return;
    }
    room = (unsigned long long)st.f_bavail * st.f_frsize;
    if (st.f_flag & ST_RDONLY)
        doctor_find(d, DOCTOR_ERROR, "hold", "name another in hold.directory",
                    "%s can't be written to: the file system is read-only", directory);
    else if (room < SPACE_NONE || st.f_favail == 0)
        doctor_find(d, DOCTOR_ERROR, "hold", "make room, or name another in hold.directory",
                    "%s has no room for what is held: %llu MiB", directory, room >> 20);
    else if (room < SPACE_LOW)
        doctor_find(d, DOCTOR_WARNING, "hold", "make room, or name another in hold.directory",
                    "%s has %llu MiB: larger downloads can't be held and are refused", directory,
                    room >> 20);
    else
        doctor_find(d, DOCTOR_OK, "hold", NULL, "%s has %llu MiB for what is held", directory,
                    room >> 20);
}
