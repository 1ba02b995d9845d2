/* SPDX-License-Identifier: BSD-2-Clause
 *
 * notify: tells a service manager how the service is (sd_notify(3)): datagrams of "NAME=value"
 * lines to the socket that NOTIFY_SOCKET names. The protocol is small and promised to stay, so it
 * is spoken here rather than through a library; without NOTIFY_SOCKET nothing is sent.
 *
 * The socket is connected once, by notify_init(), before any thread: later the process may not be
 * allowed to. The others may be called by any thread. Nothing waits, nothing fails: a service
 * manager that doesn't listen is its own problem.
 */
#ifndef DIVED_CORE_NOTIFY_H
#define DIVED_CORE_NOTIFY_H

#include <stdint.h>
#include <sys/types.h>

void notify_init(void);

void notify_ready(void);
/* RELOADING=1 with MONOTONIC_USEC; ends with the next notify_ready(). */
void notify_reloading(void);
void notify_stopping(void);
/* One line of text for people. */
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Another process is the service from now on. It is to send nothing before this was sent. */
void notify_main_pid(pid_t pid);

/* How often the service manager wants a sign of life, in milliseconds; 0: it doesn't. */
int64_t notify_watchdog_ms(void);
void notify_alive(void);

#endif
