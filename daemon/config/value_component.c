/* SPDX-License-Identifier: BSD-2-Clause
 *
 * value_component: a component identifier of RFC 9421 section 2, as `require-components` names it.
 * What can be covered by a signature of a response is libdive's to say.
 */
#include "config/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sf.h"
#include "lib/signature_component.h"

static const char request_only[][16] = {"@method",   "@target-uri", "@authority", "@scheme",
                                        "@request-", "@path",       "@query"};

/* What to write instead. `item` is a string. */
static int not_supported(const struct dive_sf_item *item, struct value_why *why)
{
    struct dive_span name = item->bare.text;

    for (size_t i = 0; i < sizeof(request_only) / sizeof(request_only[0]); i++)
        if (name.n >= strlen(request_only[i]) &&
            memcmp(name.p, request_only[i], strlen(request_only[i])) == 0 &&
            !dive_sf_param(&item->params, "req"))
            return value_wrong(why,
                               "is of the request; in a response's signature it is "
                               "\"%.*s\";req",
                               (int)(name.n < 64 ? name.n : 64), name.p);
    return value_wrong(why, "is no component that a response's signature can cover (RFC 9421)");
}

int value_component(const char *text, char out[VALUE_COMPONENT_BUF], struct value_why *why)
{
    const char *rest = strchr(text, ';');
    size_t name = rest ? (size_t)(rest - text) : strlen(text);
    char quoted[VALUE_COMPONENT_BUF];
    struct dive_component component;
    struct dive_sf_item item;
    struct dive_sf *sf = NULL;
    char *serial = NULL;
    size_t len;
    int r = DIVE_E_INTERNAL;

    out[0] = '\0';
    if (strlen(text) > VALUE_COMPONENT_BUF - 3)
        return value_wrong(why, "(cut) is longer than %d bytes", VALUE_COMPONENT_BUF - 3);
    if (text[0] == '"')
        snprintf(quoted, sizeof(quoted), "%s", text);
    else
        snprintf(quoted, sizeof(quoted), "\"%.*s\"%s", (int)name, text, rest ? rest : "");
    if (dive_sf_parse(&sf, DIVE_SF_ITEM, dive_span_str(quoted), 0, NULL) != 0) {
        r = value_wrong(why, "is no component; write it as in '\"@path\";req' (RFC 9421)");
        goto out;
    }
    item = (struct dive_sf_item){sf->members[0].bare, sf->members[0].params};
    if (item.bare.type != DIVE_SF_STRING || dive_component_parse(&component, &item) != 0) {
        r = not_supported(&item, why);
        goto out;
    }
    if (dive_sf_serialize_item(&item, &serial, &len) != 0 || len >= VALUE_COMPONENT_BUF) {
        r = value_wrong(why, "can't be written as a component (RFC 9421)");
        goto out;
    }
    memcpy(out, serial, len + 1);
    r = 0;
out:
    free(serial);
    dive_sf_free(&sf);
    return r;
}
