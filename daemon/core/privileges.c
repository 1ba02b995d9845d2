/* SPDX-License-Identifier: BSD-2-Clause
 *
 * privileges: see privileges.h.
 */
#include "core/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A number stands for itself: containers have users without names. */
static bool as_number(const char *text, unsigned *out)
{
    char *end;
    unsigned long n;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    n = strtoul(text, &end, 10);
    *out = (unsigned)n;
    return errno == 0 && *end == '\0' && n < 0xffffffffUL;
}

int privileges_find(struct privileges *out, const char *user, const char *group, char *why,
                    size_t why_size)
{
    const struct passwd *pw = NULL;
    const struct group *gr = NULL;
    unsigned number;

    out->change = user != NULL || group != NULL;
    out->uid = geteuid();
    out->gid = getegid();
    if (user != NULL) {
        pw = as_number(user, &number) ? getpwuid(number) : getpwnam(user);
        if (pw == NULL && !as_number(user, &number)) {
            snprintf(why, why_size, "process.user: there is no user %.64s", user);
            return DIVE_E_NOT_FOUND;
        }
        out->uid = pw != NULL ? pw->pw_uid : number;
        out->gid = pw != NULL ? pw->pw_gid : number;
    }
    if (group != NULL) {
        gr = as_number(group, &number) ? NULL : getgrnam(group);
        if (gr == NULL && !as_number(group, &number)) {
            snprintf(why, why_size, "process.group: there is no group %.64s", group);
            return DIVE_E_NOT_FOUND;
        }
        out->gid = gr != NULL ? gr->gr_gid : number;
    }
    return 0;
}

/* The capabilities that are to be left, in libcap-ng's state; those of now are looked at first. */
static void choose(unsigned keep)
{
    bool low = capng_have_capability(CAPNG_PERMITTED, CAP_NET_BIND_SERVICE) == 1;
    bool raw = capng_have_capability(CAPNG_PERMITTED, CAP_NET_RAW) == 1;
    bool admin = capng_have_capability(CAPNG_PERMITTED, CAP_NET_ADMIN) == 1;
    const capng_type_t both = CAPNG_EFFECTIVE | CAPNG_PERMITTED;

    capng_clear(CAPNG_SELECT_ALL);
    if ((keep & PRIVILEGE_LOW_PORTS) != 0 && low)
        capng_update(CAPNG_ADD, both, CAP_NET_BIND_SERVICE);
    if ((keep & PRIVILEGE_TRANSPARENT) != 0 && (raw || admin))
        capng_update(CAPNG_ADD, both, raw ? CAP_NET_RAW : CAP_NET_ADMIN);
}

static bool is_already(const struct privileges *privileges)
{
    uid_t ruid, euid, suid;
    gid_t rgid, egid, sgid;

    return getresuid(&ruid, &euid, &suid) == 0 && getresgid(&rgid, &egid, &sgid) == 0 &&
           ruid == privileges->uid && euid == ruid && suid == ruid && rgid == privileges->gid &&
           egid == rgid && sgid == rgid;
}

int privileges_drop(const struct privileges *privileges, char *why, size_t why_size)
{
    bool change = privileges->change && !is_already(privileges);
    int r;

    if (capng_get_caps_process() != 0) {
        snprintf(why, why_size, "the capabilities of this process can't be read");
        return DIVE_E_STATE;
    }
    if (!change && capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE)
        return 0;
    if (change && capng_have_capability(CAPNG_EFFECTIVE, CAP_SETUID) != 1) {
        snprintf(why, why_size,
                 "process.user: only root can become user %u and group %u; start dived as root, or "
                 "as that user",
                 (unsigned)privileges->uid, (unsigned)privileges->gid);
        return DIVE_E_STATE;
    }
    r = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
    choose(privileges->keep);
    if (change)
        r = capng_change_id(
            (int)privileges->uid, (int)privileges->gid,
            (getpwuid(privileges->uid) != NULL ? CAPNG_INIT_SUPP_GRP : CAPNG_DROP_SUPP_GRP) |
                CAPNG_CLEAR_BOUNDING);
    else
        r = capng_apply(r == 1 ? CAPNG_SELECT_ALL : CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT);
    if (r == 0)
        return 0;
    snprintf(why, why_size, "privileges can't be dropped (libcap-ng: %d): %s", r, strerror(errno));
    return DIVE_E_STATE;
}
