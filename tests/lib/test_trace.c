/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_trace: the trace tells the story of a verification as docs/trace.md says, in any state.
 */
#include <jansson.h>

#include "verifier_lab.h"

static struct lab_key key;

static json_t *trace(struct lab *lab)
{
    char *text;
    json_t *json;

    cr_assert_eq(dive_verifier_trace(lab->v, &text), 0);
    json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    cr_assert(json, "%s", text);
    free(text);
    return json;
}

static const char *word(json_t *json, const char *name)
{
    return json_string_value(json_object_get(json, name));
}

static json_t *lookup(json_t *json, const char *name, bool fresh)
{
    json_t *l;
    size_t i;

    json_array_foreach(json_object_get(json, "lookups"), i, l)
    {
        if (strcmp(word(l, "name"), name) == 0 &&
            json_is_true(json_object_get(l, "fresh")) == fresh)
            return l;
    }
    return NULL;
}

Test(trace, of_an_accepted_response)
{
    struct lab *lab = lab_signed(&key);
    json_t *t, *l, *r, *e, *d;

    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    t = trace(lab);
    cr_assert_eq(json_integer_value(json_object_get(t, "trace-version")), 1);
    cr_assert_str_eq(word(t, "host"), "www.dive.example");
    cr_assert_str_eq(word(t, "verdict"), "verified");
    cr_assert_str_eq(word(t, "reason"), "none");
    cr_assert_str_eq(word(t, "key-id"), "keyABC");
    cr_assert_eq(json_array_size(json_object_get(t, "lookups")), 5);
    l = lookup(t, "_dive.dive.example", false);
    cr_assert_str_eq(word(l, "security"), "secure");
    cr_assert_str_eq(word(l, "source"), "asked");
    cr_assert_eq(json_integer_value(json_object_get(l, "ttl")), 300);
    r = json_array_get(json_object_get(l, "records"), 0);
    cr_assert_str_eq(word(r, "text"), LAB_POLICY_01);
    cr_assert_str_eq(word(r, "v"), "dive-draft-01");
    cr_assert(json_is_null(json_object_get(r, "fault")));
    l = lookup(t, "keyABC._divekey.dive.example", false);
    r = json_array_get(json_object_get(l, "records"), 0);
    cr_assert_str_eq(word(r, "sig"), "ed25519");
    cr_assert_str_eq(word(r, "key"), key.base64);
    cr_assert(json_is_null(json_object_get(r, "allowed-hash")));
    e = json_array_get(json_object_get(t, "entries"), 0);
    cr_assert_str_eq(word(e, "outcome"), "verified");
    cr_assert_str_eq(word(e, "label"), "sig1");
    cr_assert_eq(json_integer_value(json_object_get(e, "lookup")),
                 json_integer_value(json_object_get(l, "id")));
    d = json_array_get(json_object_get(t, "digests"), 0);
    cr_assert_str_eq(word(d, "algorithm"), "sha256");
    cr_assert_str_eq(word(d, "computed"), word(d, "listed"));
    cr_assert_str_eq(word(json_object_get(t, "policy"), "state"), "found");
    cr_assert_str_eq(word(json_object_get(t, "response"), "coverage"), "covered");
    json_decref(t);
    lab_free(lab);
}

Test(trace, of_faults_in_words)
{
    struct lab *lab = lab_signed(&key);
    json_t *t, *l, *r, *e;

    lab_dns(lab, "keyABC._divekey.dive.example", DIVE_DNS_SECURE, "sig=\"rsa\"");
    lab_dns(lab, "keyABC._divekey.www.dive.example", DIVE_DNS_INSECURE, "hidden");
    cr_assert_eq(lab_run(lab), DIVE_REJECT);
    t = trace(lab);
    l = lookup(t, "keyABC._divekey.dive.example", false);
    r = json_array_get(json_object_get(l, "records"), 0);
    cr_assert_str_eq(word(json_object_get(r, "fault"), "parameter"), "sig");
    cr_assert_str_eq(word(lookup(t, "keyABC._divekey.www.dive.example", false), "security"),
                     "insecure");
    e = json_array_get(json_object_get(t, "entries"), 0);
    cr_assert_str_eq(word(e, "outcome"), "key-invalid");
    cr_assert_str_eq(word(t, "verdict"), "failed");
    cr_assert_str_eq(word(t, "reason"), "key-invalid");
    json_decref(t);
    lab_free(lab);
}

Test(trace, of_bogus_answers_and_fresh_queries)
{
    struct lab *lab = lab_signed(&key);
    json_t *t, *l;

    lab_dns(lab, "keyABC._divekey.dive.example", DIVE_DNS_BOGUS, NULL);
    cr_assert_eq(lab_run(lab), DIVE_REJECT);
    t = trace(lab);
    l = lookup(t, "keyABC._divekey.dive.example", true);
    cr_assert(l);
    cr_assert_str_eq(word(l, "security"), "bogus");
    cr_assert_str_eq(word(l, "why"), "lab");
    json_decref(t);
    lab_free(lab);
}

Test(trace, of_cached_answers)
{
    struct lab *lab = lab_signed(&key);
    json_t *t;

    cr_assert_eq(dive_record_cache_new(&lab->options.cache, 10, NULL), 0);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    t = trace(lab);
    cr_assert_str_eq(word(lookup(t, "_dive.www.dive.example", false), "source"), "cached");
    cr_assert_str_eq(word(lookup(t, "_dive.dive.example", false), "source"), "asked");
    json_decref(t);
    lab_free(lab);
}

Test(trace, in_any_state)
{
    struct lab *lab = lab_signed(&key);
    json_t *t;

    cr_assert_eq(dive_verifier_new(&lab->v, &lab->options), 0);
    t = trace(lab);
    cr_assert_str_eq(word(t, "verdict"), "undecided");
    cr_assert(json_is_null(json_object_get(t, "response")));
    json_decref(t);
    lab_start(lab);
    lab_drain(lab);
    t = trace(lab);
    cr_assert_str_eq(word(json_object_get(t, "policy"), "state"), "pending");
    cr_assert(json_is_null(
        json_object_get(json_array_get(json_object_get(t, "lookups"), 0), "security")));
    json_decref(t);
    lab_head(lab);
    json_decref(trace(lab));
    lab->host = "192.0.2.1";
    lab_start(lab);
    t = trace(lab);
    cr_assert_str_eq(word(t, "verdict"), "not-supported");
    json_decref(t);
    lab_free(lab);
}
