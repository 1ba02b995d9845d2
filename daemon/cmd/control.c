/* SPDX-License-Identifier: BSD-2-Clause
 *
 * control: one question to the running daemon over its control socket (admin/admin.h).
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/admin.h"
#include "cmd/command.h"
#include "core/buffer.h"

#define DEFAULT_SOCKET "/run/dived/control.sock"
#define ANSWER_MS 60000 /* a reload may have much to load */
#define READ_SIZE 4096

/* Where to ask, and how that was found. */
struct control_place {
    char *path;   /* malloc'd */
    char *origin; /* malloc'd, for messages; may be NULL */
};

static int control_find(const struct command_options *options, struct control_place *place)
{
    struct config *config = NULL;
    int r;

    if (options->socket != NULL) {
        place->path = strdup(options->socket);
        return place->path != NULL ? COMMAND_OK : EX_OSERR;
    }
    r = command_config(options, &config);
    if (r != COMMAND_OK) {
        command_error("so the running daemon was not asked; --socket PATH does without the file");
        return r;
    }
    if (config == NULL) {
        place->path = strdup(DEFAULT_SOCKET);
        place->origin = strdup("the default, as no configuration was found");
    } else if (config->admin.socket == NULL) {
        command_error("%s has no control socket (admin.socket: null)", config->file);
        r = EX_CONFIG;
    } else {
        place->path = strdup(config->admin.socket);
        if (asprintf(&place->origin, "admin.socket of %s", config->file) < 0)
            place->origin = NULL;
    }
    config_unref(&config);
    return r == COMMAND_OK && place->path == NULL ? EX_OSERR : r;
}

static int control_connect(const struct control_place *place, int *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, error;

    *out = -1;
    if (strlen(place->path) >= sizeof(address.sun_path)) {
        command_error("the path of the socket is too long: %s", place->path);
        return COMMAND_USAGE;
    }
    memcpy(address.sun_path, place->path, strlen(place->path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        command_error("%s", strerror(errno));
        return EX_OSERR;
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
        *out = fd;
        return COMMAND_OK;
    }
    error = errno;
    close(fd);
    command_error("no daemon answers on %s (%s): %s", place->path,
                  place->origin != NULL ? place->origin : "as given", strerror(error));
    if (error == EACCES || error == EPERM) {
        command_error("only the daemon's user and root may ask it");
        return EX_NOPERM;
    }
    command_error("is dived running? Name its configuration with -c FILE, or --socket PATH");
    return EX_UNAVAILABLE;
}

static int control_send(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return -1;
        text += sent;
        n -= (size_t)sent;
    }
    return 0;
}

/* Reads one line. 0, or -1 and *why. */
static int control_receive(int fd, struct buffer *in, const char **why)
{
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        char *to = buffer_reserve(in, READ_SIZE, ADMIN_ANSWER_MAX + READ_SIZE);
        ssize_t n;
        int r;

        *why = "its answer is too long";
        if (to == NULL)
            return -1;
        r = poll(&wait, 1, ANSWER_MS);
        if (r < 0 && errno == EINTR)
            continue;
        *why = "it gave no answer in time";
        if (r == 0)
            return -1;
        n = recv(fd, to, READ_SIZE, 0);
        if (n < 0 && errno == EINTR)
            continue;
        *why = "it ended the connection";
        if (n <= 0)
            return -1;
        buffer_written(in, (size_t)n);
        if (memchr(to, '\n', (size_t)n) != NULL)
            return 0;
    }
}

static int control_exchange(int fd, const char *request, json_t **answer)
{
    struct buffer in = {0};
    const char *why = "it takes no request";
    int r = EX_PROTOCOL;

    if (control_send(fd, request, strlen(request)) != 0 || control_receive(fd, &in, &why) != 0) {
        command_error("the daemon is there, but %s", why);
        goto out;
    }
    *answer = json_loadb(buffer_data(&in), buffer_length(&in), JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_boolean(json_object_get(*answer, "ok"))) {
        command_error("the daemon's answer makes no sense: is it another version?");
        json_decref(*answer);
        *answer = NULL;
        goto out;
    }
    r = COMMAND_OK;
out:
    buffer_release(&in);
    return r;
}

/* The request as one line, malloc'd; NULL without memory. */
static char *control_line(const json_t *request)
{
    char *json = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
    char *line = NULL;

    if (json != NULL && asprintf(&line, "%s\n", json) < 0)
        line = NULL;
    free(json);
    return line;
}

int command_request(const struct command_options *options, json_t *request, json_t **answer)
{
    struct control_place place = {0};
    char *line = control_line(request);
    int fd = -1;
    int r = COMMAND_USAGE;

    *answer = NULL;
    if (line == NULL) {
        command_error("this can't be asked"); /* what was to be sent is no UTF-8, or no memory */
        goto out;
    }
    r = control_find(options, &place);
    if (r == COMMAND_OK)
        r = control_connect(&place, &fd);
    if (r == COMMAND_OK)
        r = control_exchange(fd, line, answer);
out:
    if (fd >= 0)
        close(fd);
    json_decref(request);
    free(line);
    free(place.path);
    free(place.origin);
    return r;
}

int command_ask(const struct command_options *options, const char *name, const char *id,
                json_t **answer)
{
    return command_request(options,
                           id != NULL ? json_pack("{s:s, s:s}", "command", name, "id", id)
                                      : json_pack("{s:s}", "command", name),
                           answer);
}
