/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl explain: a recorded failure report (draft-01 section 7.6) or trace (docs/trace.md) in
 * words. What is read comes from anywhere, so every member is checked for its type, and its text
 * reaches the terminal without control characters.
 */
#include "cmd/explain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/command.h"

#define INPUT_MAX (8 * 1024 * 1024) /* bytes */
#define WIDTH 78

/* Sentences are collected here, for text and JSON alike. */
struct story {
    json_t *sentences; /* strings */
    bool broken;
};

__attribute__((format(printf, 2, 3))) static void say(struct story *story, const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    if (text == NULL || json_array_append_new(story->sentences, json_string(text)) != 0)
        story->broken = true;
    free(text);
}

static const json_t *member(const json_t *object, const char *name)
{
    return json_object_get(object, name);
}

static bool is_true(const json_t *object, const char *name)
{
    return json_is_true(member(object, name));
}

static bool is_text(const json_t *object, const char *name)
{
    return json_is_string(member(object, name));
}

/* A failure report */

static void tell_report_key(struct story *story, const json_t *key)
{
    if (is_true(key, "found"))
        say(story, "The key %s was found at %s (%s%s%s).", command_string(key, "key-id"),
            command_string(key, "fqdn-queried"),
            is_true(key, "dnssec-validated") ? "validated" : "NOT validated by DNSSEC",
            is_text(key, "sig-algorithm") ? ", " : ", no valid key record",
            is_text(key, "sig-algorithm") ? command_string(key, "sig-algorithm") : "");
    else
        say(story, "The key %s was not found, at %s or above.", command_string(key, "key-id"),
            command_string(key, "fqdn-queried"));
}

static void tell_report_fields(struct story *story, const json_t *fields)
{
    const char *name;
    const json_t *value;
    size_t absent = 0;

    json_object_foreach((json_t *)fields, name, value)
    {
        absent += !json_is_string(value);
        say(story,
            json_is_string(value) ? "The response had the field %s."
                                  : "The response had no field %s.",
            name);
    }
    if (json_object_size(fields) > 0 && absent == json_object_size(fields))
        say(story, "So it was not signed at all.");
}

static const char *tell_report(struct story *story, const json_t *report)
{
    const json_t *policy = member(report, "policy"), *resource = member(report, "resource");
    const json_t *validation = member(report, "validation");
    const char *decision = command_string(validation, "final-decision");
    const json_t *key;
    size_t i;

    say(story, "%s %s was answered with status %lld.", command_string(resource, "method"),
        command_string(resource, "url"), command_number(resource, "status-code"));
    if (is_text(resource, "scope"))
        say(story, "It is within the scope \"%s\" of the policy at %s, which was %s by DNSSEC.",
            command_string(resource, "scope"), command_string(policy, "domain"),
            is_true(policy, "dnssec-validated") ? "validated" : "NOT validated");
    else
        say(story, "The policy of %s could not be found out: DNS gave no validated answer at %s.",
            command_string(policy, "fqdn"), command_string(policy, "domain"));
    tell_report_fields(story, member(report, "headers-received"));
    json_array_foreach(member(report, "key-resolution"), i, key) tell_report_key(story, key);
    if (is_text(validation, "hash-computed"))
        say(story, "The content's %s digest was %s.", command_string(validation, "hash-algorithm"),
            command_string(validation, "hash-computed"));
    if (strcmp(decision, "blocked") == 0)
        say(story, "The client %s blocked it.",
            command_string(member(report, "client"), "user-agent"));
    else
        say(story, "It was let through all the same (%s), as failures are only reported.",
            decision);
    return command_string(validation, "failure-reason");
}

/* A trace */

static void tell_lookup(struct story *story, const json_t *lookup)
{
    const char *security = command_string(lookup, "security");
    const json_t *records = member(lookup, "records"), *record;
    size_t n = json_array_size(records), i;

    if (strcmp(security, "secure") == 0 && n == 0)
        say(story, "DNS proved that nothing stands at %s.", command_string(lookup, "name"));
    else if (strcmp(security, "secure") == 0)
        say(story, "DNS gave %zu validated record%s at %s.", n, n == 1 ? "" : "s",
            command_string(lookup, "name"));
    else if (strcmp(security, "insecure") == 0)
        say(story, "%s is in a zone without DNSSEC, so whatever stands there counts as absent.",
            command_string(lookup, "name"));
    else if (strcmp(security, "bogus") == 0 || strcmp(security, "no-answer") == 0)
        say(story, "DNS gave no validated answer about %s: %s%s%s.", command_string(lookup, "name"),
            security, is_text(lookup, "why") ? ", " : "",
            is_text(lookup, "why") ? command_string(lookup, "why") : "");
    else
        say(story, "The answer about %s had not come yet.", command_string(lookup, "name"));
    json_array_foreach(records, i, record)
    {
        const json_t *fault = member(record, "fault");

        if (json_is_object(fault))
            say(story, "The record \"%s\" there is not usable: %s%s%s.",
                command_string(record, "text"),
                is_text(fault, "parameter") ? command_string(fault, "parameter") : "it", " ",
                command_string(fault, "text"));
    }
}

static void tell_trace_policy(struct story *story, const json_t *policy, const char *host)
{
    const char *state = command_string(policy, "state");
    const json_t *fault = member(policy, "fault");

    if (strcmp(state, "found") == 0)
        say(story, "The policy of %s (%s) applies to %s.", command_string(policy, "domain"),
            command_string(policy, "v"), host);
    else if (strcmp(state, "failed") == 0)
        say(story, "The search for a policy failed at %s (%s), so everything of %s is refused.",
            command_string(policy, "domain"), command_string(policy, "security"), host);
    else if (json_is_object(fault))
        say(story,
            "What stands at _dive.%s is no usable policy (%s), so DIVE is not supported for %s.",
            command_string(policy, "domain"), command_string(fault, "text"), host);
    else if (strcmp(state, "absent") == 0)
        say(story, "No policy stands at any level, so DIVE is not supported for %s.", host);
    else
        say(story, "The search for the policy had not ended.");
}

static void tell_entry(struct story *story, const json_t *entry)
{
    const char *outcome = command_string(entry, "outcome");
    const char *advice = explain_outcome(outcome);

    if (strcmp(outcome, "verified") == 0) {
        say(story, "The signature by the key %s verified.", command_string(entry, "key-id"));
        return;
    }
    say(story, "The signature entry %s by the key %s: %s%s%s%s%s.",
        is_text(entry, "label") ? command_string(entry, "label") : "",
        command_string(entry, "key-id"), command_string(entry, "text"),
        is_text(entry, "fault") ? ": " : "",
        is_text(entry, "fault") ? command_string(entry, "fault") : "",
        advice != NULL ? ". To do: " : "", advice != NULL ? advice : "");
}

static void tell_digest(struct story *story, const json_t *digest)
{
    if (!is_text(digest, "computed") || !is_text(digest, "listed"))
        return;
    say(story,
        strcmp(command_string(digest, "computed"), command_string(digest, "listed")) == 0
            ? "The content's %s digest is the one that the response lists."
            : "The content's %s digest is NOT the one that the response lists: the content was "
              "changed, or the field was.",
        command_string(digest, "algorithm"));
}

static void tell_each(struct story *story, const json_t *trace, const char *name,
                      void (*tell)(struct story *, const json_t *))
{
    const json_t *element;
    size_t i;

    json_array_foreach(member(trace, name), i, element) tell(story, element);
}

static const char *tell_trace(struct story *story, const json_t *trace)
{
    const json_t *response = member(trace, "response");
    const char *verdict = command_string(trace, "verdict");

    tell_each(story, trace, "lookups", tell_lookup);
    tell_trace_policy(story, member(trace, "policy"), command_string(trace, "host"));
    if (json_is_object(response))
        say(story, "The response had status %lld and was %s by the policy's scopes%s.",
            command_number(response, "status"), command_string(response, "coverage"),
            is_true(response, "complete") ? "" : "; its content had not ended");
    tell_each(story, trace, "entries", tell_entry);
    tell_each(story, trace, "digests", tell_digest);
    say(story, "The verdict is: %s%s%s%s%s.", verdict, is_text(trace, "note") ? ", " : "",
        is_text(trace, "note") ? command_string(trace, "note") : "",
        is_text(trace, "error") ? "; the verifier itself failed: " : "",
        is_text(trace, "error") ? command_string(trace, "error") : "");
    if (is_text(trace, "failed-before")) {
        say(story,
            "It was blocked without being loaded again: the same content had failed within the "
            "last seconds. The trace of that exchange has the proof.");
        return command_string(trace, "failed-before");
    }
    return command_string(trace, "reason");
}

/* Input and output */

static int load_stream(FILE *f, const char *name, json_t **out)
{
    char *text = malloc(INPUT_MAX + 1);
    json_error_t error;
    size_t n;
    int r = EX_DATAERR;

    *out = NULL;
    if (text == NULL) {
        command_error("memory ran out");
        return EX_OSERR;
    }
    n = fread(text, 1, INPUT_MAX + 1, f);
    if (ferror(f) != 0) {
        command_error("%s: %s", name, strerror(errno));
        r = EX_IOERR;
    } else if (n > INPUT_MAX) {
        command_error("%s: longer than %d bytes: no report and no trace", name, INPUT_MAX);
    } else if ((*out = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error)) == NULL) {
        command_error("%s:%d:%d: no JSON", name, error.line, error.column);
    } else {
        r = COMMAND_OK;
    }
    free(text);
    return r;
}

static int load(const char *path, json_t **out)
{
    FILE *f;
    int r;

    *out = NULL;
    if (path == NULL || strcmp(path, "-") == 0)
        return load_stream(stdin, "standard input", out);
    f = fopen(path, "re");
    if (f == NULL) {
        command_error("%s: %s", path, strerror(errno));
        return EX_NOINPUT;
    }
    r = load_stream(f, path, out);
    fclose(f);
    return r;
}

static bool is_report(const json_t *object)
{
    return is_text(object, "report-version") && json_is_object(member(object, "validation")) &&
           json_is_object(member(object, "resource"));
}

static bool is_trace(const json_t *object)
{
    return json_is_integer(member(object, "trace-version")) && is_text(object, "host") &&
           is_text(object, "verdict");
}

/* At WIDTH columns, each line behind `indent`. */
static void print_wrapped(const char *text, const char *first, const char *indent)
{
    size_t column = strlen(first);
    char word[4096];

    fputs(first, stdout);
    while (*text != '\0') {
        size_t n = strcspn(text, " ");
        size_t shown = n < sizeof(word) ? n : sizeof(word) - 1;

        memcpy(word, text, shown);
        word[shown] = '\0';
        if (column + n > WIDTH && column > strlen(indent)) {
            printf("\n%s", indent);
            column = strlen(indent);
        }
        command_print_text(word);
        text += shown;
        column += n;
        if (*text == ' ') {
            putchar(' ');
            text++;
            column++;
        }
    }
    putchar('\n');
}

static void print_story(const struct story *story, const char *word, const char *cause,
                        const char *remedy)
{
    const json_t *sentence;
    size_t i;

    json_array_foreach(story->sentences, i, sentence)
        print_wrapped(json_string_value(sentence), "- ", "  ");
    if (cause == NULL)
        return;
    printf("\n");
    command_print_text(word);
    printf("\n");
    print_wrapped(cause, "  Why: ", "  ");
    print_wrapped(remedy, "  What to do: ", "  ");
}

static int explain(const struct command_options *options, const json_t *object, const char *name)
{
    struct story story = {.sentences = json_array()};
    bool report = is_report(object);
    const char *word = report ? tell_report(&story, object) : tell_trace(&story, object);
    const char *cause = NULL, *remedy = NULL;
    enum dive_reason reason;
    json_t *out;
    int r = COMMAND_OK;

    if (explain_reason_from_word(word, &reason) != 0)
        say(&story, "The reason it gives, \"%s\", is none that the drafts know.", word);
    else if (reason != DIVE_REASON_NONE) {
        cause = explain_cause(reason);
        remedy = explain_remedy(reason);
    }
    if (story.broken || story.sentences == NULL) {
        command_error("%s: memory ran out, or it has text that can't be shown", name);
        r = EX_OSERR;
    } else if (options->json) {
        out = json_pack("{s:s, s:s, s:O, s:s?, s:s?}", "kind", report ? "report" : "trace",
                        "reason", word, "story", story.sentences, "cause", cause, "remedy", remedy);
        r = command_print_json(out);
        json_decref(out);
    } else {
        print_story(&story, word, cause, remedy);
    }
    json_decref(story.sentences);
    return r;
}

int command_explain(const struct command *command, int argc, char **argv)
{
    struct command_options options;
    const char *path, *name;
    const json_t *object;
    json_t *loaded = NULL;
    int r = command_parse(command, argc, argv, NULL, 0, 1, &options);

    if (r != 0)
        return r < 0 ? COMMAND_OK : r;
    path = options.argc > 0 ? options.argv[0] : NULL;
    name = path != NULL && strcmp(path, "-") != 0 ? path : "standard input";
    r = load(path, &loaded);
    if (r != COMMAND_OK)
        return r;
    /* What the control socket answers has the trace one level down. */
    object = json_is_object(member(loaded, "trace")) ? member(loaded, "trace") : loaded;
    if (is_report(object) || is_trace(object)) {
        r = explain(&options, object, name);
    } else {
        command_error(
            "%s: JSON, but neither a failure report (report-version, resource, validation) "
            "nor a trace (trace-version, host, verdict)",
            name);
        r = EX_DATAERR;
    }
    json_decref(loaded);
    return r;
}
