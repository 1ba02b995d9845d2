/* SPDX-License-Identifier: BSD-2-Clause
 *
 * signature_input: pairs the members of Signature-Input and Signature by their labels into entries,
 * and reads from each what DIVE needs to find the key and to judge. Nothing is verified here.
 */
#include "signature_input.h"

#include <stdlib.h>

#include "signature_component.h"
#include "span.h"

static const char *const fault_texts[] = {
#define X(id, text) [DIVE_ENTRY_##id] = text,
    DIVE_ENTRY_FAULTS(X)
#undef X
};

const char *dive_entry_fault_text(enum dive_entry_fault fault)
{
    if ((unsigned)fault >= sizeof(fault_texts) / sizeof(fault_texts[0]))
        return "unknown fault";
    return fault_texts[fault];
}

static const struct dive_sf_member *find_label(const struct dive_sf *sf, struct dive_span label)
{
    for (size_t i = 0; i < sf->n; i++) {
        if (span_same(sf->members[i].key, label))
            return &sf->members[i];
    }
    return NULL;
}

/* Is it the whole Content-Digest of this response? */
static bool covers_content(const struct dive_sf_item *item)
{
    if (!dive_span_eq(item->bare.text, "content-digest"))
        return false;
    for (size_t i = 0; i < item->params.n; i++) {
        if (!dive_span_eq(item->params.v[i].key, "sf") &&
            !dive_span_eq(item->params.v[i].key, "bs"))
            return false;
    }
    return true;
}

static enum dive_entry_fault check_components(const struct dive_sf_member *input)
{
    bool content_covered = false;

    if (input->n_items > DIVE_COMPONENTS_MAX)
        return DIVE_ENTRY_TOO_MANY_COMPONENTS;
    for (size_t i = 0; i < input->n_items; i++) {
        if (input->items[i].bare.type != DIVE_SF_STRING ||
            input->items[i].params.n > DIVE_COMPONENT_PARAMS_MAX)
            return DIVE_ENTRY_BAD_COMPONENT;
        for (size_t k = 0; k < i; k++) {
            if (dive_component_same(&input->items[k], &input->items[i]))
                return DIVE_ENTRY_BAD_COMPONENT;
        }
        content_covered = content_covered || covers_content(&input->items[i]);
    }
    return content_covered ? DIVE_ENTRY_NONE : DIVE_ENTRY_NO_CONTENT_DIGEST;
}

/* `KeyID` or `KeyID@fqdn` (draft-callec-dive-01 section 7.4). */
static enum dive_entry_fault read_keyid(struct dive_signature_entry *entry, const char *origin)
{
    const struct dive_sf_bare *keyid = dive_sf_param(&entry->input->params, "keyid");
    struct dive_span domain, id;
    bool qualified;

    if (keyid == NULL || keyid->type != DIVE_SF_STRING)
        return DIVE_ENTRY_NO_KEYID;
    entry->keyid = domain = keyid->text;
    qualified = span_split(&domain, '@', &id);
    if (id.n > DIVE_KEY_ID_MAX || !dive_key_id_valid(id))
        return DIVE_ENTRY_FOREIGN_KEYID;
    memcpy(entry->key_id, id.p, id.n);
    entry->key_id[id.n] = '\0';
    if (!qualified)
        return DIVE_ENTRY_NONE;
    if (dive_domain_normalize(domain, entry->fqdn) != 0) {
        entry->fqdn[0] = '\0'; /* no domain name is no parent either */
        return DIVE_ENTRY_FQDN_NOT_PARENT;
    }
    return dive_domain_covers(entry->fqdn, origin) ? DIVE_ENTRY_NONE : DIVE_ENTRY_FQDN_NOT_PARENT;
}

static enum dive_entry_fault read_alg(struct dive_signature_entry *entry)
{
    const struct dive_sf_bare *alg = dive_sf_param(&entry->input->params, "alg");

    if (alg == NULL || alg->type != DIVE_SF_STRING)
        return DIVE_ENTRY_NO_ALG;
    return dive_algorithm_from_name(alg->text, &entry->alg) == 0 ? DIVE_ENTRY_NONE
                                                                 : DIVE_ENTRY_FOREIGN_ALG;
}

static enum dive_entry_fault read_time(const struct dive_signature_entry *entry, const char *name,
                                       bool *has, int64_t *out)
{
    const struct dive_sf_bare *value = dive_sf_param(&entry->input->params, name);

    if (value == NULL)
        return DIVE_ENTRY_NONE;
    if (value->type != DIVE_SF_INTEGER)
        return DIVE_ENTRY_BAD_PARAMETER;
    *has = true;
    *out = value->integer;
    return DIVE_ENTRY_NONE;
}

static enum dive_entry_fault check_string(const struct dive_signature_entry *entry,
                                          const char *name)
{
    const struct dive_sf_bare *value = dive_sf_param(&entry->input->params, name);

    return value == NULL || value->type == DIVE_SF_STRING ? DIVE_ENTRY_NONE
                                                          : DIVE_ENTRY_BAD_PARAMETER;
}

/* RFC 9421 section 2.3. Parameters that it doesn't define are let be: the base has them, signed. */
static enum dive_entry_fault read_other_params(struct dive_signature_entry *entry)
{
    enum dive_entry_fault fault;

    fault = read_time(entry, "created", &entry->has_created, &entry->created);
    if (fault == DIVE_ENTRY_NONE)
        fault = read_time(entry, "expires", &entry->has_expires, &entry->expires);
    if (fault == DIVE_ENTRY_NONE)
        fault = check_string(entry, "nonce");
    if (fault == DIVE_ENTRY_NONE)
        fault = check_string(entry, "tag");
    return fault;
}

static enum dive_entry_fault read_entry(struct dive_signature_entry *entry,
                                        const struct dive_sf_member *signature, const char *origin)
{
    enum dive_entry_fault fault;

    if (entry->input == NULL || signature == NULL)
        return DIVE_ENTRY_UNPAIRED;
    if (!entry->input->is_inner_list)
        return DIVE_ENTRY_NOT_INNER_LIST;
    if (signature->is_inner_list || signature->bare.type != DIVE_SF_BYTES)
        return DIVE_ENTRY_NOT_BYTES;
    entry->signature = signature->bare.text;
    fault = check_components(entry->input);
    if (fault == DIVE_ENTRY_NONE)
        fault = read_keyid(entry, origin);
    if (fault == DIVE_ENTRY_NONE)
        fault = read_alg(entry);
    if (fault == DIVE_ENTRY_NONE)
        fault = read_other_params(entry);
    return fault;
}

static void add_entry(struct dive_signatures *out, struct dive_span label,
                      const struct dive_sf_member *input, const struct dive_sf_member *signature,
                      const char *origin)
{
    struct dive_signature_entry *entry;

    if (out->n == DIVE_SIGNATURE_ENTRIES_MAX) {
        out->ignored++;
        return;
    }
    entry = &out->entry[out->n++];
    entry->label = label;
    entry->input = input;
    entry->fault = read_entry(entry, signature, origin);
}

/* Signature-Input gives the order. Once it has filled the entries, the labels of Signature needn't
 * be looked up: with that, the work is linear in the length of both fields. */
static void pair(struct dive_signatures *out, const char *origin)
{
    for (size_t i = 0; i < out->input->n; i++) {
        const struct dive_sf_member *input = &out->input->members[i];
        bool looked_at = out->n < DIVE_SIGNATURE_ENTRIES_MAX;

        add_entry(out, input->key, input, looked_at ? find_label(out->signature, input->key) : NULL,
                  origin);
    }
    if (out->n == DIVE_SIGNATURE_ENTRIES_MAX)
        return;
    for (size_t i = 0; i < out->signature->n; i++) {
        const struct dive_sf_member *signature = &out->signature->members[i];

        if (find_label(out->input, signature->key) == NULL)
            add_entry(out, signature->key, NULL, signature, origin);
    }
}

static int parse_field(struct dive_sf **out, const struct dive_fields *fields, const char *name)
{
    int r = DIVE_E_INTERNAL;
    char *text = NULL;
    size_t len;

    r = dive_fields_join(fields, name, &text, &len);
    if (r != 0)
        goto out;
    r = dive_sf_parse(out, DIVE_SF_DICTIONARY, dive_span(text, len), DIVE_SF_UPPER_KEYS, NULL);
    if (r != 0)
        goto out;
    r = (*out)->n > 0 ? 0 : DIVE_E_NOT_FOUND;
out:
    free(text);
    return r;
}

int dive_signatures_parse(struct dive_signatures *out, const struct dive_fields *response,
                          const char *origin)
{
    int r = DIVE_E_INTERNAL;

    memset(out, 0, sizeof(*out));
    r = parse_field(&out->input, response, "signature-input");
    if (r != 0)
        goto out;
    r = parse_field(&out->signature, response, "signature");
    if (r != 0)
        goto out;
    pair(out, origin);
    r = 0;
out:
    if (r != 0)
        dive_signatures_free(out);
    return r;
}

void dive_signatures_free(struct dive_signatures *signatures)
{
    dive_sf_free(&signatures->input);
    dive_sf_free(&signatures->signature);
    memset(signatures, 0, sizeof(*signatures));
}
