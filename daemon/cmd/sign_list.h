/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sign_list: the files that one `divectl sign` signs, from the command line, from a list of names,
 * or from a manifest, and what comes of each.
 */
#ifndef DIVED_CMD_SIGN_LIST_H
#define DIVED_CMD_SIGN_LIST_H

#include "cmd/command.h"
#include "lib/content_digest.h"

#define SIGN_FILES_MAX 1000000
#define SIGN_LINE_MAX 65536 /* bytes of one line of a list or manifest */
#define SIGN_ITEM_COMPONENTS_MAX 32

/* One file. All strings are owned by the list. */
struct sign_item {
    char *file;
    char *path; /* of its URL, decoded, with a leading slash; NULL: none can be told */
    /* From the manifest; zero: as the command line says. */
    unsigned hashes;
    bool has_created, has_expires;
    int64_t created, expires;
    char **components; /* n_components of them */
    size_t n_components;
    /* The result, set by one worker, read by the main thread after it is done. */
    char *text;  /* what is to be written; NULL: failed */
    char *error; /* one line without a line end; NULL with `text` NULL: no memory */
    int code;    /* the exit code it means */
};

struct sign_list {
    struct sign_item *v;
    size_t n, capacity;
    const char *root;   /* the folder that the site's "/" is; NULL: the names are paths; borrowed */
    const char *prefix; /* goes before each path: "/pub"; NULL: none; borrowed */
};

/* Each returns COMMAND_OK or an exit code that was told. */
int sign_list_add(struct sign_list *list, const char *file) DIVE_MUST_USE;
/* Names, one a line, or each ended by NUL; `from` is a path or "-". */
int sign_list_read_names(struct sign_list *list, const char *from, bool nul) DIVE_MUST_USE;
/* JSON Lines: see divectl(1). */
int sign_list_read_manifest(struct sign_list *list, const char *from) DIVE_MUST_USE;
void sign_list_free(struct sign_list *list);

#endif
