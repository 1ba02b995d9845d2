/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Signature-Input and Signature: pairing, order, and each fault of an entry.
 */
#include <stdio.h>

#include <criterion/criterion.h>

#include "lib/signature_input.h"

#define GOOD "(\"content-digest\");keyid=\"keyABC\";alg=\"ed25519\""

static struct dive_signatures sigs;

static int parse_lines(const struct dive_field *lines, size_t n)
{
    struct dive_fields fields = {lines, n};

    memset(&sigs, 0xff, sizeof(sigs));
    return dive_signatures_parse(&sigs, &fields, "www.example.com");
}

static int parse(const char *input, const char *signature)
{
    struct dive_field lines[] = {
        {dive_span_str("Date"), dive_span_str("now")},
        {dive_span_str("Signature-Input"), dive_span_str(input)},
        {dive_span_str("signature"), dive_span_str(signature)},
    };

    return parse_lines(lines, 3);
}

/* The fault of the one entry `a` with this Signature-Input member. */
static enum dive_entry_fault fault_of(const char *member)
{
    char field[8192];
    enum dive_entry_fault fault;

    snprintf(field, sizeof(field), "a=%s", member);
    cr_assert_eq(parse(field, "a=:AQID:"), 0, "%s", member);
    cr_assert_eq(sigs.n, 1);
    fault = sigs.entry[0].fault;
    dive_signatures_free(&sigs);
    return fault;
}

static bool label_is(size_t i, const char *label)
{
    return dive_span_eq(sigs.entry[i].label, label);
}

Test(signature_input, an_entry_has_all_that_the_verifier_needs)
{
    cr_assert_eq(parse("a=(\"@status\" \"content-digest\");created=1700000000;expires=1700000300"
                       ";keyid=\"key_1@Example.COM\";alg=\"ed448\";nonce=\"n\";tag=\"dive\"",
                       "a=:AQID:"),
                 0);
    cr_assert_eq(sigs.n, 1);
    cr_expect_eq(sigs.ignored, 0);
    cr_expect_eq(sigs.entry[0].fault, DIVE_ENTRY_NONE);
    cr_expect(label_is(0, "a"));
    cr_expect_str_eq(sigs.entry[0].key_id, "key_1");
    cr_expect_str_eq(sigs.entry[0].fqdn, "example.com");
    cr_expect(dive_span_eq(sigs.entry[0].keyid, "key_1@Example.COM"));
    cr_expect_eq(sigs.entry[0].alg, DIVE_ALGORITHM_ED448);
    cr_expect(sigs.entry[0].has_created);
    cr_expect(sigs.entry[0].has_expires);
    cr_expect_eq(sigs.entry[0].created, 1700000000);
    cr_expect_eq(sigs.entry[0].expires, 1700000300);
    cr_expect(dive_span_eq(sigs.entry[0].signature, "\1\2\3"));
    cr_expect_eq(sigs.entry[0].input->n_items, 2);
    dive_signatures_free(&sigs);
    cr_expect_null(sigs.input);
    cr_expect_null(sigs.signature);
    dive_signatures_free(&sigs);
}

Test(signature_input, entries_come_in_the_order_of_signature_input)
{
    cr_assert_eq(parse("c=" GOOD ", a=" GOOD ", b=" GOOD, "a=:AQ==:, b=:Ag==:, c=:Aw==:"), 0);
    cr_assert_eq(sigs.n, 3);
    cr_expect(label_is(0, "c") && label_is(1, "a") && label_is(2, "b"));
    cr_expect(dive_span_eq(sigs.entry[0].signature, "\3"));
    cr_expect(dive_span_eq(sigs.entry[1].signature, "\1"));
    cr_expect(dive_span_eq(sigs.entry[2].signature, "\2"));
    dive_signatures_free(&sigs);
}

Test(signature_input, several_field_lines_are_one_field)
{
    struct dive_field lines[] = {
        {dive_span_str("Signature-Input"), dive_span_str("a=" GOOD)},
        {dive_span_str("Signature"), dive_span_str("b=:Ag==:")},
        {dive_span_str("signature-input"), dive_span_str("b=" GOOD)},
        {dive_span_str("SIGNATURE"), dive_span_str("a=:AQ==:")},
    };

    cr_assert_eq(parse_lines(lines, 4), 0);
    cr_assert_eq(sigs.n, 2);
    cr_expect(label_is(0, "a") && label_is(1, "b"));
    cr_expect_eq(sigs.entry[0].fault, DIVE_ENTRY_NONE);
    cr_expect_eq(sigs.entry[1].fault, DIVE_ENTRY_NONE);
    dive_signatures_free(&sigs);
}

Test(signature_input, at_most_eight_entries_are_looked_at)
{
    char input[2048] = "", signature[512] = "";

    for (int i = 0; i < 9; i++) {
        size_t at = strlen(input), st = strlen(signature);

        snprintf(input + at, sizeof(input) - at, "%sl%d=" GOOD, i > 0 ? ", " : "", i);
        snprintf(signature + st, sizeof(signature) - st, "%sl%d=:AQ==:", i > 0 ? ", " : "", i);
        cr_assert_eq(parse(input, signature), 0);
        cr_expect_eq(sigs.n, i < 8 ? (size_t)i + 1 : 8);
        cr_expect_eq(sigs.ignored, i < 8 ? 0 : 1);
        dive_signatures_free(&sigs);
    }
}

Test(signature_input, of_a_label_given_twice_the_last_wins_in_the_first_ones_place)
{
    cr_assert_eq(parse("a=(\"content-digest\");keyid=\"old\";alg=\"ed25519\", b=" GOOD
                       ", a=(\"content-digest\");keyid=\"new\";alg=\"ed25519\"",
                       "a=:AQ==:, b=:Ag==:, a=:Aw==:"),
                 0);
    cr_assert_eq(sigs.n, 2);
    cr_expect(label_is(0, "a") && label_is(1, "b"));
    cr_expect_str_eq(sigs.entry[0].key_id, "new");
    cr_expect(dive_span_eq(sigs.entry[0].signature, "\3"));
    dive_signatures_free(&sigs);
}

Test(signature_input, a_label_in_one_of_the_two_fields_only_fails_that_entry)
{
    cr_assert_eq(parse("x=" GOOD ", a=" GOOD, "y=:AQ==:, a=:AQ==:, z=:AQ==:"), 0);
    cr_assert_eq(sigs.n, 4);
    cr_expect(label_is(0, "x") && label_is(1, "a") && label_is(2, "y") && label_is(3, "z"));
    cr_expect_eq(sigs.entry[0].fault, DIVE_ENTRY_UNPAIRED);
    cr_expect_not_null(sigs.entry[0].input);
    cr_expect_eq(sigs.entry[1].fault, DIVE_ENTRY_NONE);
    cr_expect_eq(sigs.entry[2].fault, DIVE_ENTRY_UNPAIRED);
    cr_expect_null(sigs.entry[2].input);
    cr_expect_eq(sigs.entry[3].fault, DIVE_ENTRY_UNPAIRED);
    dive_signatures_free(&sigs);
}

Test(signature_input, labels_are_case_sensitive)
{
    cr_assert_eq(parse("sigA=" GOOD, "siga=:AQ==:"), 0);
    cr_assert_eq(sigs.n, 2);
    cr_expect_eq(sigs.entry[0].fault, DIVE_ENTRY_UNPAIRED);
    cr_expect_eq(sigs.entry[1].fault, DIVE_ENTRY_UNPAIRED);
    dive_signatures_free(&sigs);
}

Test(signature_input, upper_case_in_labels_is_accepted)
{
    cr_assert_eq(parse("sigDEF=" GOOD ", SigABC=" GOOD, "sigDEF=:AQ==:, SigABC=:AQ==:"), 0);
    cr_assert_eq(sigs.n, 2);
    cr_expect_eq(sigs.entry[0].fault, DIVE_ENTRY_NONE);
    cr_expect_eq(sigs.entry[1].fault, DIVE_ENTRY_NONE);
    dive_signatures_free(&sigs);
}

Test(signature_input, two_entries_with_one_keyid_are_both_kept)
{
    cr_assert_eq(parse("a=" GOOD ", b=" GOOD, "a=:AQ==:, b=:AQ==:"), 0);
    cr_assert_eq(sigs.n, 2);
    cr_expect_str_eq(sigs.entry[0].key_id, "keyABC");
    cr_expect_str_eq(sigs.entry[1].key_id, "keyABC");
    cr_expect_eq(sigs.entry[1].fault, DIVE_ENTRY_NONE);
    dive_signatures_free(&sigs);
}

Test(signature_input, missing_keyid_or_alg_fails_the_entry)
{
    cr_expect_eq(fault_of("(\"content-digest\");alg=\"ed25519\""), DIVE_ENTRY_NO_KEYID);
    cr_expect_eq(fault_of("(\"content-digest\");keyid=keyABC;alg=\"ed25519\""),
                 DIVE_ENTRY_NO_KEYID);
    cr_expect_eq(fault_of("(\"content-digest\");keyid=:AQID:;alg=\"ed25519\""),
                 DIVE_ENTRY_NO_KEYID);
    cr_expect_eq(fault_of("(\"content-digest\");keyid=\"keyABC\""), DIVE_ENTRY_NO_ALG);
    cr_expect_eq(fault_of("(\"content-digest\");keyid=\"keyABC\";alg=ed25519"), DIVE_ENTRY_NO_ALG);
    cr_expect_eq(fault_of(GOOD), DIVE_ENTRY_NONE);
}

Test(signature_input, a_foreign_signature_fails_alone)
{
    cr_assert_eq(parse("a=(\"content-digest\");keyid=\"keyABC\";alg=\"rsa-pss-sha512\""
                       ", b=(\"@method\";req);keyid=\"https://key.example/#1\""
                       ", c=(\"content-digest\");keyid=\"https://key.example/#1\";alg=\"ed25519\""
                       ", d=?1, e=1.5, f=" GOOD,
                       "a=:AQ==:, b=:AQ==:, c=:AQ==:, d=:AQ==:, e=tok, f=:AQ==:"),
                 0);
    cr_assert_eq(sigs.n, 6);
    cr_expect_eq(sigs.entry[0].fault, DIVE_ENTRY_FOREIGN_ALG);
    cr_expect_eq(sigs.entry[1].fault, DIVE_ENTRY_NO_CONTENT_DIGEST);
    cr_expect_eq(sigs.entry[2].fault, DIVE_ENTRY_FOREIGN_KEYID);
    cr_expect_str_eq(sigs.entry[2].key_id, "");
    cr_expect_eq(sigs.entry[3].fault, DIVE_ENTRY_NOT_INNER_LIST);
    cr_expect_eq(sigs.entry[4].fault, DIVE_ENTRY_NOT_INNER_LIST);
    cr_expect_eq(sigs.entry[5].fault, DIVE_ENTRY_NONE);
    dive_signatures_free(&sigs);
}

Test(signature_input, alg_is_one_of_two_in_lower_case)
{
    cr_expect_eq(fault_of("(\"content-digest\");keyid=\"k\";alg=\"ed448\""), DIVE_ENTRY_NONE);
    cr_expect_eq(fault_of("(\"content-digest\");keyid=\"k\";alg=\"Ed25519\""),
                 DIVE_ENTRY_FOREIGN_ALG);
    cr_expect_eq(fault_of("(\"content-digest\");keyid=\"k\";alg=\"hmac-sha256\""),
                 DIVE_ENTRY_FOREIGN_ALG);
    cr_expect_eq(fault_of("(\"content-digest\");keyid=\"k\";alg=\"\""), DIVE_ENTRY_FOREIGN_ALG);
}

Test(signature_input, a_keyid_is_a_key_id)
{
    char member[256], id[65];

    memset(id, 'k', sizeof(id));
    id[63] = '\0';
    snprintf(member, sizeof(member), "(\"content-digest\");keyid=\"%s\";alg=\"ed25519\"", id);
    cr_expect_eq(fault_of(member), DIVE_ENTRY_NONE);
    id[63] = 'k';
    id[64] = '\0';
    snprintf(member, sizeof(member), "(\"content-digest\");keyid=\"%s\";alg=\"ed25519\"", id);
    cr_expect_eq(fault_of(member), DIVE_ENTRY_FOREIGN_KEYID);
    cr_expect_eq(fault_of("(\"content-digest\");keyid=\"\";alg=\"ed25519\""),
                 DIVE_ENTRY_FOREIGN_KEYID);
    cr_expect_eq(fault_of("(\"content-digest\");keyid=\"test-key\";alg=\"ed25519\""),
                 DIVE_ENTRY_FOREIGN_KEYID);
    cr_expect_eq(fault_of("(\"content-digest\");keyid=\"@example.com\";alg=\"ed25519\""),
                 DIVE_ENTRY_FOREIGN_KEYID);
}

Test(signature_input, the_fqdn_of_a_keyid_is_the_origin_or_a_parent_of_it)
{
    static const struct {
        const char *fqdn;
        enum dive_entry_fault fault;
    } rows[] = {
        {"www.example.com", DIVE_ENTRY_NONE},
        {"example.com", DIVE_ENTRY_NONE},
        {"EXAMPLE.com", DIVE_ENTRY_NONE},
        {"com", DIVE_ENTRY_NONE},
        {"ww.example.com", DIVE_ENTRY_FQDN_NOT_PARENT},
        {"xample.com", DIVE_ENTRY_FQDN_NOT_PARENT},
        {"a.www.example.com", DIVE_ENTRY_FQDN_NOT_PARENT},
        {"example.org", DIVE_ENTRY_FQDN_NOT_PARENT},
        {"", DIVE_ENTRY_FQDN_NOT_PARENT},
        {"a@example.com", DIVE_ENTRY_FQDN_NOT_PARENT},
        {"127.0.0.1", DIVE_ENTRY_FQDN_NOT_PARENT},
        {"example..com", DIVE_ENTRY_FQDN_NOT_PARENT},
    };
    char member[256];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(member, sizeof(member), "(\"content-digest\");keyid=\"k@%s\";alg=\"ed25519\"",
                 rows[i].fqdn);
        cr_expect_eq(fault_of(member), rows[i].fault, "%s", rows[i].fqdn);
    }
}

Test(signature_input, covered_components_must_include_content_digest)
{
    const char *rest = ";keyid=\"k\";alg=\"ed25519\"";
    static const struct {
        const char *components;
        enum dive_entry_fault fault;
    } rows[] = {
        {"()", DIVE_ENTRY_NO_CONTENT_DIGEST},
        {"(\"@status\")", DIVE_ENTRY_NO_CONTENT_DIGEST},
        {"(\"Content-Digest\")", DIVE_ENTRY_NO_CONTENT_DIGEST},
        {"(\"repr-digest\")", DIVE_ENTRY_NO_CONTENT_DIGEST},
        {"(\"content-digest\";req)", DIVE_ENTRY_NO_CONTENT_DIGEST},
        {"(\"content-digest\";tr)", DIVE_ENTRY_NO_CONTENT_DIGEST},
        {"(\"content-digest\";key=\"sha-256\")", DIVE_ENTRY_NO_CONTENT_DIGEST},
        {"(\"content-digest\";req \"content-digest\")", DIVE_ENTRY_NONE},
        {"(\"content-digest\";sf)", DIVE_ENTRY_NONE},
        {"(\"content-digest\";bs)", DIVE_ENTRY_NONE},
        {"(\"@status\" \"content-digest\" \"etag\")", DIVE_ENTRY_NONE},
    };
    char member[256];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(member, sizeof(member), "%s%s", rows[i].components, rest);
        cr_expect_eq(fault_of(member), rows[i].fault, "%s", rows[i].components);
    }
}

Test(signature_input, a_component_that_is_no_string_or_comes_twice_fails_the_entry)
{
    const char *rest = ";keyid=\"k\";alg=\"ed25519\"";
    static const struct {
        const char *components;
        enum dive_entry_fault fault;
    } rows[] = {
        {"(content-digest)", DIVE_ENTRY_BAD_COMPONENT},
        {"(\"content-digest\" 1)", DIVE_ENTRY_BAD_COMPONENT},
        {"(\"content-digest\" \"content-digest\")", DIVE_ENTRY_BAD_COMPONENT},
        {"(\"content-digest\" \"a\";req;sf \"a\";sf;req)", DIVE_ENTRY_BAD_COMPONENT},
        {"(\"content-digest\" \"a\";key=\"x\" \"a\";key=\"x\")", DIVE_ENTRY_BAD_COMPONENT},
        {"(\"content-digest\" \"a\";key=\"x\" \"a\";key=\"y\" \"a\")", DIVE_ENTRY_NONE},
        {"(\"content-digest\" \"a\" \"a\";req \"a\";sf)", DIVE_ENTRY_NONE},
        {"(\"content-digest\" \"a\";b;c;d;e;f;g;h;i)", DIVE_ENTRY_NONE},
        {"(\"content-digest\" \"a\";b;c;d;e;f;g;h;i;j)", DIVE_ENTRY_BAD_COMPONENT},
    };
    char member[256];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(member, sizeof(member), "%s%s", rows[i].components, rest);
        cr_expect_eq(fault_of(member), rows[i].fault, "%s", rows[i].components);
    }
}

Test(signature_input, at_most_64_components_are_covered)
{
    char member[4096] = "(\"content-digest\"";

    for (int i = 1; i < DIVE_COMPONENTS_MAX; i++)
        snprintf(member + strlen(member), 16, " \"f%d\"", i);
    snprintf(member + strlen(member), 64, ");keyid=\"k\";alg=\"ed25519\"");
    cr_expect_eq(fault_of(member), DIVE_ENTRY_NONE);
    memmove(member + 6, member + 1, strlen(member));
    memcpy(member + 1, "\"f0\" ", 5);
    cr_expect_eq(fault_of(member), DIVE_ENTRY_TOO_MANY_COMPONENTS);
}

Test(signature_input, a_component_has_at_most_8_parameters)
{
    static const char rest[] = ");keyid=\"k\";alg=\"ed25519\"";
    char member[256];

    snprintf(member, sizeof(member), "(\"content-digest\" \"x\";a;b;c;d;e;f;g;h%s", rest);
    cr_expect_eq(fault_of(member), DIVE_ENTRY_NONE);
    snprintf(member, sizeof(member), "(\"content-digest\" \"x\";a;b;c;d;e;f;g;h;i%s", rest);
    cr_expect_eq(fault_of(member), DIVE_ENTRY_BAD_COMPONENT);
}

Test(signature_input, created_and_expires_are_integers_nonce_and_tag_are_strings)
{
    static const struct {
        const char *params;
        enum dive_entry_fault fault;
    } rows[] = {
        {";created=0", DIVE_ENTRY_NONE},
        {";created=-1", DIVE_ENTRY_NONE},
        {";expires=999999999999999", DIVE_ENTRY_NONE},
        {";created=1.0", DIVE_ENTRY_BAD_PARAMETER},
        {";created=\"1\"", DIVE_ENTRY_BAD_PARAMETER},
        {";created=@1", DIVE_ENTRY_BAD_PARAMETER},
        {";created", DIVE_ENTRY_BAD_PARAMETER},
        {";expires=1.5", DIVE_ENTRY_BAD_PARAMETER},
        {";expires=?0", DIVE_ENTRY_BAD_PARAMETER},
        {";nonce=\"\"", DIVE_ENTRY_NONE},
        {";nonce=n", DIVE_ENTRY_BAD_PARAMETER},
        {";tag=\"t\"", DIVE_ENTRY_NONE},
        {";tag", DIVE_ENTRY_BAD_PARAMETER},
        {";unheard-of=tok", DIVE_ENTRY_NONE},
    };
    char member[256];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(member, sizeof(member), GOOD "%s", rows[i].params);
        cr_expect_eq(fault_of(member), rows[i].fault, "%s", rows[i].params);
    }
}

Test(signature_input, a_signature_that_is_no_byte_sequence_fails_its_entry)
{
    cr_assert_eq(parse("a=" GOOD ", b=" GOOD ", c=" GOOD, "a=\"AQID\", b=(:AQID:), c=:AQID:"), 0);
    cr_expect_eq(sigs.entry[0].fault, DIVE_ENTRY_NOT_BYTES);
    cr_expect_eq(sigs.entry[1].fault, DIVE_ENTRY_NOT_BYTES);
    cr_expect_eq(sigs.entry[2].fault, DIVE_ENTRY_NONE);
    dive_signatures_free(&sigs);
}

Test(signature_input, an_absent_or_empty_field_is_not_found)
{
    struct dive_field lines[] = {
        {dive_span_str("Signature-Input"), dive_span_str("a=" GOOD)},
        {dive_span_str("Signature"), dive_span_str("a=:AQID:")},
    };

    cr_expect_eq(parse_lines(lines, 0), DIVE_E_NOT_FOUND);
    cr_expect_eq(parse_lines(lines, 1), DIVE_E_NOT_FOUND);
    cr_expect_null(sigs.input);
    cr_expect_eq(parse_lines(lines + 1, 1), DIVE_E_NOT_FOUND);
    cr_expect_eq(parse("", "a=:AQID:"), DIVE_E_NOT_FOUND);
    cr_expect_eq(parse("a=" GOOD, ""), DIVE_E_NOT_FOUND);
    cr_expect_eq(parse_lines(lines, 2), 0);
    dive_signatures_free(&sigs);
}

Test(signature_input, a_field_that_is_no_dictionary_is_malformed)
{
    cr_expect_eq(parse("a=(", "a=:AQID:"), DIVE_E_SYNTAX);
    cr_expect_eq(sigs.n, 0);
    cr_expect_null(sigs.input);
    cr_expect_eq(parse("a=" GOOD, "a=:AQID"), DIVE_E_SYNTAX);
    cr_expect_null(sigs.input);
    cr_expect_null(sigs.signature);
    cr_expect_eq(parse("(\"content-digest\")", "a=:AQID:"), DIVE_E_SYNTAX);
    cr_expect_eq(parse("a=" GOOD ",", "a=:AQID:"), DIVE_E_SYNTAX);
    cr_expect_eq(parse("a=(\"content-digest\");KeyID=\"k\"", "a=:AQID:"), DIVE_E_SYNTAX);
}

Test(signature_input, every_fault_has_a_text)
{
    cr_expect_str_eq(dive_entry_fault_text(DIVE_ENTRY_NONE), "usable");
    cr_expect_str_neq(dive_entry_fault_text(DIVE_ENTRY_TOO_MANY_COMPONENTS), "unknown fault");
    cr_expect_str_eq(dive_entry_fault_text((enum dive_entry_fault)99), "unknown fault");
}
