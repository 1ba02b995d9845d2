/* SPDX-License-Identifier: BSD-2-Clause
 *
 * key_record: reads `<Key-ID>._divekey` TXT records. Strict: what isn't wholly understood is no
 * key.
 */
#include "key_record.h"

#include <stdio.h>

#include "sf.h"

static int faulty(struct dive_fault *fault, int error, const char *parameter, size_t offset,
                  const char *text)
{
    if (fault) {
        snprintf(fault->parameter, sizeof(fault->parameter), "%s", parameter);
        fault->offset = offset;
        fault->text = text;
    }
    return error;
}

static int read_key(struct dive_key *key, const struct dive_sf *sf, struct dive_fault *fault)
{
    const struct dive_sf_member *sig = dive_sf_get(sf, "sig"), *bytes = dive_sf_get(sf, "key");

    if (!sig)
        return faulty(fault, DIVE_E_TYPE, "sig", 0, "is absent");
    if (sig->is_inner_list || sig->bare.type != DIVE_SF_STRING)
        return faulty(fault, DIVE_E_TYPE, "sig", 0, "is not a string");
    if (dive_algorithm_from_name(sig->bare.text, &key->algorithm) ||
        key->algorithm == DIVE_ALGORITHM_NONE)
        return faulty(fault, DIVE_E_UNSUPPORTED, "sig", 0, "is neither \"ed25519\" nor \"ed448\"");
    if (!bytes)
        return faulty(fault, DIVE_E_TYPE, "key", 0, "is absent");
    if (bytes->is_inner_list || bytes->bare.type != DIVE_SF_BYTES)
        return faulty(fault, DIVE_E_TYPE, "key", 0, "is not a byte sequence");
    if (bytes->bare.text.n != dive_algorithm_key_bytes(key->algorithm) ||
        bytes->bare.text.n > sizeof(key->bytes))
        return faulty(fault, DIVE_E_TYPE, "key", 0, "has not the length of a key of its algorithm");
    memcpy(key->bytes, bytes->bare.text.p, bytes->bare.text.n);
    key->len = bytes->bare.text.n;
    return 0;
}

static int read_allowed_hash(struct dive_key *key, const struct dive_sf *sf,
                             struct dive_fault *fault)
{
    const struct dive_sf_member *m = dive_sf_get(sf, "allowed-hash");
    enum dive_hash hash;

    if (!m)
        return 0;
    if (!m->is_inner_list)
        return faulty(fault, DIVE_E_TYPE, "allowed-hash", 0, "is not a list in parentheses");
    for (size_t i = 0; i < m->n_items; i++) {
        if (m->items[i].bare.type != DIVE_SF_STRING)
            return faulty(fault, DIVE_E_TYPE, "allowed-hash", 0,
                          "lists something that is not a string");
        /* "MUST NOT be listed and MUST be rejected": one prohibited name spoils the record. */
        if (dive_hash_from_record_name(m->items[i].bare.text, &hash))
            return faulty(fault, DIVE_E_UNSUPPORTED, "allowed-hash", 0,
                          "lists a hash algorithm that is not permitted");
        key->allowed_hashes |= DIVE_HASH_BIT(hash);
    }
    key->has_allowed_hash = true;
    return 0;
}

static int read_cache(struct dive_key *key, const struct dive_sf *sf, struct dive_fault *fault)
{
    const struct dive_sf_member *m = dive_sf_get(sf, "cache");

    if (!m)
        return 0;
    if (m->is_inner_list || m->bare.type != DIVE_SF_INTEGER)
        return faulty(fault, DIVE_E_TYPE, "cache", 0, "is not an integer");
    if (m->bare.integer < 0)
        return faulty(fault, DIVE_E_TYPE, "cache", 0, "is negative");
    key->cache = m->bare.integer;
    return 0;
}

int dive_key_parse(struct dive_key *out, struct dive_span text, struct dive_fault *fault)
{
    struct dive_sf *sf = NULL;
    size_t error_at = 0;
    int r = DIVE_E_INTERNAL;

    memset(out, 0, sizeof(*out));
    if (fault)
        memset(fault, 0, sizeof(*fault));
    r = dive_sf_parse(&sf, DIVE_SF_DICTIONARY, text, 0, &error_at);
    if (r == DIVE_E_NOMEM) {
        faulty(fault, r, "", 0, "memory ran out");
        goto out;
    }
    if (r) {
        r = faulty(fault, DIVE_E_SYNTAX, "", error_at, "is not a structured field dictionary");
        goto out;
    }
    if ((r = read_key(out, sf, fault)) || (r = read_allowed_hash(out, sf, fault)))
        goto out;
    r = read_cache(out, sf, fault);
out:
    dive_sf_free(&sf);
    if (r)
        memset(out, 0, sizeof(*out));
    return r;
}

size_t dive_key_select(struct dive_key *out, const struct dive_span *texts, size_t n, int *error)
{
    size_t found = 0;

    *error = 0;
    for (size_t i = 0; i < n && found < DIVE_KEYS_PER_NAME_MAX; i++) {
        int r = dive_key_parse(&out[found], texts[i], NULL);

        if (r == DIVE_E_NOMEM) {
            *error = r;
            return 0;
        }
        if (!r)
            found++;
    }
    return found;
}
