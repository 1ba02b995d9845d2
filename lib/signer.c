/* SPDX-License-Identifier: BSD-2-Clause
 *
 * signer: see signer.h.
 *
 * The members of Signature-Input and Signature are built as structured fields and go through the
 * one serialiser and the one builder of signature bases that the verifier uses.
 */
#include "signer.h"

#include <stdio.h>
#include <stdlib.h>

#include "buffer.h"
#include "dive_sig.h"
#include "domain.h"
#include "sf.h"
#include "signature_base.h"

#define CONTENT_DIGEST "content-digest"
#define KEYID_BUF (DIVE_KEY_ID_MAX + 1 + DIVE_DOMAIN_BUF)
#define LABEL_BUF 16

/* keyid, alg, created, expires (RFC 9421 section 2.3) */
#define PARAMS_MAX 4

/* One entry while it is made. */
struct entry {
    char keyid[KEYID_BUF];
    char label[LABEL_BUF]; /* when the key names none */
    struct dive_sf_param params[PARAMS_MAX];
    uint8_t signature[DIVE_SIG_BYTES_MAX];
};

/* All that one dive_sign() owns. */
struct signing {
    const struct dive_signing_key *keys;
    size_t n_keys;
    struct dive_sf *parsed[DIVE_SIGNER_COMPONENTS_MAX]; /* what the items below point into */
    struct dive_sf_item items[DIVE_SIGNER_COMPONENTS_MAX + 1];
    size_t n_items;
    struct dive_field *fields; /* the response's, and Content-Digest */
    struct dive_response response;
    struct entry entry[DIVE_SIGNER_KEYS_MAX];
    struct dive_sf_member input[DIVE_SIGNER_KEYS_MAX];
    struct dive_sf_member signature[DIVE_SIGNER_KEYS_MAX];
};

static struct dive_sf_bare bare_text(enum dive_sf_type type, struct dive_span text)
{
    return (struct dive_sf_bare){.type = type, .text = text};
}

static struct dive_sf_bare bare_integer(int64_t integer)
{
    return (struct dive_sf_bare){.type = DIVE_SF_INTEGER, .integer = integer};
}

static int serialize_members(struct dive_sf_member *members, size_t n, char **out)
{
    struct dive_sf sf = {.kind = DIVE_SF_DICTIONARY, .members = members, .n = n};
    size_t len;

    return dive_sf_serialize(&sf, out, &len);
}

/* `keyid` or `keyid@fqdn`, the domain in normal form. */
static int keyid_of(const struct dive_signing_key *key, char out[KEYID_BUF])
{
    char fqdn[DIVE_DOMAIN_BUF];
    int r;

    out[0] = '\0';
    if (key->key_id == NULL || !dive_key_id_valid(dive_span_str(key->key_id)) ||
        key->sign == NULL || dive_algorithm_signature_bytes(key->algorithm) == 0)
        return DIVE_E_TYPE;
    if (key->fqdn == NULL) {
        snprintf(out, KEYID_BUF, "%s", key->key_id);
        return 0;
    }
    r = dive_domain_normalize(dive_span_str(key->fqdn), fqdn);
    if (r != 0)
        return r == DIVE_E_NOMEM || r == DIVE_E_INTERNAL ? r : DIVE_E_TYPE;
    snprintf(out, KEYID_BUF, "%s@%s", key->key_id, fqdn);
    return 0;
}

static int sign_checked(const struct dive_signing_key *key, const void *message, size_t n,
                        uint8_t signature[DIVE_SIG_BYTES_MAX])
{
    int r = key->sign(key->arg, message, n, signature);

    if (r != 0)
        return r < 0 ? r : DIVE_E_INTERNAL;
    if (key->public_key.n == 0)
        return 0;
    return dive_signature_check(
        key->algorithm, key->public_key,
        dive_span(signature, dive_algorithm_signature_bytes(key->algorithm)),
        dive_span(message, n));
}

static int content_digest_of(const struct dive_digests *digests, char **out)
{
    struct dive_sf_member members[DIVE_HASH_COUNT] = {0};
    size_t n = 0;

    *out = NULL;
    for (unsigned hash = 0; hash < DIVE_HASH_COUNT; hash++) {
        const uint8_t *value = dive_digests_get(digests, (enum dive_hash)hash);

        if (value == NULL)
            continue;
        members[n].key = dive_span_str(dive_hash_field_name((enum dive_hash)hash));
        members[n++].bare =
            bare_text(DIVE_SF_BYTES, dive_span(value, dive_hash_bytes((enum dive_hash)hash)));
    }
    return n == 0 ? DIVE_E_STATE : serialize_members(members, n, out);
}

static int read_components(struct signing *s, const struct dive_sign_options *options)
{
    if (options->n_components > DIVE_SIGNER_COMPONENTS_MAX)
        return DIVE_E_LIMIT;
    s->items[s->n_items++].bare = bare_text(DIVE_SF_STRING, dive_span_str(CONTENT_DIGEST));
    for (size_t i = 0; i < options->n_components; i++) {
        const struct dive_sf_member *member;
        int r = dive_sf_parse(&s->parsed[i], DIVE_SF_ITEM, options->components[i], 0, NULL);

        if (r != 0)
            return r == DIVE_E_SYNTAX ? DIVE_E_TYPE : r;
        member = &s->parsed[i]->members[0];
        if (member->bare.type != DIVE_SF_STRING)
            return DIVE_E_TYPE;
        s->items[s->n_items++] =
            (struct dive_sf_item){.bare = member->bare, .params = member->params};
    }
    return 0;
}

/* The response as it will be sent: with the Content-Digest that was just made. */
static int complete_response(struct signing *s, const struct dive_sign_options *options,
                             const char *content_digest)
{
    const struct dive_response *given = options->response;
    size_t n = given != NULL ? given->fields.n : 0;

    for (size_t i = 0; i < n; i++) {
        if (dive_span_caseeq(given->fields.v[i].name, dive_span_str(CONTENT_DIGEST)))
            return DIVE_E_TYPE;
    }
    s->fields = calloc(n + 1, sizeof(*s->fields));
    if (s->fields == NULL)
        return DIVE_E_NOMEM;
    if (n > 0)
        memcpy(s->fields, given->fields.v, n * sizeof(*s->fields));
    s->fields[n].name = dive_span_str(CONTENT_DIGEST);
    s->fields[n].value = dive_span_str(content_digest);
    s->response.status = given != NULL ? given->status : 200;
    s->response.has_content = true;
    s->response.fields = (struct dive_fields){s->fields, n + 1};
    return 0;
}

static int begin_entry(struct signing *s, size_t i, const struct dive_sign_options *options)
{
    const struct dive_signing_key *key = &s->keys[i];
    struct entry *entry = &s->entry[i];
    struct dive_sf_member *input = &s->input[i];
    size_t n = 0;
    int r = keyid_of(key, entry->keyid);

    if (r != 0)
        return r;
    snprintf(entry->label, sizeof(entry->label), "sig%zu", i + 1);
    input->key = dive_span_str(key->label != NULL ? key->label : entry->label);
    for (size_t k = 0; k < i; k++) {
        if (s->input[k].key.n == input->key.n &&
            memcmp(s->input[k].key.p, input->key.p, input->key.n) == 0)
            return DIVE_E_TYPE;
    }
    entry->params[n++] = (struct dive_sf_param){
        dive_span_str("keyid"), bare_text(DIVE_SF_STRING, dive_span_str(entry->keyid))};
    entry->params[n++] = (struct dive_sf_param){
        dive_span_str("alg"),
        bare_text(DIVE_SF_STRING, dive_span_str(dive_algorithm_name(key->algorithm)))};
    if (options->has_created)
        entry->params[n++] =
            (struct dive_sf_param){dive_span_str("created"), bare_integer(options->created)};
    if (options->has_expires)
        entry->params[n++] =
            (struct dive_sf_param){dive_span_str("expires"), bare_integer(options->expires)};
    input->is_inner_list = true;
    input->items = s->items;
    input->n_items = s->n_items;
    input->params = (struct dive_sf_params){entry->params, n};
    return 0;
}

static int make_entry(struct signing *s, size_t i, const struct dive_sign_options *options)
{
    const struct dive_signing_key *key = &s->keys[i];
    char *base = NULL;
    size_t len;
    int r = begin_entry(s, i, options);

    if (r != 0)
        return r;
    r = dive_signature_base(&s->input[i], options->request, &s->response, &base, &len);
    if (r == 0)
        r = sign_checked(key, base, len, s->entry[i].signature);
    free(base);
    s->signature[i].key = s->input[i].key;
    s->signature[i].bare =
        bare_text(DIVE_SF_BYTES,
                  dive_span(s->entry[i].signature, dive_algorithm_signature_bytes(key->algorithm)));
    return r;
}

static void signing_free(struct signing *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < DIVE_SIGNER_COMPONENTS_MAX; i++)
        dive_sf_free(&s->parsed[i]);
    free(s->fields);
    free(s);
}

int dive_sign(struct dive_signed *out, const struct dive_signing_key *keys, size_t n_keys,
              const struct dive_digests *digests, const struct dive_sign_options *options)
{
    int r = DIVE_E_INTERNAL;
    struct signing *s = NULL;

    *out = (struct dive_signed){0};
    if (n_keys == 0 || n_keys > DIVE_SIGNER_KEYS_MAX)
        return DIVE_E_LIMIT;
    if (options->has_created && options->has_expires && options->expires <= options->created)
        return DIVE_E_TYPE;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return DIVE_E_NOMEM;
    s->keys = keys;
    s->n_keys = n_keys;
    r = content_digest_of(digests, &out->content_digest);
    if (r == 0)
        r = read_components(s, options);
    if (r == 0)
        r = complete_response(s, options, out->content_digest);
    for (size_t i = 0; i < n_keys && r == 0; i++)
        r = make_entry(s, i, options);
    if (r == 0)
        r = serialize_members(s->input, n_keys, &out->signature_input);
    if (r == 0)
        r = serialize_members(s->signature, n_keys, &out->signature);
    if (r != 0)
        dive_signed_free(out);
    signing_free(s);
    return r;
}

/* Plain base64 (RFC 4648 section 4): what a byte sequence is, without its colons. */
static int add_base64(struct buffer *buffer, const void *data, size_t n)
{
    struct dive_sf_item item = {.bare = bare_text(DIVE_SF_BYTES, dive_span(data, n))};
    char *text = NULL;
    size_t len;
    int r = dive_sf_serialize_item(&item, &text, &len);

    if (r != 0)
        return r;
    buffer_add(buffer, text + 1, len - 2);
    free(text);
    return 0;
}

static int add_entry_00(struct buffer *buffer, const struct dive_signing_key *key,
                        enum dive_hash hash, const uint8_t *digest)
{
    char keyid[KEYID_BUF];
    uint8_t message[DIVE_SIG_INPUT_MAX], signature[DIVE_SIG_BYTES_MAX];
    size_t n;
    int r = keyid_of(key, keyid);

    if (r != 0)
        return r;
    n = dive_sig_input(hash, digest, message);
    r = sign_checked(key, message, n, signature);
    if (r != 0)
        return r;
    buffer_add_str(buffer, keyid);
    buffer_add_str(buffer, ":");
    buffer_add_str(buffer, dive_hash_record_name(hash));
    buffer_add_str(buffer, ":");
    return add_base64(buffer, signature, dive_algorithm_signature_bytes(key->algorithm));
}

int dive_sign_00(char **out, const struct dive_signing_key *keys, size_t n_keys,
                 const struct dive_digests *digests, enum dive_hash hash)
{
    int r = DIVE_E_INTERNAL;
    struct buffer buffer = BUFFER_INIT(DIVE_SF_OUTPUT_MAX);
    const uint8_t *digest = dive_digests_get(digests, hash);
    size_t len;

    *out = NULL;
    if (n_keys == 0 || n_keys > DIVE_SIGNER_KEYS_MAX)
        return DIVE_E_LIMIT;
    if (digest == NULL)
        return DIVE_E_STATE;
    for (size_t i = 0; i < n_keys; i++) {
        for (size_t k = 0; k < i; k++) {
            r = DIVE_E_TYPE;
            if (keys[i].key_id != NULL && strcmp(keys[i].key_id, keys[k].key_id) == 0)
                goto out;
        }
        if (i > 0)
            buffer_add_str(&buffer, ", ");
        r = add_entry_00(&buffer, &keys[i], hash, digest);
        if (r != 0)
            goto out;
    }
    r = buffer_take(&buffer, out, &len);
out:
    buffer_free(&buffer);
    return r;
}

void dive_signed_free(struct dive_signed *fields)
{
    free(fields->content_digest);
    free(fields->signature_input);
    free(fields->signature);
    *fields = (struct dive_signed){0};
}
