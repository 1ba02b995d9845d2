/* SPDX-License-Identifier: BSD-2-Clause
 *
 * upgrade: the means by which a running dived has another binary take its place: a process that can
 * still exec, and a channel between the two daemons. What they say to each other, and when who lets
 * go of what, is process/upgrade.c.
 *
 * The daemon itself may not exec: its sandbox forbids it, and should. So before the sandbox, and
 * before any thread, upgrade_launcher_start() forks the launcher: a process with nothing but the
 * program's own path, arguments and environment as they were at the start, and one socket to the
 * daemon. All that it can be asked for is to start that program once more with descriptors that
 * come along; path, arguments and environment are never taken from the socket. It ends with the
 * daemon.
 *
 *      daemon --listening sockets, one end of the channel--> launcher
 *                                                                       |  fork, fork, exec
 *      daemon <----------------- channel ----------------> successor <--+
 *
 * The launcher needs: recvmsg, fork, dup2, execve, wait4; the daemon: socketpair, sendmsg, poll,
 * read, write. Whoever writes a seccomp or Landlock profile for the daemon has to allow no more.
 */
#ifndef DIVED_CORE_UPGRADE_H
#define DIVED_CORE_UPGRADE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/error.h"

/* The program is what /proc/self/exe names now: the file that has this path at the time of an
 * upgrade is what will be started. Before any thread and before any restriction that is to be kept
 * off the successor; privileges that are dropped before it stay dropped. 0 or a negative DIVE_E*:
 * without a launcher there is no upgrade, everything else works. */
int upgrade_launcher_start(char **argv) DIVE_MUST_USE;

/* At the very end: has the launcher end, and waits for that. A service manager that finds it after
 * the daemon takes it for one that was left behind, and kills it. Nothing without a launcher. */
void upgrade_launcher_stop(void);

/* Has a successor started with these listening sockets (borrowed), each of them named in `names`
 * (":" between them, as LISTEN_FDNAMES). *channel: one end of a socket to it, the caller's; it
 * reads as ended when the successor has failed. Returns before it is known whether the program
 * could be started at all. Any thread, one at a time. 0 or a negative DIVE_E* and `why`. */
int upgrade_launch(const int *fds, size_t n, const char *names, int *channel, char *why,
                   size_t why_size) DIVE_MUST_USE;

/* In the successor: the other end of that channel, or -1: nobody is to be succeeded. Takes the
 * variable out of the environment; the descriptor is the caller's. */
int upgrade_channel(void);

#define UPGRADE_MESSAGE_MAX 1024
/* One message of the channel, a line of text without its newline. Send: 0 or -1. Receive: its
 * length; 0: the other side is gone; -1: nothing came within `timeout_ms`. */
int upgrade_send(int channel, const char *format, ...) __attribute__((format(printf, 2, 3)));
int upgrade_receive(int channel, char out[UPGRADE_MESSAGE_MAX], int timeout_ms) DIVE_MUST_USE;

#endif
