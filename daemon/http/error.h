/* SPDX-License-Identifier: BSD-2-Clause
 *
 * error: every way in which HTTP/1 input can be refused, in one table: the code, the name for logs
 * and metrics, the status that answers a request with it (a response with it is always answered
 * 502), and the text.
 */
#ifndef DIVED_HTTP_ERROR_H
#define DIVED_HTTP_ERROR_H

/* What the incremental parsers return; anything negative is an enum http_error. */
enum http_parse {
    HTTP_DONE = 0,      /* the element is complete */
    HTTP_NEED_MORE = 1, /* well-formed so far: call again with more bytes */
    HTTP_DATA = 2,      /* http_chunked_feed() only: a span of content is returned */
};

/* clang-format off */
/*  X(name, code, status, text) */
#define HTTP_ERRORS(X) \
    X(INTERNAL,         -1, 500, "internal error") \
    X(NOMEM,            -2, 503, "out of memory") \
    X(BUFFER_FULL,      -3, 500, "a message to be sent exceeds its buffer") \
    X(HEAD_TOO_LARGE,   -4, 431, "header section too large") \
    X(TOO_MANY_FIELDS,  -5, 431, "too many header fields") \
    X(TARGET_TOO_LONG,  -6, 414, "request target too long") \
    X(BARE_CR,          -7, 400, "carriage return without line feed") \
    X(BARE_LF,          -8, 400, "line feed without carriage return") \
    X(CONTROL,          -9, 400, "control character in the header section") \
    X(START_LINE,      -10, 400, "malformed start line") \
    X(METHOD,          -11, 400, "malformed request method") \
    X(TARGET,          -12, 400, "malformed request target") \
    X(VERSION,         -13, 505, "HTTP version not supported") \
    X(STATUS,          -14, 400, "malformed status code") \
    X(FIELD_NAME,      -15, 400, "malformed field name") \
    X(FOLD,            -16, 400, "folded field line") \
    X(LENGTH,          -17, 400, "malformed Content-Length") \
    X(LENGTH_REPEATED, -18, 400, "more than one Content-Length") \
    X(TRANSFER_CODING, -19, 400, "malformed or repeated Transfer-Encoding") \
    X(CODING_UNKNOWN,  -20, 501, "transfer coding not supported") \
    X(FRAMING,         -21, 400, "contradicting message framing") \
    X(HOST_MISSING,    -22, 400, "Host missing") \
    X(HOST_REPEATED,   -23, 400, "more than one Host") \
    X(HOST,            -24, 400, "malformed Host") \
    X(HOST_DISAGREES,  -25, 400, "Host is not that of the request target") \
    X(CONNECTION,      -26, 400, "Connection malformed or naming an end-to-end field") \
    X(EXPECTATION,     -27, 417, "expectation not supported") \
    X(CONTENT,         -28, 400, "content where the message can have none") \
    X(DISAGREE,        -29, 400, "header section open to two readings") \
    X(CHUNK_SIZE,      -30, 400, "malformed chunk size") \
    X(CHUNK_END,       -31, 400, "chunk not followed by a line end") \
    X(CHUNK_EXTENSION, -32, 400, "malformed or too long chunk extension") \
    X(TRAILER,         -33, 400, "malformed or too large trailer section")
/* clang-format on */

enum http_error {
#define HTTP_ERROR_ENUM(name, code, status, text) HTTP_E_##name = (code),
    HTTP_ERRORS(HTTP_ERROR_ENUM)
#undef HTTP_ERROR_ENUM
};

/* Static strings, never NULL: the lower-case name ("bare_lf") and the text. An unknown code reads
 * as INTERNAL. http_error_status() is the status code for a malformed request. */
const char *http_error_name(int error);
const char *http_error_text(int error);
int http_error_status(int error);

#endif
