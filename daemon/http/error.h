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
/*  X(symbol, name, code, status, text) */
#define HTTP_ERRORS(X) \
    X(INTERNAL,        "internal",          -1, 500, "internal error") \
    X(NOMEM,           "nomem",             -2, 503, "out of memory") \
    X(BUFFER_FULL,     "buffer_full",       -3, 500, "a message to be sent exceeds its buffer") \
    X(HEAD_TOO_LARGE,  "head_too_large",    -4, 431, "header section too large") \
    X(TOO_MANY_FIELDS, "too_many_fields",   -5, 431, "too many header fields") \
    X(TARGET_TOO_LONG, "target_too_long",   -6, 414, "request target too long") \
    X(BARE_CR,         "bare_cr",           -7, 400, "carriage return without line feed") \
    X(BARE_LF,         "bare_lf",           -8, 400, "line feed without carriage return") \
    X(CONTROL,         "control",           -9, 400, "control character in the header section") \
    X(START_LINE,      "start_line",       -10, 400, "malformed start line") \
    X(METHOD,          "method",           -11, 400, "malformed request method") \
    X(TARGET,          "target",           -12, 400, "malformed request target") \
    X(VERSION,         "version",          -13, 505, "HTTP version not supported") \
    X(STATUS,          "status",           -14, 400, "malformed status code") \
    X(FIELD_NAME,      "field_name",       -15, 400, "malformed field name") \
    X(FOLD,            "fold",             -16, 400, "folded field line") \
    X(LENGTH,          "length",           -17, 400, "malformed Content-Length") \
    X(LENGTH_REPEATED, "length_repeated",  -18, 400, "more than one Content-Length") \
    X(TRANSFER_CODING, "transfer_coding",  -19, 400, "malformed or repeated Transfer-Encoding") \
    X(CODING_UNKNOWN,  "coding_unknown",   -20, 501, "transfer coding not supported") \
    X(FRAMING,         "framing",          -21, 400, "contradicting message framing") \
    X(HOST_MISSING,    "host_missing",     -22, 400, "Host missing") \
    X(HOST_REPEATED,   "host_repeated",    -23, 400, "more than one Host") \
    X(HOST,            "host",             -24, 400, "malformed Host") \
    X(HOST_DISAGREES,  "host_disagrees",   -25, 400, "Host is not that of the request target") \
    X(CONNECTION,      "connection",       -26, 400, "Connection that no sender may send") \
    X(EXPECTATION,     "expectation",      -27, 417, "expectation not supported") \
    X(CONTENT,         "content",          -28, 400, "content where the message can have none") \
    X(DISAGREE,        "disagree",         -29, 400, "header section open to two readings") \
    X(CHUNK_SIZE,      "chunk_size",       -30, 400, "malformed chunk size") \
    X(CHUNK_END,       "chunk_end",        -31, 400, "chunk not followed by a line end") \
    X(CHUNK_EXTENSION, "chunk_extension",  -32, 400, "malformed or too long chunk extension") \
    X(TRAILER,         "trailer",          -33, 400, "malformed or too large trailer section")
/* clang-format on */

enum http_error {
#define HTTP_ERROR_ENUM(symbol, name, code, status, text) HTTP_E_##symbol = (code),
    HTTP_ERRORS(HTTP_ERROR_ENUM)
#undef HTTP_ERROR_ENUM
};

/* Static strings, never NULL: the lower-case name ("bare_lf") and the text. An unknown code reads
 * as INTERNAL. http_error_status() is the status code for a malformed request. */
const char *http_error_name(int error);
const char *http_error_text(int error);
int http_error_status(int error);

#endif
