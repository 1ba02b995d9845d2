/* SPDX-License-Identifier: BSD-2-Clause
 *
 * wire: see wire.h.
 */
#include "keeper/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int wire_send_descriptor(int fd, const void *message, size_t n, int sent)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {(void *)(uintptr_t)message, n};
    struct msghdr whole = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t done;

    if (sent >= 0) {
        whole.msg_control = &control;
        whole.msg_controllen = sizeof(control.space);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &sent, sizeof(int));
    }
    do {
        done = sendmsg(fd, &whole, MSG_NOSIGNAL);
    } while (done < 0 && errno == EINTR);
    return done == (ssize_t)n ? 0 : -1;
}

int wire_receive_descriptor(int fd, void *message, size_t size, int *received)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {message, size};
    struct msghdr whole = {.msg_iov = &part, .msg_iovlen = 1};
    const struct cmsghdr *header;
    ssize_t n;
    int got = -1;

    if (received != NULL) {
        *received = -1;
        whole.msg_control = &control;
        whole.msg_controllen = sizeof(control.space);
    }
    do {
        n = recvmsg(fd, &whole, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    header = n >= 0 && received != NULL ? CMSG_FIRSTHDR(&whole) : NULL;
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&got, CMSG_DATA(header), sizeof(int));
    if (n >= 0 && (whole.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        if (got >= 0)
            close(got);
        errno = EMSGSIZE;
        return -1;
    }
    if (received != NULL)
        *received = got;
    return (int)n;
}

int wire_send(int fd, const void *message, size_t n)
{
    return wire_send_descriptor(fd, message, n, -1);
}

int wire_receive(int fd, void *message, size_t size)
{
    return wire_receive_descriptor(fd, message, size, NULL);
}
