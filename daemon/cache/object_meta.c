/* SPDX-License-Identifier: BSD-2-Clause
 *
 * object_meta: the plain value that describes a stored response: copied and cleared.
 */
#include <stdlib.h>
#include <string.h>

#include "cache/object.h"

void object_meta_clear(struct object_meta *meta)
{
    free(meta->url);
    free(meta->vary);
    http_head_clear(&meta->head);
    free(meta->verdict.domain);
    free(meta->verdict.key_id);
    free(meta->verdict.key);
    *meta = (struct object_meta){0};
}

static int copy_string(char **out, const char *from)
{
    *out = from != NULL ? strdup(from) : NULL;
    return from != NULL && *out == NULL ? DIVE_E_NOMEM : 0;
}

int object_meta_copy(struct object_meta *out, const struct object_meta *meta)
{
    int r = DIVE_E_NOMEM;

    *out = *meta;
    out->url = out->vary = NULL;
    out->head = (struct http_head){0};
    out->verdict.domain = out->verdict.key_id = NULL;
    out->verdict.key = NULL;
    if (copy_string(&out->url, meta->url) != 0 || copy_string(&out->vary, meta->vary) != 0 ||
        http_head_copy(&out->head, &meta->head) != 0 ||
        copy_string(&out->verdict.domain, meta->verdict.domain) != 0 ||
        copy_string(&out->verdict.key_id, meta->verdict.key_id) != 0)
        goto out;
    if (meta->verdict.key_n > 0) {
        out->verdict.key = malloc(meta->verdict.key_n);
        if (out->verdict.key == NULL)
            goto out;
        memcpy(out->verdict.key, meta->verdict.key, meta->verdict.key_n);
    }
    r = 0;
out:
    if (r != 0)
        object_meta_clear(out);
    return r;
}
