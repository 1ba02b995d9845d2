/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl fetch: a download that has its name only once it is whole and judged (part.h).
 */
#include <stdio.h>
#include <unistd.h>

#include "cmd/file_name.h"
#include "cmd/transfer.h"
#include "http/url.h"

/* -o, or the URL's own name. 0, or COMMAND_USAGE when that was told. */
static int fetch_name(const struct transfer *t, char name[FILE_NAME_SIZE], const char **out)
{
    struct http_url url;
    int r;

    *out = t->output;
    if (t->output != NULL) {
        if (t->output[0] != '\0')
            return 0;
        command_error("-o: a file name is needed");
        return COMMAND_USAGE;
    }
    if (http_url_parse(&url, dive_span_str(t->download.url)) != 0)
        return COMMAND_USAGE;
    r = file_name_from_path(url.path, name);
    http_url_clear(&url);
    *out = name;
    if (r == 0)
        return 0;
    command_error("the URL ends in no name that a file can safely have; -o FILE gives one");
    return COMMAND_USAGE;
}

static void fetch_print(const struct transfer *t, const struct download_result *result,
                        const char *file, int code, bool left)
{
    FILE *to = strcmp(file, "-") == 0 || code != COMMAND_OK ? stderr : stdout;

    if (result->end == DOWNLOAD_FAILED) {
        command_error("%s", result->error);
    } else if (!t->quiet || code != COMMAND_OK) {
        /* The name is the user's own or has no control characters (file_name.h). */
        fprintf(to, "%s: %llu bytes", file, (unsigned long long)result->bytes);
        if (result->resumed > 0)
            fprintf(to, " (%llu of them from an earlier run)", (unsigned long long)result->resumed);
        fputs(code == COMMAND_OK ? ". " : ", not kept. ", to);
        transfer_print_decision(to, t, result);
    }
    if (result->end == DOWNLOAD_REJECTED)
        fputs("`divectl verify` tells what was checked.\n", stderr);
    if (left)
        fprintf(stderr, "What has arrived is kept; the same command goes on with it.\n");
}

/* To standard error when standard output is the content's. */
static int fetch_print_json(const json_t *object, const char *file)
{
    if (object == NULL)
        return EX_OSERR;
    if (strcmp(file, "-") != 0)
        return command_print_json(object);
    return json_dumpf(object, stderr, JSON_INDENT(2)) == 0 && fputc('\n', stderr) != EOF
               ? COMMAND_OK
               : EX_OSERR;
}

static int fetch_finish(struct transfer *t, struct download_result *result, const char *file)
{
    int code = transfer_exit(t, result), r = COMMAND_OK;
    bool left;

    if (code == COMMAND_OK) {
        code = part_commit(t->download.part);
        if (code != COMMAND_OK) {
            result->end = DOWNLOAD_FAILED;
            result->exit = code;
            snprintf(result->error, sizeof(result->error), "%s", part_error(t->download.part));
        }
    }
    left = part_close(&t->download.part, result->end == DOWNLOAD_FAILED && result->can_resume);
    if (t->common.json) {
        json_t *object =
            transfer_json(t, result, code == COMMAND_OK && strcmp(file, "-") != 0 ? file : NULL);

        r = fetch_print_json(object, file);
        json_decref(object);
        if (result->end == DOWNLOAD_FAILED)
            command_error("%s", result->error);
    } else {
        fetch_print(t, result, file, code, left);
    }
    if (fflush(stdout) != 0)
        r = EX_IOERR;
    return code != COMMAND_OK ? code : r;
}

int command_fetch(const struct command *command, int argc, char **argv)
{
    struct download_result result = {0};
    struct transfer transfer;
    char name[FILE_NAME_SIZE];
    const char *file = NULL;
    int r = transfer_open(&transfer, command, argc, argv, true);

    if (r == 0)
        r = fetch_name(&transfer, name, &file);
    if (r == 0 && strcmp(file, "-") == 0 && isatty(STDOUT_FILENO))
        transfer.download.quiet = true; /* one terminal for both */
    if (r == 0)
        r = part_open(&transfer.download.part, file, transfer.force);
    if (r == 0) {
        transfer.download.resume = !transfer.no_resume;
        download_run(transfer.runtime, &transfer.download, &result);
        r = fetch_finish(&transfer, &result, file);
    }
    download_result_clear(&result);
    transfer_clear(&transfer);
    return r < 0 ? COMMAND_OK : r;
}
