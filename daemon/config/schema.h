/* SPDX-License-Identifier: BSD-2-Clause
 *
 * schema: the one table of all keys. The reader (load.c) and the reference (reference.c) are driven
 * by it: what it doesn't list doesn't exist. Defaults are written as in the file and read by the
 * same code.
 */
#ifndef DIVED_CONFIG_SCHEMA_H
#define DIVED_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* type, what it is called, plural, bytes that it takes in the configuration */
/* clang-format off */
#define SCHEMA_TYPES(X)                                                                            \
    X(SECTION, "map", "maps", 0)                                                                   \
    X(ITEMS, "map", "maps", 0)                                                                     \
    X(FORMAT, "number", "numbers", 0)                                                              \
    X(INTEGER, "number", "numbers", sizeof(unsigned))                                              \
    X(WORKERS, "number or auto", "numbers", sizeof(unsigned))                                      \
    X(PORT, "port number", "port numbers", sizeof(uint16_t))                                       \
    X(SIZE, "size", "sizes", sizeof(int64_t))                                                      \
    X(DURATION, "duration", "durations", sizeof(int64_t))                                          \
    X(BOOL, "boolean", "booleans", sizeof(bool))                                                   \
    X(SWITCH, "boolean", "booleans", sizeof(unsigned))                                             \
    X(WORD, "word", "words", sizeof(unsigned))                                                     \
    X(VERSION, "word", "words", 0)                                                                 \
    X(LABEL, "text", "texts", sizeof(char *))                                                      \
    X(USER_AGENT, "text", "texts", sizeof(char *))                                                 \
    X(PARENT, "URL of a proxy", "URLs of proxies", sizeof(struct config_parent))                   \
    X(PATH, "path", "paths", sizeof(char *))                                                       \
    X(LOG_PATH, "path or \"-\"", "paths", sizeof(char *))                                          \
    X(KEY_SOURCE, "path, credential:NAME or pkcs11: URI", "paths", sizeof(char *))                 \
    X(ACCOUNT, "user or group", "users or groups", sizeof(char *))                                 \
    X(ADDRESS, "address, ip:port", "addresses", sizeof(struct config_address))                     \
    X(NETWORK, "network, ip/bits", "networks", sizeof(struct config_network))                      \
    X(HOST_GLOB, "host glob", "host globs", sizeof(char *))                                        \
    X(PATH_GLOB, "path glob", "path globs", sizeof(char *))                                        \
    X(WINDOW, "time window", "time windows", sizeof(struct config_window))                         \
    X(NAME, "name", "names", sizeof(char *))                                                       \
    X(METHOD, "method", "methods", sizeof(char *))                                                 \
    X(COMPONENT, "component", "components", sizeof(char *))                                        \
    X(SCOPE_NAME, "scope name", "scope names", sizeof(char *))                                     \
    X(MEDIA_TYPE, "media type", "media types", sizeof(char *))                                     \
    X(DNS_SERVER, "DNS server, ip@port", "DNS servers, ip@port", sizeof(char *))                   \
    X(DNS_NAME, "host name", "host names", sizeof(char *))                                         \
    X(ZONE, "zone", "zones", sizeof(char *))                                                       \
    X(OPTIONS, "map of options", "maps", sizeof(struct config_option))
/* clang-format on */

enum schema_type {
#define X(id, word, plural, size) SCHEMA_##id,
    SCHEMA_TYPES(X)
#undef X
};

#define SCHEMA_LIST 1u     /* a list of the type */
#define SCHEMA_NULLABLE 2u /* null is a value: NULL, len 0 or family 0 */
#define SCHEMA_REQUIRED 4u /* of the file or of a list's entry */
#define SCHEMA_OPEN 16u    /* no default: absent is something of its own */
/* Of a PATH or LOG_PATH, for the sandbox. Neither: a file that is read, or replaced by others. */
#define SCHEMA_WRITTEN 64u    /* a file that is written, made or renamed */
#define SCHEMA_DIRECTORY 128u /* a directory in which files are made */
#define SCHEMA_ONE 32u        /* of a list: a single value is a list of one */

struct schema_key {
    const char *path; /* "dns.timeout"; keys of a list's entries as "dns.stub[].zone" */
    enum schema_type type;
    unsigned flags;
    size_t offset;            /* in struct config, or in the entry */
    size_t item_size;         /* ITEMS */
    const char *standard;     /* the default, as it stands in a file; NULL: none */
    const char *const *words; /* WORD, VERSION: NULL-terminated */
    int64_t min, max;         /* INTEGER, WORKERS, SIZE, DURATION */
    const char *help;
};

/* The order is that of the file and the reference: a section before its keys. */
extern const struct schema_key schema[];
extern const size_t schema_count;
#define SCHEMA_KEYS_MAX 160 /* of the whole table; checked by a test */

/* The key `name` (of `length` bytes) below `prefix` ("", "dns.", "listeners[]."): its index, or -1.
 */
int schema_find(const char *prefix, const char *name);
/* The index of a full path that is known to exist. */
size_t schema_index(const char *path);
/* The last part of a key's path if it stands right below `prefix`, else NULL. */
const char *schema_leaf(const struct schema_key *key, const char *prefix);

const char *schema_type_word(enum schema_type type);
const char *schema_type_plural(enum schema_type type);
size_t schema_type_size(enum schema_type type);

#endif
