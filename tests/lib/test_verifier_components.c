/* SPDX-License-Identifier: BSD-2-Clause
 *
 * dive_options.required_components: a signature that doesn't cover them doesn't count, however good
 * it is.
 */
#include <criterion/criterion.h>

#include "verifier_lab.h"

#include "lib/sf.h"

static struct lab_key key;

/* An entry over `components` (serialised), whose values are `lines` of the base. */
static void entry_over(struct lab *lab, const char *label, const char *keyid,
                       const char *components, const char *lines)
{
    char base[8192], b64[256], parameters[256];
    size_t n = strlen(lab->input), m = strlen(lab->signature);

    snprintf(parameters, sizeof(parameters), "(%s);keyid=\"%s\";alg=\"ed25519\"", components,
             keyid);
    snprintf(base, sizeof(base), "\"content-digest\": %s\n%s\"@signature-params\": %s",
             lab_content_digest(lab->body), lines, parameters);
    lab_sign(&key, base, strlen(base), b64);
    snprintf(lab->input + n, sizeof(lab->input) - n, "%s%s=%s", n ? ", " : "", label, parameters);
    snprintf(lab->signature + m, sizeof(lab->signature) - m, "%s%s=:%s:", m ? ", " : "", label,
             b64);
}

/* A world whose one entry covers `components`; NULL: content-digest alone. */
static struct lab *lab_covering(const char *components, const char *lines)
{
    struct lab *lab = lab_new();

    lab_key_make(&key, DIVE_ALGORITHM_ED25519);
    lab_dns(lab, "_dive.dive.example", DIVE_DNS_SECURE, LAB_POLICY_01);
    lab_dns(lab, "keyABC._divekey.dive.example", DIVE_DNS_SECURE, lab_key_text(&key, ""));
    entry_over(lab, "sig1", "keyABC", components ? components : "\"content-digest\"", lines);
    lab_fields(lab);
    return lab;
}

static struct dive_sf *require(struct lab *lab, const char *list)
{
    struct dive_sf *sf;

    cr_assert_eq(dive_sf_parse(&sf, DIVE_SF_LIST, dive_span_str(list), 0, NULL), 0);
    lab->options.required_components = &sf->members[0];
    return sf;
}

static bool trace_says(const struct lab *lab, const char *word)
{
    char *trace = NULL;
    bool says;

    cr_assert_eq(dive_verifier_trace(lab->v, &trace), 0);
    says = strstr(trace, word) != NULL;
    free(trace);
    return says;
}

Test(test_verifier_components, all_of_them_must_be_covered)
{
    static const struct {
        const char *required;
        bool accepted;
    } cases[] = {
        {"(\"@status\")", true},
        {"(\"@method\";req)", true},
        {"(\"@method\";req \"@status\" \"content-digest\")", true},
        {"()", true},
        {"(\"@path\";req)", false},
        {"(\"@status\" \"@path\";req)", false},
        {"(\"content-digest\";req)", false},
        {"(\"content-digest\";sf)", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lab *lab = lab_covering("\"content-digest\" \"@status\" \"@method\";req",
                                       "\"@status\": 200\n\"@method\";req: GET\n");
        struct dive_sf *sf = require(lab, cases[i].required);

        cr_assert_eq(lab_run(lab), cases[i].accepted ? DIVE_ACCEPT : DIVE_REJECT, "%s",
                     cases[i].required);
        if (!cases[i].accepted) {
            cr_assert_eq(dive_verifier_reason(lab->v), DIVE_REASON_MISSING_HEADERS);
            cr_assert(trace_says(lab, "not-covering"));
        }
        cr_assert_eq(lab_run_body(lab, "tampered"), DIVE_REJECT, "%s", cases[i].required);
        lab_free(lab);
        dive_sf_free(&sf);
    }
}

Test(test_verifier_components, the_order_of_parameters_is_free)
{
    struct lab *lab =
        lab_covering("\"content-digest\" \"accept\";req;bs", "\"accept\";req;bs: :Kg==:\n");
    struct dive_sf *sf = require(lab, "(\"accept\";bs;req)");
    struct dive_field accept = {dive_span_str("Accept"), dive_span_str("*")};

    lab->request.fields = (struct dive_fields){&accept, 1};
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_free(lab);
    dive_sf_free(&sf);
}

/* A component that is said to be covered must also be what was signed. */
Test(test_verifier_components, a_covered_component_is_verified)
{
    struct lab *lab = lab_covering("\"content-digest\" \"@method\";req", "\"@method\";req: POST\n");
    struct dive_sf *sf = require(lab, "(\"@method\";req)");

    lab_rejects(lab, "signature-mismatch");
    lab_free(lab);
    dive_sf_free(&sf);
}

Test(test_verifier_components, one_entry_that_covers_them_is_enough)
{
    struct lab *lab = lab_covering(NULL, "");
    struct dive_sf *sf = require(lab, "(\"@status\")");

    lab_rejects(lab, "missing-headers");
    entry_over(lab, "sig2", "keyABC", "\"content-digest\" \"@status\"", "\"@status\": 200\n");
    memset(lab->field, 0, sizeof(lab->field));
    lab->response.fields.n = 0;
    lab_fields(lab);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_free(lab);
    dive_sf_free(&sf);
}

Test(test_verifier_components, dive_sig_covers_the_content_alone)
{
    struct lab *lab = lab_signed_00(&key);
    struct dive_sf *sf;

    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    sf = require(lab, "(\"@status\")");
    lab_rejects(lab, "missing-headers");
    lab_free(lab);
    dive_sf_free(&sf);
}
