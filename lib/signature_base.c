/* SPDX-License-Identifier: BSD-2-Clause
 *
 * signature_base: puts the lines together (RFC 9421 section 2.5): one for each covered component,
 * in the order of the Signature-Input member, and "@signature-params" last, without a line end.
 */
#include "signature_base.h"

#include <stdlib.h>

#include "signature_component.h"
#include "signature_input.h"

#define BASE_MAX (256 * 1024)

struct base {
    struct buffer text;
    size_t read; /* octets of fields and queries, so far */
};

/* How many octets must be read for the value. A hostile origin can have a long field or query read
 * again for each component; the sum is bounded as the base itself is. */
static size_t source_length(const struct dive_component *component,
                            const struct dive_request *request, const struct dive_fields *fields)
{
    size_t n = 0;

    if (component->derived)
        return component->param != NULL && request != NULL ? request->query.n : 0;
    for (size_t i = 0; i < fields->n; i++) {
        if (dive_span_caseeq(fields->v[i].name, component->name))
            n += fields->v[i].value.n;
    }
    return n;
}

static int add_value(struct base *base, const struct dive_component *component,
                     const struct dive_request *request, const struct dive_response *response)
{
    const struct dive_fields *fields = &response->fields;

    if (component->req && request == NULL)
        return DIVE_E_NOT_FOUND;
    if (component->req)
        fields = &request->fields;
    base->read += source_length(component, request, fields);
    if (base->read > BASE_MAX)
        return DIVE_E_LIMIT;
    if (component->derived)
        return dive_component_derived_value(&base->text, component, request, response);
    return dive_component_field_value(&base->text, component, fields);
}

/* The identifier is written as it was read, the order of its parameters included. */
static int add_component(struct base *base, const struct dive_sf_item *item,
                         const struct dive_request *request, const struct dive_response *response)
{
    int r = DIVE_E_INTERNAL;
    struct dive_component component;
    char *identifier = NULL;
    size_t len;

    r = dive_component_parse(&component, item);
    if (r != 0)
        goto out;
    r = dive_sf_serialize_item(item, &identifier, &len);
    if (r != 0)
        goto out;
    buffer_add(&base->text, identifier, len);
    buffer_add_str(&base->text, ": ");
    r = add_value(base, &component, request, response);
    if (r != 0)
        goto out;
    buffer_add_str(&base->text, "\n");
    r = base->text.error;
out:
    free(identifier);
    return r;
}

static int add_signature_params(struct buffer *out, const struct dive_sf_member *input)
{
    char *text = NULL;
    size_t len;
    int r = dive_sf_serialize_member(input, &text, &len);

    if (r != 0)
        return r;
    buffer_add_str(out, "\"@signature-params\": ");
    buffer_add(out, text, len);
    free(text);
    return out->error;
}

static bool listed_before(const struct dive_sf_member *input, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (dive_component_same(&input->items[i], &input->items[at]))
            return true;
    }
    return false;
}

int dive_signature_base(const struct dive_sf_member *input, const struct dive_request *request,
                        const struct dive_response *response, char **out, size_t *len)
{
    int r = DIVE_E_INTERNAL;
    struct base base = {.text = BUFFER_INIT(BASE_MAX)};

    *out = NULL;
    *len = 0;
    if (!input->is_inner_list) {
        r = DIVE_E_TYPE;
        goto out;
    }
    if (input->n_items > DIVE_COMPONENTS_MAX) {
        r = DIVE_E_LIMIT;
        goto out;
    }
    for (size_t i = 0; i < input->n_items; i++) {
        if (listed_before(input, i)) {
            r = DIVE_E_UNSUPPORTED;
            goto out;
        }
        r = add_component(&base, &input->items[i], request, response);
        if (r != 0)
            goto out;
    }
    r = add_signature_params(&base.text, input);
    if (r != 0)
        goto out;
    r = buffer_take(&base.text, out, len);
out:
    buffer_free(&base.text);
    return r;
}
