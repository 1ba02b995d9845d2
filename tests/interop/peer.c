/* SPDX-License-Identifier: BSD-2-Clause
 *
 * peer: libdive as the other implementations see it. Reads one JSON object a line from standard
 * input and answers each with one, in order:
 *
 *   {"op": "sf", "kind": "item|list|dictionary", "text"}
 *       -> {"error"} or {"members": [...], "text": its serialisation}
 *   {"op": "key", "text"}     -> {"error"} or {"algorithm", "key", "allowed", "cache"}
 *   {"op": "policy", "text"}  -> {"error"} or {"version", "strict", "scopes", ...}
 *   {"op": "verify", "host", "now", "txt": {name: text}, "request": {...}, "status",
 *    "fields": [[name, value]], "body": base64}
 *       -> {"verdict", "reason", "outcomes"}
 *
 * All answers of DNS are secure; what "txt" lacks is a proven absence. Exits with 1 at the first
 * line that it doesn't understand: a test that guesses is none.
 */
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/key_record.h"
#include "lib/policy_record.h"
#include "lib/sf.h"
#include "lib/verifier.h"

enum { FIELDS_MAX = 64 };

static void give_up(const char *why)
{
    fprintf(stderr, "peer: %s\n", why);
    exit(EXIT_FAILURE);
}

static struct dive_span text_of(const json_t *object, const char *member)
{
    const json_t *value = json_object_get(object, member);

    if (!json_is_string(value))
        give_up(member);
    return dive_span(json_string_value(value), json_string_length(value));
}

/* What one number, text or octet string becomes; octets in hexadecimal. */
static json_t *hex_json(struct dive_span octets)
{
    char *text = malloc(2 * octets.n + 1);
    json_t *out;

    if (!text)
        give_up("memory");
    text[0] = '\0';
    for (size_t i = 0; i < octets.n; i++)
        snprintf(text + 2 * i, 3, "%02x", (unsigned)(uint8_t)octets.p[i]);
    out = json_string(text);
    free(text);
    return out;
}

/* [type, value]. Numbers are both in thousandths: JavaScript has one type for them. */
static json_t *bare_json(const struct dive_sf_bare *bare)
{
    switch (bare->type) {
    case DIVE_SF_INTEGER:
        return json_pack("[sI]", "number", (json_int_t)(bare->integer * 1000));
    case DIVE_SF_DECIMAL:
        return json_pack("[sI]", "number", (json_int_t)bare->thousandths);
    case DIVE_SF_STRING:
        return json_pack("[ss%]", "string", bare->text.p, bare->text.n);
    case DIVE_SF_TOKEN:
        return json_pack("[ss%]", "token", bare->text.p, bare->text.n);
    case DIVE_SF_BYTES:
        return json_pack("[so]", "bytes", hex_json(bare->text));
    case DIVE_SF_BOOLEAN:
        return json_pack("[sb]", "boolean", bare->boolean);
    case DIVE_SF_DATE:
        return json_pack("[sI]", "date", (json_int_t)bare->integer);
    case DIVE_SF_DISPLAY:
        return json_pack("[so]", "display", hex_json(bare->text));
    }
    give_up("a type that there isn't");
    return NULL;
}

static json_t *params_json(const struct dive_sf_params *params)
{
    json_t *out = json_array();

    for (size_t i = 0; i < params->n; i++)
        json_array_append_new(out, json_pack("[s%o]", params->v[i].key.p, params->v[i].key.n,
                                             bare_json(&params->v[i].value)));
    return out;
}

static json_t *member_json(const struct dive_sf_member *m)
{
    json_t *items;

    if (!m->is_inner_list)
        return json_pack("[s%oo]", m->key.n ? m->key.p : "", m->key.n, bare_json(&m->bare),
                         params_json(&m->params));
    items = json_array();
    for (size_t i = 0; i < m->n_items; i++)
        json_array_append_new(items, json_pack("[oo]", bare_json(&m->items[i].bare),
                                               params_json(&m->items[i].params)));
    return json_pack("[s%[so]o]", m->key.n ? m->key.p : "", m->key.n, "list", items,
                     params_json(&m->params));
}

static json_t *error_json(int r)
{
    return json_pack("{ss}", "error", dive_strerror(r));
}

static json_t *answer_sf(const json_t *asked)
{
    struct dive_span kind = text_of(asked, "kind");
    struct dive_sf *sf = NULL;
    json_t *members, *answer;
    char *text = NULL;
    size_t len;
    int r = dive_sf_parse(&sf,
                          dive_span_eq(kind, "item")   ? DIVE_SF_ITEM
                          : dive_span_eq(kind, "list") ? DIVE_SF_LIST
                                                       : DIVE_SF_DICTIONARY,
                          text_of(asked, "text"), 0, NULL);

    if (r)
        return error_json(r);
    if (dive_sf_serialize(sf, &text, &len))
        give_up("what was parsed does not serialise");
    members = json_array();
    for (size_t i = 0; i < sf->n; i++)
        json_array_append_new(members, member_json(&sf->members[i]));
    answer = json_pack("{soss%}", "members", members, "text", text, len);
    free(text);
    dive_sf_free(&sf);
    return answer;
}

static json_t *answer_key(const json_t *asked)
{
    struct dive_key key;
    json_t *allowed = json_null();
    int r = dive_key_parse(&key, text_of(asked, "text"), NULL);

    if (r)
        return error_json(r);
    if (key.has_allowed_hash) {
        allowed = json_array();
        for (unsigned i = 0; i < DIVE_HASH_COUNT; i++)
            if (key.allowed_hashes & DIVE_HASH_BIT(i))
                json_array_append_new(allowed, json_string(dive_hash_record_name(i)));
    }
    return json_pack("{sssososI}", "algorithm", dive_algorithm_name(key.algorithm), "key",
                     hex_json(dive_span(key.bytes, key.len)), "allowed", allowed, "cache",
                     (json_int_t)key.cache);
}

static json_t *answer_policy(const json_t *asked)
{
    static struct dive_policy policy;
    json_t *scopes;
    int r = dive_policy_parse(&policy, text_of(asked, "text"), DIVE_VERSIONS_ALL, NULL);

    if (r)
        return error_json(r);
    scopes = json_array();
    for (size_t i = 0; i < policy.n_scopes; i++)
        json_array_append_new(scopes, json_string(policy.scopes[i]));
    return json_pack("{sssbsosbsbsIso?ss}", "version", dive_version_token(policy.version), "strict",
                     policy.strict, "scopes", scopes, "https", policy.https_required, "report_only",
                     policy.report_only, "cache", (json_int_t)policy.cache, "invalidate",
                     policy.has_invalidate_keys ? json_integer(policy.invalidate_keys)
                                                : json_null(),
                     "report_to", policy.report_to);
}

static size_t read_fields(const json_t *lines, struct dive_field *out)
{
    size_t n = json_array_size(lines);

    if (n > FIELDS_MAX)
        give_up("too many fields");
    for (size_t i = 0; i < n; i++) {
        const json_t *name = json_array_get(json_array_get(lines, i), 0);
        const json_t *value = json_array_get(json_array_get(lines, i), 1);

        if (!json_is_string(name) || !json_is_string(value))
            give_up("fields");
        out[i].name = dive_span(json_string_value(name), json_string_length(name));
        out[i].value = dive_span(json_string_value(value), json_string_length(value));
    }
    return n;
}

static struct dive_request read_request(const json_t *from, struct dive_field *lines)
{
    struct dive_request request = {.method = text_of(from, "method"),
                                   .scheme = text_of(from, "scheme"),
                                   .authority = text_of(from, "authority"),
                                   .path = text_of(from, "path"),
                                   .query = text_of(from, "query"),
                                   .target = text_of(from, "target")};

    request.fields.v = lines;
    request.fields.n = read_fields(json_object_get(from, "fields"), lines);
    return request;
}

static void answer_wants(struct dive_verifier *v, const json_t *txt, int64_t now)
{
    struct dive_want want;

    while (dive_verifier_next_want(v, &want)) {
        const json_t *text = json_object_get(txt, want.name);
        struct dive_span record = dive_span(json_string_value(text), json_string_length(text));
        struct dive_answer answer = {
            .security = DIVE_DNS_SECURE, .txt = &record, .n = text != NULL, .ttl = 300};

        if (dive_verifier_answer(v, want.id, &answer, now))
            give_up("an answer was not taken");
    }
}

static void feed(struct dive_verifier *v, struct dive_span base64)
{
    unsigned char *body = malloc(base64.n + 4);
    int n = 0;

    if (!body)
        give_up("memory");
    if (base64.n > 0) {
        n = EVP_DecodeBlock(body, (const unsigned char *)base64.p, (int)base64.n);
        while (n > 0 && base64.n > 0 && base64.p[base64.n - 1] == '=') {
            n--;
            base64.n--;
        }
    }
    if (n < 0)
        give_up("body");
    dive_verifier_body(v, body, (size_t)n);
    free(body);
}

static json_t *outcomes_of(const struct dive_verifier *v)
{
    char *text = NULL;
    json_t *trace;

    if (dive_verifier_trace(v, &text))
        give_up("no trace");
    trace = json_loads(text, 0, NULL);
    free(text);
    return trace;
}

static json_t *answer_verify(const json_t *asked)
{
    struct dive_options options = {.versions = DIVE_VERSIONS_ALL, .user_agent = "peer"};
    struct dive_field request_lines[FIELDS_MAX], response_lines[FIELDS_MAX];
    struct dive_request request = read_request(json_object_get(asked, "request"), request_lines);
    struct dive_response response = {.has_content = true, .fields = {response_lines, 0}};
    const json_t *txt = json_object_get(asked, "txt");
    int64_t now = json_integer_value(json_object_get(asked, "now"));
    struct dive_verifier *v = NULL;
    json_t *answer;

    response.status = (int)json_integer_value(json_object_get(asked, "status"));
    response.fields.n = read_fields(json_object_get(asked, "fields"), response_lines);
    if (!json_is_object(txt) || now == 0 || dive_verifier_new(&v, &options) ||
        dive_verifier_start(v, text_of(asked, "host"), now))
        give_up("verify");
    answer_wants(v, txt, now);
    if (dive_verifier_response(v, &request, &response, now))
        give_up("the response was not taken");
    answer_wants(v, txt, now);
    if (dive_verifier_verdict(v) == DIVE_UNDECIDED) {
        feed(v, text_of(asked, "body"));
        if (dive_verifier_end(v, now))
            give_up("the end was not taken");
        answer_wants(v, txt, now);
    }
    answer = json_pack("{ssssso}", "verdict", dive_verdict_word(dive_verifier_verdict(v)), "reason",
                       dive_reason_word(dive_verifier_reason(v)), "trace", outcomes_of(v));
    dive_verifier_free(&v);
    return answer;
}

static json_t *answer_line(const char *line)
{
    json_error_t error;
    json_t *asked = json_loads(line, JSON_ALLOW_NUL, &error), *answer = NULL;
    struct dive_span op;

    if (!asked)
        give_up(error.text);
    op = text_of(asked, "op");
    if (dive_span_eq(op, "sf"))
        answer = answer_sf(asked);
    else if (dive_span_eq(op, "key"))
        answer = answer_key(asked);
    else if (dive_span_eq(op, "policy"))
        answer = answer_policy(asked);
    else if (dive_span_eq(op, "verify"))
        answer = answer_verify(asked);
    if (!answer)
        give_up("an operation that there isn't, or memory");
    json_decref(asked);
    return answer;
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, stdin) > 0) {
        json_t *answer = answer_line(line);

        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
        json_decref(answer);
    }
    free(line);
    return EXIT_SUCCESS;
}
