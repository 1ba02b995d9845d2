/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_verifier_known: stored content judged again by digests that were computed before: the same
 * verdicts as with the content itself, and never one by digests that aren't the content's.
 */
#include "verifier_lab.h"

static struct lab_key key;

static struct dive_proof proof_of(struct lab *lab)
{
    struct dive_proof proof;

    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert(dive_verifier_proof(lab->v, &proof));
    return proof;
}

/* A new verifier, as far as the head. */
static void begin_again(struct lab *lab)
{
    lab_start(lab);
    lab_answer_all(lab);
    lab_head(lab);
    lab_answer_all(lab);
}

Test(verifier_known, proof_says_what_the_verdict_rests_on)
{
    struct lab *lab = lab_signed(&key);
    struct dive_proof proof = proof_of(lab);

    cr_assert_str_eq(proof.domain, "dive.example");
    cr_assert_str_eq(proof.key_id, "keyABC");
    cr_assert_eq(proof.version, DIVE_VERSION_DRAFT_01);
    cr_assert_eq(proof.public_key.n, 32u);
    cr_assert(proof.n_digests >= 1);
    begin_again(lab);
    cr_assert_not(dive_verifier_proof(lab->v, &proof), "there is none before the verdict");
    cr_assert_eq(proof.n_digests, 0u);
    lab_free(lab);
}

Test(verifier_known, accepts_by_known_digests_in_both_drafts)
{
    struct lab *lab = lab_signed(&key);
    struct dive_proof proof = proof_of(lab);

    begin_again(lab);
    cr_assert_eq(dive_verifier_end_known(lab->v, proof.digests, proof.n_digests, lab->now), 0);
    cr_assert_eq(dive_verifier_verdict(lab->v), DIVE_ACCEPT);
    lab_free(lab);
    lab = lab_signed_00(&key);
    proof = proof_of(lab);
    cr_assert_eq(proof.version, DIVE_VERSION_DRAFT_00);
    begin_again(lab);
    cr_assert_eq(dive_verifier_end_known(lab->v, proof.digests, proof.n_digests, lab->now), 0);
    cr_assert_eq(dive_verifier_verdict(lab->v), DIVE_ACCEPT);
    lab_free(lab);
}

Test(verifier_known, other_digests_reject)
{
    struct lab *lab = lab_signed(&key);
    struct dive_proof proof = proof_of(lab);

    proof.digests[0].bytes[31] ^= 1;
    begin_again(lab);
    cr_assert_eq(dive_verifier_end_known(lab->v, proof.digests, proof.n_digests, lab->now), 0);
    cr_assert_eq(dive_verifier_verdict(lab->v), DIVE_REJECT);
    cr_assert_eq(dive_verifier_reason(lab->v), DIVE_REASON_SIGNATURE_MISMATCH);
    lab_free(lab);
    lab = lab_signed_00(&key);
    proof = proof_of(lab);
    proof.digests[0].bytes[0] ^= 0x80;
    begin_again(lab);
    cr_assert_eq(dive_verifier_end_known(lab->v, proof.digests, proof.n_digests, lab->now), 0);
    cr_assert_eq(dive_verifier_verdict(lab->v), DIVE_REJECT);
    lab_free(lab);
}

Test(verifier_known, a_missing_digest_asks_for_the_content)
{
    struct lab *lab = lab_signed(&key);
    struct dive_proof proof = proof_of(lab);
    struct dive_known_digest other = {.hash = DIVE_HASH_SHA3_512};

    begin_again(lab);
    cr_assert_eq(dive_verifier_end_known(lab->v, NULL, 0, lab->now), DIVE_E_UNSUPPORTED);
    cr_assert_eq(dive_verifier_end_known(lab->v, &other, 1, lab->now), DIVE_E_UNSUPPORTED);
    cr_assert_eq(dive_verifier_verdict(lab->v), DIVE_UNDECIDED);
    lab_body(lab, lab->body);
    cr_assert_eq(dive_verifier_end_known(lab->v, proof.digests, proof.n_digests, lab->now),
                 DIVE_E_STATE, "content went by: it counts");
    cr_assert_eq(dive_verifier_end(lab->v, lab->now), 0);
    cr_assert_eq(dive_verifier_verdict(lab->v), DIVE_ACCEPT);
    cr_assert_eq(dive_verifier_end_known(lab->v, proof.digests, proof.n_digests, lab->now),
                 DIVE_E_STATE);
    lab_free(lab);
}

Test(verifier_known, not_before_the_coverage_is_known)
{
    struct lab *lab = lab_signed(&key);
    struct dive_proof proof = proof_of(lab);

    lab_start(lab);
    cr_assert_eq(dive_verifier_end_known(lab->v, proof.digests, proof.n_digests, lab->now),
                 DIVE_E_STATE);
    lab_head(lab);
    cr_assert_eq(dive_verifier_coverage(lab->v), DIVE_COVERAGE_PENDING);
    cr_assert_eq(dive_verifier_end_known(lab->v, proof.digests, proof.n_digests, lab->now),
                 DIVE_E_STATE);
    lab_answer_all(lab);
    cr_assert_eq(dive_verifier_verdict(lab->v), DIVE_UNDECIDED);
    lab_free(lab);
}

Test(verifier_known, a_key_that_is_gone_rejects)
{
    struct lab *lab = lab_signed(&key);
    struct dive_proof proof = proof_of(lab);

    lab_dns(lab, "keyABC._divekey.dive.example", DIVE_DNS_SECURE, NULL);
    begin_again(lab);
    (void)!dive_verifier_end_known(lab->v, proof.digests, proof.n_digests, lab->now);
    lab_answer_all(lab);
    cr_assert_eq(dive_verifier_verdict(lab->v), DIVE_REJECT);
    lab_free(lab);
}
