/* SPDX-License-Identifier: BSD-2-Clause
 *
 * dive_sig: the DIVE-Sig field of draft-callec-dive-00: `keyID[@fqdn]:hash:BASE64, ...`.
 *
 * The whole field is read, also past the entries that are looked at: one malformed entry or one
 * prohibited hash anywhere rejects the response. The first fault found decides the code.
 */
#include "dive_sig.h"

#include "span.h"

#define DIVE_SIG_FIELD_MAX 65536

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* RFC 4648 section 4, the one canonical text of each value: padded, no other character, and the
 * bits that the padding leaves over are zero (section 3.5). 1 to DIVE_SIG_BYTES_MAX bytes. */
static int base64_decode(struct dive_span in, uint8_t out[DIVE_SIG_BYTES_MAX], size_t *len)
{
    size_t padding = 0, n = 0;
    unsigned bits = 0, have = 0;

    *len = 0;
    if (in.n == 0 || in.n % 4 != 0)
        return DIVE_E_SYNTAX;
    while (padding < 2 && in.p[in.n - 1 - padding] == '=')
        padding++;
    if (in.n / 4 * 3 - padding > DIVE_SIG_BYTES_MAX)
        return DIVE_E_SYNTAX;
    for (size_t i = 0; i < in.n - padding; i++) {
        int value = base64_value(in.p[i]);

        if (value < 0)
            return DIVE_E_SYNTAX;
        bits = bits << 6 | (unsigned)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (uint8_t)(bits >> have);
            bits &= (1u << have) - 1;
        }
    }
    if (bits != 0)
        return DIVE_E_SYNTAX;
    *len = n;
    return 0;
}

/* A word that could be the name of a hash, permitted or not. */
static bool is_hash_name(struct dive_span name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_' || c == '/'))
            return false;
    }
    return name.n > 0;
}

static int parse_key(struct dive_sig_entry *out, struct dive_span text, const char *origin)
{
    int r;
    struct dive_span id;
    bool qualified = span_split(&text, '@', &id);

    if (!dive_key_id_valid(id) || id.n > DIVE_KEY_ID_MAX)
        return DIVE_E_SYNTAX;
    memcpy(out->key_id, id.p, id.n);
    out->key_id[id.n] = '\0';
    if (!qualified)
        return 0;
    r = dive_domain_normalize(text, out->fqdn);
    if (r != 0) {
        out->fqdn[0] = '\0';
        return r == DIVE_E_NOMEM || r == DIVE_E_INTERNAL ? r : DIVE_E_SYNTAX;
    }
    out->fqdn_not_parent = !dive_domain_covers(out->fqdn, origin);
    return 0;
}

static int parse_entry(struct dive_sig_entry *out, struct dive_span text, const char *origin)
{
    int r;
    struct dive_span key, hash;

    memset(out, 0, sizeof(*out));
    if (!span_split(&text, ':', &key) || !span_split(&text, ':', &hash))
        return DIVE_E_SYNTAX;
    r = parse_key(out, key, origin);
    if (r != 0)
        return r;
    r = base64_decode(text, out->signature, &out->signature_len);
    if (r != 0)
        return r;
    if (!is_hash_name(hash))
        return DIVE_E_SYNTAX;
    return dive_hash_from_record_name(hash, &out->hash);
}

static bool has_key_id(const struct dive_sig *sig, const char *key_id)
{
    for (size_t i = 0; i < sig->n; i++) {
        if (strcmp(sig->entry[i].key_id, key_id) == 0)
            return true;
    }
    return false;
}

int dive_sig_parse(struct dive_sig *out, struct dive_span field, const char *origin)
{
    int r = DIVE_E_INTERNAL;
    struct dive_sig_entry entry;
    struct dive_span element;
    bool more;

    memset(out, 0, sizeof(*out));
    if (field.n > DIVE_SIG_FIELD_MAX) {
        r = DIVE_E_LIMIT;
        goto out;
    }
    do {
        more = span_split(&field, ',', &element);
        r = parse_entry(&entry, span_trim(element), origin);
        if (r != 0)
            goto out;
        if (has_key_id(out, entry.key_id))
            continue;
        if (out->n < DIVE_SIG_ENTRIES_MAX)
            out->entry[out->n++] = entry;
        else
            out->ignored++;
    } while (more);
    r = 0;
out:
    if (r != 0)
        memset(out, 0, sizeof(*out));
    return r;
}

size_t dive_sig_input(enum dive_hash hash, const uint8_t *digest, uint8_t out[DIVE_SIG_INPUT_MAX])
{
    const char *name = dive_hash_record_name(hash);
    size_t name_len = strlen(name), bytes = dive_hash_bytes(hash);

    memcpy(out, name, name_len);
    out[name_len] = ':';
    memcpy(out + name_len + 1, digest, bytes);
    return name_len + 1 + bytes;
}
