/* SPDX-License-Identifier: BSD-2-Clause
 *
 * dial_result: the words of what can come of a dial; see dial.h.
 */
#include "origin/dial.h"

static const struct {
    const char *word, *error_type, *text;
    int status;
} results[] = {
#define X(id, word, error_type, status, text) {word, error_type, text, status},
    DIAL_RESULTS(X)
#undef X
};

const char *dial_result_word(enum dial_result result)
{
    return result < DIAL_RESULT_COUNT ? results[result].word : "";
}

const char *dial_result_error_type(enum dial_result result)
{
    return result < DIAL_RESULT_COUNT ? results[result].error_type : "proxy_internal_error";
}

int dial_result_status(enum dial_result result)
{
    return result < DIAL_RESULT_COUNT ? results[result].status : 500;
}

const char *dial_result_text(enum dial_result result)
{
    return result < DIAL_RESULT_COUNT ? results[result].text : "";
}
