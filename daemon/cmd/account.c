/* SPDX-License-Identifier: BSD-2-Clause
 *
 * account: what came of a download, as JSON and for people (transfer.h). "Accepted" is said of
 * nothing but what a signature was verified for.
 */
#include <stdio.h>

#include "cmd/progress.h"
#include "cmd/transfer.h"

/* What was not verified is delivered, unless somebody asked for more. */
static bool refuses_unverified(const struct transfer *t, const struct download_result *result)
{
    return t->require || (result->not_supported &&
                          t->runtime->config->dive.unsupported == CONFIG_UNSUPPORTED_BLOCK);
}

int transfer_exit(const struct transfer *t, const struct download_result *result)
{
    switch (result->end) {
    case DOWNLOAD_ACCEPTED:
        return COMMAND_OK;
    case DOWNLOAD_UNVERIFIED:
    case DOWNLOAD_REPORT_ONLY:
        return refuses_unverified(t, result) ? COMMAND_NO : COMMAND_OK;
    case DOWNLOAD_REJECTED:
        return COMMAND_NO;
    case DOWNLOAD_FAILED:
        break;
    }
    return result->exit != COMMAND_OK ? result->exit : EX_SOFTWARE;
}

static const char *decision_word(const struct transfer *t, const struct download_result *result)
{
    bool delivered = result->end == DOWNLOAD_UNVERIFIED || result->end == DOWNLOAD_REPORT_ONLY;

    return delivered && refuses_unverified(t, result) ? "rejected" : download_end_word(result->end);
}

/* Of ours, in place of the trace's, where DIVE itself had no say. */
static const char *reason_word(const struct transfer *t, const struct download_result *result)
{
    if (result->reason != NULL)
        return result->reason;
    if (result->end == DOWNLOAD_UNVERIFIED && refuses_unverified(t, result))
        return result->not_supported ? "not-supported" : "not-covered";
    return "none";
}

json_t *transfer_json(const struct transfer *t, const struct download_result *result,
                      const char *file)
{
    json_t *object = result->trace != NULL ? json_copy(result->trace) : json_object();
    json_t *ours = json_pack(
        "{s:s, s:s?, s:i, s:I, s:I, s:s, s:b, s:s, s:s?, s:i, s:s?, s:O}", "url", t->download.url,
        "final-url", result->url, "status", result->status, "bytes", (json_int_t)result->bytes,
        "resumed", (json_int_t)result->resumed, "decision", decision_word(t, result), "verified",
        result->end == DOWNLOAD_ACCEPTED, "reason", reason_word(t, result), "failure",
        result->error[0] != '\0' && result->end != DOWNLOAD_ACCEPTED &&
                result->end != DOWNLOAD_UNVERIFIED
            ? result->error
            : NULL,
        "exit", transfer_exit(t, result), "file", file, "redirects", result->redirects);

    if (object == NULL || ours == NULL || json_object_update(object, ours) != 0) {
        json_decref(object);
        object = NULL;
    } else if (json_object_get(object, "verdict") == NULL &&
               json_object_set_new(object, "verdict", json_string("undecided")) != 0) {
        json_decref(object);
        object = NULL;
    }
    json_decref(ours);
    return object;
}

void transfer_print_decision(FILE *to, const struct transfer *t,
                             const struct download_result *result)
{
    const char *refused = refuses_unverified(t, result) ? "REJECTED: " : "";

    switch (result->end) {
    case DOWNLOAD_ACCEPTED:
        fprintf(to, "VERIFIED: signed with key %s, policy of %s\n",
                command_string(result->trace, "key-id"),
                command_string(json_object_get(result->trace, "policy"), "domain"));
        break;
    case DOWNLOAD_UNVERIFIED:
        fprintf(to, "%sNOT VERIFIED: %s\n", refused,
                result->not_supported
                    ? "the host has no DIVE policy, so nothing vouches for the content"
                    : "the host's DIVE policy does not cover it, so nothing vouches for the "
                      "content");
        break;
    case DOWNLOAD_REPORT_ONLY:
        fprintf(to,
                "%sNOT VERIFIED: %s: %s (the host's policy is report-only: failures don't block)\n",
                refused, result->reason, result->error);
        break;
    case DOWNLOAD_REJECTED:
        fprintf(to, "REJECTED: %s: %s\n", result->reason, result->error);
        break;
    case DOWNLOAD_FAILED:
        fprintf(to, "FAILED: %s\n", result->error);
        break;
    }
}

static void print_redirects(const json_t *redirects)
{
    const json_t *hop;
    size_t i;

    json_array_foreach(redirects, i, hop)
    {
        printf("redirect: %lld by ", command_number(hop, "status"));
        command_print_text(command_string(hop, "url"));
        printf("\n          (%s) to ", command_string(json_object_get(hop, "trace"), "verdict"));
        command_print_text(command_string(hop, "location"));
        putchar('\n');
    }
}

void transfer_print(const struct transfer *t, const struct download_result *result)
{
    char size[32];

    printf("url: ");
    command_print_text(t->download.url);
    putchar('\n');
    print_redirects(result->redirects);
    if (result->trace != NULL)
        command_print_trace(result->trace);
    progress_bytes(size, sizeof(size), result->bytes);
    if (result->status > 0)
        printf("content: %llu bytes (%s)\n", (unsigned long long)result->bytes, size);
    transfer_print_decision(stdout, t, result);
}
