/* SPDX-License-Identifier: BSD-2-Clause
 *
 * field_type: the table of known Structured Fields.
 *
 * The first part was defined as Structured Fields from the start. The second part is older: its
 * grammar is read as that of a Structured Field (the "retrofit" work of the HTTP working group),
 * which fits most but not all values; where it doesn't fit, strict serialisation fails, as it must.
 * A field is only listed when its type is beyond doubt: a wrong one would make another base than
 * the signer's.
 */
#include "field_type.h"

static const struct {
    const char *name;
    enum dive_sf_kind kind;
} field_types[] = {
    /* RFC 9421, RFC 9530 */
    {"signature", DIVE_SF_DICTIONARY},
    {"signature-input", DIVE_SF_DICTIONARY},
    {"accept-signature", DIVE_SF_DICTIONARY},
    {"content-digest", DIVE_SF_DICTIONARY},
    {"repr-digest", DIVE_SF_DICTIONARY},
    {"want-content-digest", DIVE_SF_DICTIONARY},
    {"want-repr-digest", DIVE_SF_DICTIONARY},
    /* RFC 8942, 9209, 9211, 9213, 9218, 9297, 9440, 9745, 9842, 9875 */
    {"accept-ch", DIVE_SF_LIST},
    {"proxy-status", DIVE_SF_LIST},
    {"cache-status", DIVE_SF_LIST},
    {"cdn-cache-control", DIVE_SF_DICTIONARY},
    {"priority", DIVE_SF_DICTIONARY},
    {"capsule-protocol", DIVE_SF_ITEM},
    {"client-cert", DIVE_SF_ITEM},
    {"client-cert-chain", DIVE_SF_LIST},
    {"deprecation", DIVE_SF_ITEM},
    {"available-dictionary", DIVE_SF_ITEM},
    {"dictionary-id", DIVE_SF_ITEM},
    {"use-as-dictionary", DIVE_SF_DICTIONARY},
    {"cache-groups", DIVE_SF_LIST},
    {"cache-group-invalidation", DIVE_SF_LIST},
    /* HTML, Fetch Metadata, Client Hints, Reporting, Permissions Policy */
    {"cross-origin-embedder-policy", DIVE_SF_ITEM},
    {"cross-origin-embedder-policy-report-only", DIVE_SF_ITEM},
    {"cross-origin-opener-policy", DIVE_SF_ITEM},
    {"cross-origin-opener-policy-report-only", DIVE_SF_ITEM},
    {"origin-agent-cluster", DIVE_SF_ITEM},
    {"permissions-policy", DIVE_SF_DICTIONARY},
    {"reporting-endpoints", DIVE_SF_DICTIONARY},
    {"sec-ch-ua", DIVE_SF_LIST},
    {"sec-ch-ua-mobile", DIVE_SF_ITEM},
    {"sec-ch-ua-platform", DIVE_SF_ITEM},
    {"sec-fetch-dest", DIVE_SF_ITEM},
    {"sec-fetch-mode", DIVE_SF_ITEM},
    {"sec-fetch-site", DIVE_SF_ITEM},
    {"sec-fetch-user", DIVE_SF_ITEM},

    /* Retrofitted */
    {"accept", DIVE_SF_LIST},
    {"accept-encoding", DIVE_SF_LIST},
    {"accept-language", DIVE_SF_LIST},
    {"accept-patch", DIVE_SF_LIST},
    {"accept-post", DIVE_SF_LIST},
    {"accept-ranges", DIVE_SF_LIST},
    {"access-control-allow-headers", DIVE_SF_LIST},
    {"access-control-allow-methods", DIVE_SF_LIST},
    {"access-control-expose-headers", DIVE_SF_LIST},
    {"access-control-request-headers", DIVE_SF_LIST},
    {"allow", DIVE_SF_LIST},
    {"alpn", DIVE_SF_LIST},
    {"content-encoding", DIVE_SF_LIST},
    {"content-language", DIVE_SF_LIST},
    {"te", DIVE_SF_LIST},
    {"trailer", DIVE_SF_LIST},
    {"transfer-encoding", DIVE_SF_LIST},
    {"vary", DIVE_SF_LIST},
    {"age", DIVE_SF_ITEM},
    {"content-type", DIVE_SF_ITEM},
    {"cross-origin-resource-policy", DIVE_SF_ITEM},
    {"alt-svc", DIVE_SF_DICTIONARY},
    {"cache-control", DIVE_SF_DICTIONARY},
    {"keep-alive", DIVE_SF_DICTIONARY},
    {"pragma", DIVE_SF_DICTIONARY},
    {"prefer", DIVE_SF_DICTIONARY},
    {"preference-applied", DIVE_SF_DICTIONARY},
};

int dive_field_type(struct dive_span name, enum dive_sf_kind *out)
{
    *out = 0;
    for (size_t i = 0; i < sizeof(field_types) / sizeof(field_types[0]); i++) {
        if (dive_span_caseeq(name, dive_span_str(field_types[i].name))) {
            *out = field_types[i].kind;
            return 0;
        }
    }
    return DIVE_E_NOT_FOUND;
}
