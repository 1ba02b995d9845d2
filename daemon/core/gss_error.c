/* SPDX-License-Identifier: BSD-2-Clause
 *
 * gss_error: see gss_error.h.
 */
#include "core/gss_error.h"

#include <gssapi/gssapi_krb5.h>
#include <stdbool.h>
#include <stdio.h>

void gss_error_text(char *text, size_t size, OM_uint32 major, OM_uint32 minor)
{
    gss_buffer_desc said = GSS_C_EMPTY_BUFFER;
    OM_uint32 more = 0, ignored;
    bool by_mechanism = minor != 0;

    snprintf(text, size, "GSSAPI error %08x", (unsigned)major);
    if (GSS_ERROR(gss_display_status(&ignored, by_mechanism ? minor : major,
                                     by_mechanism ? GSS_C_MECH_CODE : GSS_C_GSS_CODE,
                                     by_mechanism ? gss_mech_krb5 : GSS_C_NO_OID, &more, &said)))
        return;
    snprintf(text, size, "%.*s", (int)(said.length < 180 ? said.length : 180),
             (const char *)said.value);
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
            *p = '?';
    gss_release_buffer(&ignored, &said);
}
