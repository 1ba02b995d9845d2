/* SPDX-License-Identifier: BSD-2-Clause
 *
 * validate: conditional requests in both directions: a client's against a stored response (RFC 9110
 * section 13, RFC 9111 section 4.3.2), ours to the origin (4.3.1), and what its 304 makes of the
 * stored head (4.3.4). No function calls back.
 *
 * Entity tags that aren't in the grammar (unquoted ones) are compared byte for byte, as weak ones:
 * origins that send them compare them so.
 */
#ifndef DIVED_CACHE_VALIDATE_H
#define DIVED_CACHE_VALIDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "http/head.h"

/* If-Match and If-Unmodified-Since protect the origin's state (RFC 9110 sections 13.1.1 and
 * 13.1.4): such a request is for the origin, and nothing stored answers it. */
bool validate_is_for_origin(const struct http_head *request);

/* Whether a GET or HEAD with these conditional fields gets 304 of the stored 200 (false: the whole
 * response). If-None-Match (weak comparison, lists, "*") if it is there, else If-Modified-Since
 * with a valid date (RFC 9110 section 13.2.2); without a Last-Modified it is compared to the Date.
 */
bool validate_not_modified(const struct http_head *request, const struct http_head *stored,
                           int64_t now);

/* Whether the request's Range applies to the stored response: true without If-Range; with one,
 * strong comparison of its entity tag, or the exact Last-Modified date, if that is a strong
 * validator (a minute older than Date: RFC 9110 sections 13.1.5 and 8.8.2.2). */
bool validate_if_range(const struct http_head *request, const struct http_head *stored,
                       int64_t now);

/* Request fields that a client's validation uses: dropped from a request that asks for a whole
 * response, or for our own validation. NULL-terminated, for http_write.drop: If-None-Match,
 * If-Modified-Since, If-Range, Range. */
extern const char *const validate_drop[];

enum { VALIDATE_FIELDS_MAX = 512 };

struct validate_fields {
    struct dive_field v[2];
    size_t n;
};
/* The fields that make a request a validation of the stored response: If-None-Match with its ETag,
 * If-Modified-Since with its valid Last-Modified. Values are borrowed from `stored`. n is 0 when it
 * has no validator. */
void validate_request(struct validate_fields *out, const struct http_head *stored, int64_t now);

/* If-Range for the rest of an interrupted transfer of `stored`: only a strong validator will do.
 * False when it has none. */
bool validate_resume(struct dive_field *out, const struct http_head *stored, int64_t now);

/* Whether a 304 is about the stored response that was validated (RFC 9111 section 4.3.4): false if
 * it has a validator that is another one. One without any validator is believed, since a single
 * response was asked about, though the RFC would have it carry the ETag. False: the stored response
 * must neither be updated nor used; ask again without conditions. */
bool validate_selects(const struct http_head *not_modified, const struct http_head *stored,
                      int64_t now);
/* The strong validator, for remembering what failed: the ETag if it is a strong one. NULL without;
 * borrowed. */
const struct dive_span *validate_strong_tag(const struct http_head *response);

/* The stored head with the fields of the 304 (RFC 9111 section 3.2). Kept as they are:
 * Content-Length, Content-Encoding, Content-Range, Content-MD5, ETag. Age goes, unless the 304 has
 * one; so does Date, which freshness_of() then takes to be the time of the response.
 *
 * What DIVE's verdict rests on stays consistent: Content-Digest, Repr-Digest, Signature-Input,
 * Signature and DIVE-Sig are replaced all together if the 304 brings a signature of its own and
 * doesn't contradict the stored Content-Digest (*resigned is true if that changed any of them: the
 * verdict must be given anew). Otherwise they are kept, and so is every field that a stored
 * signature covers, even if the 304 has another value for it.
 *
 * Cache-Control and Vary may be others now: freshness_may_store() and vary_of_response() are to be
 * asked again. A Date that is covered stays, and then makes the response look older than it is.
 *
 * Status and framing stay the stored ones. *out is the caller's (http_head_clear()), independent of
 * both. 0, HTTP_E_NOMEM, or HTTP_E_TOO_MANY_FIELDS when there would be more than
 * VALIDATE_FIELDS_MAX. */
int validate_freshen(struct http_head *out, const struct http_head *stored,
                     const struct http_head *not_modified, bool *resigned) DIVE_MUST_USE;

/* What of a response's head may be stored (RFC 9111 section 3.1): all but connection fields and
 * what Connection names, the Proxy-* fields, and fields that no-cache="..." or private="..." names.
 * Age stays: freshness_of() needs it again after a restart; whoever sends the head writes an Age of
 * its own instead, and, where there is no Date, the time of the response (RFC 9110 section 6.6.1).
 * Ownership and failure as above. */
int validate_storable_head(struct http_head *out, const struct http_head *response) DIVE_MUST_USE;

/* The head of a 304 to a client (RFC 9110 section 15.4.5): Cache-Control, Content-Location, Date,
 * ETag, Expires, Vary and, without an ETag, Last-Modified; Set-Cookie and other metadata stay out.
 * Ownership and failure as above. */
int validate_304_head(struct http_head *out, const struct http_head *stored) DIVE_MUST_USE;

#endif
