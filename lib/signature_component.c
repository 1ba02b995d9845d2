/* SPDX-License-Identifier: BSD-2-Clause
 *
 * signature_component: which component identifiers can stand in a response's signature.
 */
#include "signature_component.h"

#include "span.h"

enum derived_source { OF_REQUEST, OF_RESPONSE };

static const struct {
    const char *name;
    enum derived_source source;
} derived_components[] = {
    {"@method", OF_REQUEST},         {"@target-uri", OF_REQUEST},  {"@authority", OF_REQUEST},
    {"@scheme", OF_REQUEST},         {"@path", OF_REQUEST},        {"@query", OF_REQUEST},
    {"@request-target", OF_REQUEST}, {"@query-param", OF_REQUEST}, {"@status", OF_RESPONSE},
};

/* Boolean flags are either absent or true: `;req=?0` is no form that RFC 9421 knows. */
static int read_flag(bool *out, const struct dive_sf_bare *value)
{
    if (value->type != DIVE_SF_BOOLEAN || !value->boolean)
        return DIVE_E_UNSUPPORTED;
    *out = true;
    return 0;
}

static int read_string(const struct dive_span **out, const struct dive_sf_bare *value)
{
    if (value->type != DIVE_SF_STRING)
        return DIVE_E_UNSUPPORTED;
    *out = &value->text;
    return 0;
}

static int read_param(struct dive_component *out, const struct dive_sf_param *param)
{
    if (dive_span_eq(param->key, "sf"))
        return read_flag(&out->sf, &param->value);
    if (dive_span_eq(param->key, "bs"))
        return read_flag(&out->bs, &param->value);
    if (dive_span_eq(param->key, "req"))
        return read_flag(&out->req, &param->value);
    if (dive_span_eq(param->key, "key"))
        return read_string(&out->key, &param->value);
    if (dive_span_eq(param->key, "name"))
        return read_string(&out->param, &param->value);
    return DIVE_E_UNSUPPORTED; /* ;tr too: trailers never count for DIVE */
}

static int check_derived(const struct dive_component *component)
{
    if (component->sf || component->bs || component->key != NULL)
        return DIVE_E_UNSUPPORTED;
    if ((component->param != NULL) != !!dive_span_eq(component->name, "@query-param"))
        return DIVE_E_UNSUPPORTED;
    for (size_t i = 0; i < sizeof(derived_components) / sizeof(derived_components[0]); i++) {
        if (dive_span_eq(component->name, derived_components[i].name))
            return component->req == (derived_components[i].source == OF_REQUEST)
                       ? 0
                       : DIVE_E_UNSUPPORTED;
    }
    return DIVE_E_UNSUPPORTED; /* @signature-params too: it can't cover itself */
}

static int check_field(const struct dive_component *component)
{
    if (component->name.n == 0 || component->param != NULL)
        return DIVE_E_UNSUPPORTED;
    if (component->bs && (component->sf || component->key != NULL))
        return DIVE_E_UNSUPPORTED;
    for (size_t i = 0; i < component->name.n; i++) {
        if (component->name.p[i] >= 'A' && component->name.p[i] <= 'Z')
            return DIVE_E_UNSUPPORTED;
    }
    return 0;
}

int dive_component_parse(struct dive_component *out, const struct dive_sf_item *item)
{
    int r = DIVE_E_INTERNAL;
    struct dive_component component = {0};

    memset(out, 0, sizeof(*out));
    if (item->bare.type != DIVE_SF_STRING)
        return DIVE_E_TYPE;
    if (item->params.n > DIVE_COMPONENT_PARAMS_MAX)
        return DIVE_E_UNSUPPORTED;
    component.name = item->bare.text;
    component.derived = component.name.n > 0 && component.name.p[0] == '@';
    for (size_t i = 0; i < item->params.n; i++) {
        r = read_param(&component, &item->params.v[i]);
        if (r != 0)
            return r;
    }
    r = component.derived ? check_derived(&component) : check_field(&component);
    if (r != 0)
        return r;
    *out = component;
    return 0;
}

static bool same_bare(const struct dive_sf_bare *a, const struct dive_sf_bare *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case DIVE_SF_INTEGER:
    case DIVE_SF_DATE:
        return a->integer == b->integer;
    case DIVE_SF_DECIMAL:
        return a->thousandths == b->thousandths;
    case DIVE_SF_BOOLEAN:
        return a->boolean == b->boolean;
    case DIVE_SF_STRING:
    case DIVE_SF_TOKEN:
    case DIVE_SF_BYTES:
    case DIVE_SF_DISPLAY:
        return span_same(a->text, b->text);
    }
    return false;
}

static bool has_param(const struct dive_sf_params *params, const struct dive_sf_param *wanted)
{
    for (size_t i = 0; i < params->n; i++) {
        if (span_same(params->v[i].key, wanted->key))
            return same_bare(&params->v[i].value, &wanted->value);
    }
    return false;
}

bool dive_component_same(const struct dive_sf_item *a, const struct dive_sf_item *b)
{
    if (a->params.n != b->params.n || a->params.n > DIVE_COMPONENT_PARAMS_MAX ||
        !same_bare(&a->bare, &b->bare))
        return false;
    for (size_t i = 0; i < a->params.n; i++) {
        if (!has_param(&b->params, &a->params.v[i]))
            return false;
    }
    return true;
}
