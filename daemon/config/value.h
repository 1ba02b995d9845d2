/* SPDX-License-Identifier: BSD-2-Clause
 *
 * value: single values as text, and what to say to a person about one that is wrong.
 *
 * Every call returns 0, or DIVE_E_SYNTAX with `why` set to the end of a sentence that begins with
 * the quoted value ("has no unit; write 10s"). Strings that go out are written to buffers of the
 * caller.
 */
#ifndef DIVED_CONFIG_VALUE_H
#define DIVED_CONFIG_VALUE_H

#include "config/config.h"
#include "lib/domain.h"

#define VALUE_SERVER_BUF 64                  /* "ip@port" */
#define VALUE_HOST_BUF (DIVE_DOMAIN_BUF + 2) /* "*." and a name, or a name and its dot */
#define VALUE_COMPONENT_BUF 300              /* a component of RFC 9421, serialized */
#define VALUE_TEXT_MAX 4096                  /* of any text or path */

struct value_why {
    char text[256];
};

/* An int64_t in decimal, no sign, no leading zeros. */
int value_integer(const char *text, int64_t *out, struct value_why *why) DIVE_MUST_USE;
/* `10s`: ms, s, m or h. Milliseconds. */
int value_duration(const char *text, int64_t *out, struct value_why *why) DIVE_MUST_USE;
/* `64KiB`: KiB, MiB, GiB, or plain bytes. */
int value_size(const char *text, int64_t *out, struct value_why *why) DIVE_MUST_USE;
int value_bool(const char *text, bool *out, struct value_why *why) DIVE_MUST_USE;
/* One of `words` (NULL-terminated; "" is no choice): its index. */
int value_word(const char *text, const char *const *words, unsigned *out,
               struct value_why *why) DIVE_MUST_USE;

/* The candidate that `word` is likely a slip of, or NULL. At most a third of it may differ,
 * or it is how the candidate begins. */
const char *value_closest(const char *word, const char *const *candidates, size_t n);

/* Largest units first, for messages: "10s", "64KiB". */
void value_format_duration(int64_t ms, char *buf, size_t size);
void value_format_size(int64_t bytes, char *buf, size_t size);

/* ---- value_net.c ---- */

/* "ip:port", "[ip6]:port"; out->text is left to the caller. */
int value_address(const char *text, struct config_address *out,
                  struct value_why *why) DIVE_MUST_USE;
/* "ip/bits" without bits set past the prefix. */
int value_network(const char *text, struct config_network *out,
                  struct value_why *why) DIVE_MUST_USE;
/* "ip@port" or "ip", then with `port` unless that is 0. */
int value_dns_server(const char *text, unsigned port, char out[VALUE_SERVER_BUF],
                     struct value_why *why) DIVE_MUST_USE;
/* See config_host_glob_match(). Out in lower case, IP literals in their shortest form. */
int value_host_glob(const char *text, char out[VALUE_HOST_BUF],
                    struct value_why *why) DIVE_MUST_USE;
int value_dns_name(const char *text, char out[VALUE_HOST_BUF], struct value_why *why) DIVE_MUST_USE;

#define VALUE_USER_BUF 256
struct value_parent {
    bool tls;
    uint16_t port;
    char host[VALUE_HOST_BUF]; /* as value_dns_name(), or an IP literal in its shortest form */
    char user[VALUE_USER_BUF]; /* percent-decoded; "": none */
};

/* "http://user@host:port" or "https://...", with no path but "/"; without a password, which belongs
 * into a file. The port must be there. */
int value_parent(const char *text, struct value_parent *out, struct value_why *why) DIVE_MUST_USE;
/* A name with its trailing dot, or ".". */
int value_zone(const char *text, char out[VALUE_HOST_BUF], struct value_why *why) DIVE_MUST_USE;

/* ---- value_text.c ---- */

/* "/pool/" "*": begins with "/" or "*". */
int value_path_glob(const char *text, struct value_why *why) DIVE_MUST_USE;
/* Of a user or a listener: anything visible, of 255 bytes at most. */
int value_name(const char *text, struct value_why *why) DIVE_MUST_USE;
/* RFC 9110 section 9.1: a token, case-sensitive. */
int value_method(const char *text, struct value_why *why) DIVE_MUST_USE;
/* A component identifier of RFC 9421 section 2 as signatures of a response may cover it, its name
 * in quotes or not (`@path;req`); out as it is serialized: `"@path";req`. */
int value_component(const char *text, char out[VALUE_COMPONENT_BUF],
                    struct value_why *why) DIVE_MUST_USE;
/* draft-01 section 4.2: "x-" and a-z or "-". */
int value_scope_name(const char *text, struct value_why *why) DIVE_MUST_USE;
/* "type/subtype" or "type/" "*", without parameters. */
int value_media_type(const char *text, struct value_why *why) DIVE_MUST_USE;
/* An option of libunbound: without its colon. */
int value_option_name(const char *text, struct value_why *why) DIVE_MUST_USE;
/* A path that nobody is expected to expand. */
int value_path(const char *text, struct value_why *why) DIVE_MUST_USE;
/* Printable ASCII without quotes and backslashes: what can stand in a quoted-string as it is. */
int value_label(const char *text, struct value_why *why) DIVE_MUST_USE;
/* RFC 9110 section 10.1.5, loosely: printable ASCII. */
int value_user_agent(const char *text, struct value_why *why) DIVE_MUST_USE;
int value_account(const char *text, struct value_why *why) DIVE_MUST_USE;

/* For the implementation: sets why->text and returns DIVE_E_SYNTAX. */
int value_wrong(struct value_why *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
