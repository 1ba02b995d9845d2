/* SPDX-License-Identifier: BSD-2-Clause
 *
 * notify: see notify.h.
 */
#include "core/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int notify_fd = -1;
static int64_t watchdog_ms;

/* A path, or "@name" in the abstract namespace. */
static void notify_connect(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t n = strlen(name);

    if ((name[0] != '/' && name[0] != '@') || n >= sizeof(address.sun_path))
        return;
    memcpy(address.sun_path, name, n + 1);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (notify_fd >= 0 &&
        connect(notify_fd, (const struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (name[0] != '@'))) != 0) {
        close(notify_fd);
        notify_fd = -1;
    }
}

void notify_init(void)
{
    const char *name = getenv("NOTIFY_SOCKET"), *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");

    if (name != NULL)
        notify_connect(name);
    watchdog_ms = 0;
    if (usec != NULL && (pid == NULL || atol(pid) == (long)getpid()))
        watchdog_ms = atoll(usec) / 1000;
    if (watchdog_ms < 0)
        watchdog_ms = 0;
}

static void notify_send(const char *text)
{
    if (notify_fd >= 0)
        (void)send(notify_fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void notify_ready(void)
{
    notify_send("READY=1");
}

void notify_reloading(void)
{
    struct timespec now;
    char text[80];

    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    notify_send(text);
}

void notify_stopping(void)
{
    notify_send("STOPPING=1");
}

void notify_status(const char *format, ...)
{
    char text[512] = "STATUS=";
    va_list args;

    va_start(args, format);
    vsnprintf(text + strlen("STATUS="), sizeof(text) - strlen("STATUS="), format, args);
    va_end(args);
    text[strcspn(text, "\n")] = '\0'; /* what follows would be another assignment */
    notify_send(text);
}

void notify_main_pid(pid_t pid)
{
    char text[40];

    snprintf(text, sizeof(text), "MAINPID=%ld", (long)pid);
    notify_send(text);
}

int64_t notify_watchdog_ms(void)
{
    return notify_fd >= 0 ? watchdog_ms : 0;
}

void notify_alive(void)
{
    notify_send("WATCHDOG=1");
}
