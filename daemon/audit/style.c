/* SPDX-License-Identifier: BSD-2-Clause
 *
 * style: see style.h.
 */
#include "audit/style.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>

/* The build turns the file into numbers. */
const char style_sheet[] = {
#include "daemon/audit/style.css.inc"
    0};

int style_csp_source(const void *text, size_t n, char out[STYLE_SOURCE])
{
    uint8_t hash[32];
    unsigned char base64[48];
    unsigned length = 0;

    out[0] = '\0';
    if (EVP_Digest(text, n, hash, &length, EVP_sha256(), NULL) != 1)
        return DIVE_E_INTERNAL;
    EVP_EncodeBlock(base64, hash, sizeof(hash));
    snprintf(out, STYLE_SOURCE, "'sha256-%s'", (const char *)base64);
    return 0;
}
