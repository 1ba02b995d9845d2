/* SPDX-License-Identifier: BSD-2-Clause
 *
 * transfer: see transfer.h.
 */
#include "cmd/transfer.h"

#include <signal.h>

#include "config/value.h"
#include "http/chars.h"
#include "http/url.h"
#include "http/writer.h"

/* What the proxy's defaults are, without what only a daemon has. */
static const char transfer_defaults[] = "version: 1\n"
                                        "interception: {enabled: false}\n"
                                        "admin: {socket: null, http: null}\n";

static int transfer_add_field(struct transfer *t, const char *text)
{
    static const char *const ours[] = {"host", "content-length", "range", "if-range", "expect",
                                       "te",   "trailer"};
    const char *colon = strchr(text, ':');
    struct dive_field *field = &t->fields[t->download.n_fields];

    if (colon == NULL)
        goto wrong;
    field->name = dive_span(text, (size_t)(colon - text));
    field->value = http_trim(dive_span_str(colon + 1));
    if (!http_name_is_valid(field->name) || !http_value_is_valid(field->value) ||
        http_field_is_hop_by_hop(field->name))
        goto wrong;
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (http_is_name(field->name, ours[i]))
            goto wrong;
    t->download.n_fields++;
    return 0;
wrong:
    command_error("--header: not 'Name: value', or a field that is not to be given");
    return COMMAND_USAGE;
}

/* Each of the numbers, if it was given. */
static int transfer_numbers(struct transfer *t, const char *timeout, const char *size,
                            const char *redirects)
{
    struct value_why why;
    int64_t n;

    if (timeout != NULL) {
        if (value_duration(timeout, &n, &why) != 0 || n < 1) {
            command_error("--timeout: %s is no duration such as 30s", timeout);
            return COMMAND_USAGE;
        }
        t->download.idle_ms = n;
    }
    if (size != NULL) {
        if (value_size(size, &n, &why) != 0 || n < 1) {
            command_error("--max-size: %s is no size such as 64MiB", size);
            return COMMAND_USAGE;
        }
        t->download.max_size = (uint64_t)n;
    }
    t->download.max_redirects = TRANSFER_REDIRECTS;
    if (redirects != NULL) {
        if (value_integer(redirects, &n, &why) != 0 || n > DOWNLOAD_REDIRECTS_MAX) {
            command_error("--max-redirects: %s is no number from 0 to %d", redirects,
                          DOWNLOAD_REDIRECTS_MAX);
            return COMMAND_USAGE;
        }
        t->download.max_redirects = (unsigned)n;
    }
    return 0;
}

static int transfer_check_url(const struct transfer *t)
{
    struct http_url url;

    if (http_url_parse(&url, dive_span_str(t->download.url)) != 0) {
        command_error("not an http or https URL (without user, password and fragment)");
        return COMMAND_USAGE;
    }
    http_url_clear(&url);
    return 0;
}

static int transfer_make_runtime(struct transfer *t)
{
    struct config_problems problems = {0};
    struct config *config = NULL;
    char why[512];
    int r = command_config(&t->common, &config);

    if (r != COMMAND_OK)
        return r;
    if (config == NULL) {
        r = config_parse("(defaults)", NULL, transfer_defaults, strlen(transfer_defaults), &config,
                         &problems);
        config_problems_free(&problems);
        if (r != 0) {
            command_error("%s", dive_strerror(r));
            return EX_OSERR;
        }
    }
    r = runtime_new_outgoing(&t->runtime, config, why, sizeof(why));
    if (r == 0)
        return 0;
    command_error("%s", why);
    return r == DIVE_E_NOMEM ? EX_OSERR : EX_CONFIG;
}

int transfer_open(struct transfer *t, const struct command *command, int argc, char **argv,
                  bool is_fetch)
{
    const char *timeout = NULL, *size = NULL, *redirects = NULL, *downgrade = NULL, *require = NULL,
               *quiet = NULL, *output = NULL, *force = NULL, *no_resume = NULL;
    struct command_list headers = {0};
    const struct command_option own[] = {
        {"H", true, NULL, &headers},
        {"header", true, NULL, &headers},
        {"timeout", true, &timeout},
        {"max-size", true, &size},
        {"max-redirects", true, &redirects},
        {"allow-downgrade", false, &downgrade},
        {"require", false, &require},
        {"q", false, &quiet},
        {"quiet", false, &quiet},
        {is_fetch ? "o" : NULL, true, &output}, /* what follows is fetch's */
        {"output", true, &output},
        {"force", false, &force},
        {"no-resume", false, &no_resume},
        {NULL},
    };
    int r;

    *t = (struct transfer){0};
    r = command_parse(command, argc, argv, own, 1, 1, &t->common);
    if (r != 0)
        return r;
    t->download.url = t->common.argv[0];
    t->download.fields = t->fields;
    t->download.allow_downgrade = downgrade != NULL;
    t->download.quiet = t->quiet = quiet != NULL;
    t->require = require != NULL;
    t->output = output;
    t->force = force != NULL;
    t->no_resume = no_resume != NULL;
    for (size_t i = 0; i < headers.n && r == 0; i++)
        r = transfer_add_field(t, headers.v[i]);
    if (r == 0)
        r = transfer_numbers(t, timeout, size, redirects);
    if (r == 0)
        r = transfer_check_url(t);
    if (r == 0)
        r = transfer_make_runtime(t);
    /* A reader that has left and a file that may not grow are errors of write(2), not the end. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    return r;
}

void transfer_clear(struct transfer *t)
{
    runtime_unref(&t->runtime);
}
