/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sign_secret: see sign_secret.h.
 */
#include "cmd/sign_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

static int open_secret(const char *path, bool insecure_permissions, int *fd)
{
    struct stat st;

    *fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (*fd < 0) {
        command_error("%s: %s", path, strerror(errno));
        return errno == EACCES ? EX_NOPERM : EX_NOINPUT;
    }
    if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) != 0 &&
        !insecure_permissions && strcmp(path, "-") != 0) {
        command_error("%s: others may read or write it (mode %04o); chmod 600, or "
                      "--insecure-key-permissions",
                      path, (unsigned)st.st_mode & 07777);
        close(*fd);
        *fd = -1;
        return EX_NOPERM;
    }
    return COMMAND_OK;
}

int sign_secret_read(const char *path, bool insecure_permissions, char *out, size_t size, size_t *n)
{
    ssize_t got = 0;
    char one_more;
    int fd;
    int r = open_secret(path, insecure_permissions, &fd);

    *n = 0;
    if (r != COMMAND_OK)
        return r;
    while (*n < size) {
        got = read(fd, out + *n, size - *n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        *n += (size_t)got;
    }
    if (got < 0) {
        command_error("%s: %s", path, strerror(errno));
        r = EX_NOINPUT;
    } else if (*n == size && read(fd, &one_more, 1) != 0) {
        command_error("%s: longer than any key", path);
        r = EX_DATAERR;
    }
    close(fd);
    return r;
}

int sign_secret_file(const char *path, bool insecure_permissions, char *out, size_t size)
{
    char text[LINE_MAX_BYTES];
    size_t n, line;
    const char *end;
    int r = sign_secret_read(path, insecure_permissions, text, sizeof(text), &n);

    if (r == COMMAND_OK) {
        end = memchr(text, '\n', n);
        line = end != NULL ? (size_t)(end - text) : n;
        if (line > 0 && text[line - 1] == '\r')
            line--;
        if (line == 0 || line >= size || memchr(text, '\0', line) != NULL) {
            command_error("%s: its first line is no passphrase or PIN", path);
            r = EX_DATAERR;
        } else {
            memcpy(out, text, line);
            out[line] = '\0';
        }
    }
    OPENSSL_cleanse(text, sizeof(text));
    return r;
}

/* Only there to end the read: the terminal has to get its echo back. */
static void on_interrupt(int number)
{
    (void)number;
}

/* One line from the terminal, without its end; -1 when there is none. The kernel edits the line:
 * one read is all of it. The interrupt is let in only by ppoll(), so that none is lost that comes
 * between the prompt and the wait. */
static int read_line(int tty, const char *what, char *out, size_t size)
{
    struct sigaction interrupt = {.sa_handler = on_interrupt}, old;
    struct pollfd ready = {.fd = tty, .events = POLLIN};
    sigset_t blocked, before, waiting;
    ssize_t n = -1;

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    waiting = before;
    sigdelset(&waiting, SIGINT);
    sigaction(SIGINT, &interrupt, &old);
    dprintf(tty, "Passphrase or PIN of %s: ", what);
    if (ppoll(&ready, 1, NULL, &waiting) == 1)
        n = read(tty, out, size);
    sigaction(SIGINT, &old, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (n <= 0 || out[n - 1] != '\n')
        return -1;
    out[n - 1] = '\0';
    return 0;
}

int sign_secret_prompt(const char *what, char *out, size_t size)
{
    struct termios old, quiet;
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    int r;

    if (tty < 0 || tcgetattr(tty, &old) != 0) {
        command_error("%s: a passphrase or PIN is needed, and there is no terminal to ask for it "
                      "(--passphrase-file, --pin-file)",
                      what);
        if (tty >= 0)
            close(tty);
        return EX_NOINPUT;
    }
    quiet = old;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(tty, TCSAFLUSH, &quiet);
    r = read_line(tty, what, out, size);
    tcsetattr(tty, TCSAFLUSH, &old);
    dprintf(tty, "\n");
    close(tty);
    if (r == 0)
        return COMMAND_OK;
    OPENSSL_cleanse(out, size);
    command_error("%s: no passphrase or PIN was given", what);
    return EX_NOINPUT;
}
