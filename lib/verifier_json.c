/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verifier_json: jansson for the report and the trace, with every byte of outside text made safe.
 */
#include "verifier_json.h"

#include <openssl/evp.h>
#include <stdlib.h>

json_t *verifier_json_text(struct dive_span text)
{
    json_t *json = json_stringn(text.n ? text.p : "", text.n);
    unsigned char *utf8;
    size_t n = 0;

    if (json)
        return json;
    if (text.n > SIZE_MAX / 2 || !(utf8 = malloc(text.n * 2 + 1)))
        return NULL;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c < 0x80) {
            utf8[n++] = c;
        } else {
            utf8[n++] = (unsigned char)(0xc0 | c >> 6);
            utf8[n++] = (unsigned char)(0x80 | (c & 0x3f));
        }
    }
    json = json_stringn((const char *)utf8, n);
    free(utf8);
    return json;
}

json_t *verifier_json_string(const char *text)
{
    return text ? verifier_json_text(dive_span_str(text)) : json_null();
}

json_t *verifier_json_base64(const uint8_t *bytes, size_t n)
{
    unsigned char text[4 * ((DIVE_SIG_BYTES_MAX + 2) / 3) + 1];
    int len;

    if (n > DIVE_SIG_BYTES_MAX)
        return NULL;
    len = EVP_EncodeBlock(text, bytes, (int)n);
    return len < 0 ? NULL : json_stringn((const char *)text, (size_t)len);
}

json_t *verifier_json_field(const struct dive_response *response, const char *name)
{
    char *value = NULL;
    size_t len;
    int r = dive_fields_join(&response->fields, name, &value, &len);
    json_t *json = NULL;

    if (!r)
        json = verifier_json_text(dive_span(value, len));
    else if (r == DIVE_E_NOT_FOUND || r == DIVE_E_LIMIT)
        json = json_null();
    free(value);
    return json;
}

void verifier_json_set(json_t *object, const char *key, json_t *value, bool *ok)
{
    if (json_object_set_new(object, key, value))
        *ok = false;
}

int verifier_json_finish(json_t *object, bool ok, char **out)
{
    *out = object && ok ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return *out ? 0 : DIVE_E_NOMEM;
}
