/* SPDX-License-Identifier: BSD-2-Clause
 *
 * records_lint: everything that is wrong with the text of one DIVE record, for people. The parsers
 * of libdive stop at the first fault, as the proxy has no use for a second; whoever repairs a zone
 * wants them all, and also what is well-formed but won't do what its author thinks.
 *
 * libdive stays the judge: there is an error here exactly if its parser refuses the record.
 */
#ifndef DIVED_CMD_RECORDS_LINT_H
#define DIVED_CMD_RECORDS_LINT_H

#include "lib/key_record.h"
#include "lib/policy_record.h"

enum records_severity {
    RECORDS_NOTE = 0, /* worth knowing */
    RECORDS_WARNING,  /* works, but hardly as meant */
    RECORDS_ERROR,    /* the record is not usable */
};

const char *records_severity_word(enum records_severity severity); /* "note", ... */

#define RECORDS_FAULTS_MAX 48

struct records_fault {
    enum records_severity severity;
    char parameter[32]; /* "" when the record as a whole; cut if longer */
    size_t offset;      /* bytes into the record's joined text: where the parameter begins, or where
                           the syntax broke */
    char text[224];     /* in words; may hold bytes of the record */
};

struct records_faults {
    struct records_fault v[RECORDS_FAULTS_MAX];
    size_t n;
    size_t dropped; /* past the maximum */
};

/* Is one of them an error? */
bool records_faults_spoil(const struct records_faults *faults);

/* draft-01 section 5.3, draft-00 section 4.3. `accepted`: set of DIVE_VERSION_BIT()s. `now`: Unix
 * seconds. *out is overwritten. DIVE_E_NOMEM, and then it says nothing. */
int records_lint_policy(struct records_faults *out, struct dive_span text, unsigned accepted,
                        int64_t now) DIVE_MUST_USE;
/* draft-01 section 5.4, draft-00 section 4.4; also refuses keys under which nothing or anything
 * verifies (dive_public_key_check()). */
int records_lint_key(struct records_faults *out, struct dive_span text) DIVE_MUST_USE;

#endif
