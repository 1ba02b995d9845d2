/* SPDX-License-Identifier: BSD-2-Clause
 *
 * anchor: reads a trust anchor file (DS or DNSKEY records in zone-file form, as IANA's root.key)
 * into one line a record. It is read once, at start or reload: contexts made later, for fresh
 * answers, must neither need the file system nor find other anchors than their siblings.
 */
#ifndef DIVED_DNS_ANCHOR_H
#define DIVED_DNS_ANCHOR_H

#include <stddef.h>

#include "lib/error.h"

#define ANCHOR_FILE_MAX (1024 * 1024) /* bytes */
#define ANCHOR_MAX 256                /* records */

struct anchor_list {
    size_t n;
    char *line[ANCHOR_MAX];
};

/* `out` is overwritten; anchor_clear() frees what it holds, whatever the result. On failure `error`
 * gets a sentence. A file without an anchor is DIVE_E_SYNTAX: validation would silently be off. */
int anchor_read(const char *path, struct anchor_list *out, char *error,
                size_t error_size) DIVE_MUST_USE;
/* The same from memory; `name` is for the error. */
int anchor_parse(const char *text, size_t n, const char *name, struct anchor_list *out, char *error,
                 size_t error_size) DIVE_MUST_USE;
void anchor_clear(struct anchor_list *list);

#endif
