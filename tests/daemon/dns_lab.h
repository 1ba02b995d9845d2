/* SPDX-License-Identifier: BSD-2-Clause
 *
 * dns_lab: a real authoritative server for the unit tests of dns/ and origin/: knotd on a high port
 * of loopback, with zones that it signs itself, and a UDP relay in front of it on the test's own
 * loop that counts, loses or spoils single queries. Each test starts its own and ends it by its
 * process id.
 *
 *      lab.example         signed, its DS is the trust anchor
 *      plain.lab.example   unsigned, delegated without DS: provably insecure
 *      bogus.example       signed, but the anchor holds another key's DS
 *      free.example        unsigned, under no anchor
 *      lab.test            unsigned, in a zone that libunbound would answer itself
 */
#ifndef TESTS_DAEMON_DNS_LAB_H
#define TESTS_DAEMON_DNS_LAB_H

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/loop.h"
#include "dns/resolver.h"

#define LAB_UNUSED __attribute__((unused))

enum lab_fault { LAB_NONE, LAB_DROP, LAB_SERVFAIL };

struct dns_lab {
    char dir[64];
    char anchor[96];
    char address[64]; /* of the relay: "127.0.0.1@port" */
    pid_t pid;
    struct sockaddr_in server;
    struct loop *loop;
    struct event *event;
    int fd;       /* the relay's */
    int upstream; /* connected to knotd */
    /* the fault hits queries whose name begins with `fault_name`, of `fault_type` (0: any) */
    enum lab_fault fault;
    char fault_name[64];
    int fault_type;
    /* TXT queries seen whose name begins with `count_name` */
    char count_name[64];
    int count;
    struct resolver_stub stub[5];
    struct resolver_config config; /* ready for resolver_new() */
};

static const char lab_knot_conf[] =
    "server:\n    listen: [ 127.0.0.1@%d ]\n    rundir: \"%s\"\n    udp-workers: 1\n"
    "    tcp-workers: 1\n    background-workers: 1\n"
    "database:\n    storage: \"%s\"\n    journal-db-max-size: 10M\n    kasp-db-max-size: 10M\n"
    "    timer-db-max-size: 10M\n    catalog-db-max-size: 10M\n"
    "policy:\n  - id: p\n    algorithm: ed25519\n    single-type-signing: on\n"
    "template:\n  - id: default\n    storage: \"%s\"\n    file: \"%%s.zone\"\n"
    "    zonefile-sync: -1\n    journal-content: none\n    zonefile-load: whole\n"
    "zone:\n"
    "  - domain: lab.example.\n    dnssec-signing: on\n    dnssec-policy: p\n"
    "  - domain: bogus.example.\n    dnssec-signing: on\n    dnssec-policy: p\n"
    "  - domain: plain.lab.example.\n  - domain: free.example.\n  - domain: lab.test.\n"
    "log:\n  - target: \"%s/log\"\n    any: info\n";

#define LAB_SOA                                                                                    \
    "@ 300 IN SOA ns hostmaster 1 3600 600 86400 60\n@ 300 IN NS ns\nns 300 A 127.0.0.1\n"

/* clang-format off */
static const char *const lab_zones[][2] = {
    {"lab.example", LAB_SOA
     "_dive 300 TXT \"v=\\\"dive-draft-01\\\"\" \", scopes=(\\\"strict\\\")\"\n"
     "two 300 TXT \"first\"\ntwo 300 TXT \"second\"\n"
     "fresh 300 TXT \"fresh\"\nother 300 TXT \"other\"\n"
     "www 300 A 192.0.2.1\nwww 300 A 192.0.2.2\nwww 300 AAAA 2001:db8::1\n"
     "alias 300 CNAME www.free.example.\nlocal 30 CNAME www\n"
     "loop 300 A 127.0.0.1\nloop 300 AAAA ::1\nv4 300 A 127.0.0.1\n"
     "six 300 AAAA ::1\n"
     "plain 300 NS ns.plain\nns.plain 300 A 127.0.0.1\n"},
    {"plain.lab.example", LAB_SOA "_dive 300 TXT \"unsigned\"\nwww 300 A 127.0.0.1\n"},
    {"bogus.example", LAB_SOA "_dive 300 TXT \"bogus\"\nwww 300 A 127.0.0.1\n"},
    {"free.example", LAB_SOA "_dive 300 TXT \"free\"\nwww 300 A 127.0.0.1\n"},
    {"lab.test", LAB_SOA "www 300 A 127.0.0.1\n"},
};
/* clang-format on */

static void lab_write(const char *dir, const char *name, const char *text)
{
    char path[160];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static const char *lab_knotd(void)
{
    static const char *const paths[] = {"/usr/sbin/knotd", "/usr/local/sbin/knotd"};

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (access(paths[i], X_OK) == 0)
            return paths[i];
    }
    return NULL;
}

static int lab_udp_socket(struct sockaddr_in *out)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof *out;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    cr_assert_geq(fd, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)out, &n), 0);
    return fd;
}

/* The question's name and type. */
static bool lab_question(const uint8_t *packet, size_t n, char name[256], int *type)
{
    size_t at = 12, to = 0;

    while (at < n && packet[at] != 0) {
        size_t length = packet[at++];

        if (length > 63 || at + length > n || to + length + 1 > 255)
            return false;
        memcpy(name + to, packet + at, length);
        to += length;
        name[to++] = '.';
        at += length;
    }
    name[to] = '\0';
    if (at + 5 > n)
        return false;
    *type = packet[at + 1] << 8 | packet[at + 2];
    return true;
}

static bool lab_hits(const char *prefix, const char *name)
{
    return prefix[0] != '\0' && strncasecmp(prefix, name, strlen(prefix)) == 0;
}

static void lab_relay(evutil_socket_t fd, short what, void *arg)
{
    struct dns_lab *lab = arg;
    struct sockaddr_in from;
    socklen_t from_length = sizeof from;
    uint8_t packet[4096];
    char name[256];
    int type = 0;
    ssize_t n = recvfrom(fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &from_length);

    if (n < 12 || !lab_question(packet, (size_t)n, name, &type))
        return;
    if (type == 16 && lab_hits(lab->count_name, name))
        lab->count++;
    if (lab->fault != LAB_NONE && lab_hits(lab->fault_name, name) &&
        (lab->fault_type == 0 || lab->fault_type == type)) {
        if (lab->fault == LAB_DROP)
            return;
        packet[2] |= 0x80;
        packet[3] = (uint8_t)((packet[3] & 0xf0) | 2);
    } else {
        send(lab->upstream, packet, (size_t)n, 0);
        n = recv(lab->upstream, packet, sizeof packet, 0);
        if (n < 12)
            return;
    }
    sendto(fd, packet, (size_t)n, 0, (struct sockaddr *)&from, from_length);
}

/* Waits until knotd answers for all zones. */
static void lab_wait(struct dns_lab *lab)
{
    static const uint8_t query[] = "\x12\x34\0\0\0\1\0\0\0\0\0\0\5bogus\7example\0\0\x30\0\1";
    uint8_t answer[4096];

    for (int i = 0; i < 100; i++) {
        ssize_t n;

        usleep(50000);
        send(lab->upstream, query, sizeof query - 1, 0);
        n = recv(lab->upstream, answer, sizeof answer, MSG_DONTWAIT);
        if (n < 0) {
            usleep(20000);
            n = recv(lab->upstream, answer, sizeof answer, MSG_DONTWAIT);
        }
        if (n > 12 && (answer[3] & 15) == 0 && answer[7] > 0) {
            usleep(100000); /* the other zones; answers to earlier questions */
            while (recv(lab->upstream, answer, sizeof answer, MSG_DONTWAIT) > 0)
                ;
            return;
        }
    }
    cr_assert_fail("knotd did not answer; see %s/log", lab->dir);
}

static void lab_read_anchor(struct dns_lab *lab)
{
    char command[300], line[512];
    FILE *keys, *anchor;
    int lines = 0;

    snprintf(command, sizeof command, "/usr/sbin/keymgr -c %s/knot.conf lab.example. ds", lab->dir);
    keys = popen(command, "re");
    anchor = fopen(lab->anchor, "w");
    cr_assert(keys && anchor);
    while (fgets(line, sizeof line, keys)) {
        lines++;
        fputs(line, anchor);
    }
    pclose(keys);
    cr_assert_gt(lines, 0, "keymgr printed no DS");
    fputs("; the DS of a key that doesn't exist\nbogus.example. IN DS 4711 15 2 ( "
          "5f7a691b0981d1bd793df94b9af2b66c4958222\n 39f2c4d8b8f37f17892e2a7d7 )\n",
          anchor);
    fclose(anchor);
}

static void lab_configure(struct dns_lab *lab, in_port_t relay_port)
{
    snprintf(lab->address, sizeof lab->address, "127.0.0.1@%d", ntohs(relay_port));
    for (size_t i = 0; i < sizeof lab_zones / sizeof lab_zones[0]; i++)
        lab->stub[i] = (struct resolver_stub){lab_zones[i][0], lab->address};
    lab->config = (struct resolver_config){
        .trust_anchor_file = lab->anchor,
        .stub = lab->stub,
        .stub_count = sizeof lab_zones / sizeof lab_zones[0],
        .timeout_ms = 3000,
    };
}

/* Skips the test, loudly, when there is no knotd. `lab` must outlive the loop's use of it. */
static LAB_UNUSED void lab_start(struct dns_lab *lab, struct loop *loop)
{
    struct sockaddr_in relay;
    char conf[2048], path[128];
    const char *knotd = lab_knotd();
    int probe;

    if (!knotd) {
        fprintf(stderr, "SKIPPED: needs knotd (package knot), which is not installed\n");
        cr_skip_test("knotd is not installed");
    }
    *lab = (struct dns_lab){.loop = loop};
    snprintf(lab->dir, sizeof lab->dir, "/tmp/dived-dns-lab.XXXXXX");
    cr_assert_not_null(mkdtemp(lab->dir));
    snprintf(lab->anchor, sizeof lab->anchor, "%s/anchor", lab->dir);
    probe = lab_udp_socket(&lab->server); /* a free port, most likely for TCP too */
    close(probe);
    snprintf(conf, sizeof conf, lab_knot_conf, ntohs(lab->server.sin_port), lab->dir, lab->dir,
             lab->dir, lab->dir);
    lab_write(lab->dir, "knot.conf", conf);
    for (size_t i = 0; i < sizeof lab_zones / sizeof lab_zones[0]; i++) {
        snprintf(path, sizeof path, "%s.zone", lab_zones[i][0]);
        lab_write(lab->dir, path, lab_zones[i][1]);
    }
    snprintf(path, sizeof path, "%s/knot.conf", lab->dir);
    lab->pid = fork();
    cr_assert_geq(lab->pid, 0);
    if (lab->pid == 0) {
        int null = open("/dev/null", O_RDWR);

        prctl(PR_SET_PDEATHSIG, SIGTERM); /* a failed assertion never comes to lab_stop() */
        dup2(null, 1);
        dup2(null, 2);
        execl(knotd, knotd, "-c", path, (char *)NULL);
        _exit(127);
    }
    lab->upstream = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(lab->upstream, (struct sockaddr *)&lab->server, sizeof lab->server), 0);
    lab_wait(lab);
    setsockopt(lab->upstream, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){2, 0},
               sizeof(struct timeval));
    lab_read_anchor(lab);
    lab->fd = lab_udp_socket(&relay);
    lab_configure(lab, relay.sin_port);
    lab->event = event_new(loop->base, lab->fd, EV_READ | EV_PERSIST, lab_relay, lab);
    event_add(lab->event, NULL);
}

static LAB_UNUSED void lab_stop(struct dns_lab *lab)
{
    char command[128];

    event_free(lab->event);
    close(lab->fd);
    close(lab->upstream);
    kill(lab->pid, SIGTERM);
    waitpid(lab->pid, NULL, 0);
    snprintf(command, sizeof command, "rm -rf '%s'", lab->dir);
    cr_assert_eq(system(command), 0);
}

/* Turns the loop until `*flag` is `value`, for `ms` at most. */
static LAB_UNUSED bool lab_until(struct loop *loop, const int *flag, int value, int64_t ms)
{
    int64_t end = loop_now_ms(loop) + ms;

    while (*flag != value && loop_now_ms(loop) < end) {
        event_base_loopexit(loop->base, &(struct timeval){0, 2000});
        event_base_loop(loop->base, EVLOOP_ONCE);
    }
    return *flag == value;
}

static LAB_UNUSED void lab_turn(struct loop *loop, int64_t ms)
{
    int never = 0;

    (void)lab_until(loop, &never, 1, ms);
}

#endif
