/* SPDX-License-Identifier: BSD-2-Clause
 *
 * value_text: values that are text with a form: paths, globs, scope names, media types.
 */
#include "config/value.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "http/path.h"

int value_path_glob(const char *text, struct value_why *why)
{
    if (text[0] != '/' && text[0] != '*')
        return value_wrong(why, "is no path of a URL; it begins with \"/\", or with \"*\" for any");
    if (strchr(text, '?') || strchr(text, '#'))
        return value_wrong(why, "has a \"?\" or \"#\"; queries and fragments are not looked at");
    if (!http_path_can_fit(text))
        return value_wrong(why,
                           "never fits: paths are compared decoded and without \"//\", \"/./\" "
                           "and \"/../\"; write characters as they are, not as %%XX");
    return 0;
}

int value_scope_name(const char *text, struct value_why *why)
{
    size_t n = strlen(text);

    if (strcmp(text, "strict") == 0)
        return value_wrong(why, "is a standard scope; only custom ones, x-*, can be defined");
    if (strncmp(text, "x-", 2) != 0 || n == 2)
        return value_wrong(why, "is no custom scope; its name begins with \"x-\"");
    if (strspn(text + 2, "abcdefghijklmnopqrstuvwxyz-") != n - 2)
        return value_wrong(why, "is no custom scope; after \"x-\" only a-z and \"-\" may follow");
    if (n > 64)
        return value_wrong(why, "is longer than 64 characters");
    return 0;
}

/* RFC 9110 section 5.6.2 */
static bool is_token(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)text[i]) && (!strchr("!#$%&'+-.^_`|~", text[i]) || !text[i]))
            return false;
    return n > 0;
}

int value_name(const char *text, struct value_why *why)
{
    if (text[0] == '\0')
        return value_wrong(why, "is empty");
    if (strlen(text) > 255)
        return value_wrong(why, "(cut) is longer than 255 bytes");
    return 0;
}

int value_method(const char *text, struct value_why *why)
{
    static const char *const known[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                        "OPTIONS", "CONNECT", "TRACE", "PATCH"};

    if (!is_token(text, strlen(text)) || strlen(text) > 64)
        return value_wrong(why, "is no method; write GET, or several as a list");
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcasecmp(text, known[i]) == 0 && strcmp(text, known[i]) != 0)
            return value_wrong(why, "is not how the method is written; did you mean %s?", known[i]);
    return 0;
}

int value_media_type(const char *text, struct value_why *why)
{
    const char *slash = strchr(text, '/');

    if (strchr(text, ';'))
        return value_wrong(why, "has parameters; write the type and subtype alone");
    if (!slash || !is_token(text, (size_t)(slash - text)))
        return value_wrong(why, "is no media type; write type/subtype or type/*");
    if (strcmp(slash, "/*") != 0 && !is_token(slash + 1, strlen(slash + 1)))
        return value_wrong(why, "is no media type; write type/subtype or type/*");
    return 0;
}

int value_option_name(const char *text, struct value_why *why)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

    if (n > 0 && strcmp(text + n, ":") == 0)
        return value_wrong(why, "ends in a colon; leave it out");
    if (n == 0 || n > 63 || text[n])
        return value_wrong(why, "is no option of libunbound (unbound.conf, server:)");
    return 0;
}

int value_path(const char *text, struct value_why *why)
{
    if (text[0] == '\0')
        return value_wrong(why, "is empty");
    if (text[0] == '~')
        return value_wrong(why,
                           "begins with \"~\", which is not expanded; write the folder out, or "
                           "a path relative to this file");
    if (text[0] == '$')
        return value_wrong(why, "begins with \"$\": variables are not expanded; write it out");
    return 0;
}

int value_label(const char *text, struct value_why *why)
{
    if (text[0] == '\0' || strlen(text) > 128)
        return value_wrong(why, "is empty or longer than 128 characters");
    for (const char *p = text; *p; p++)
        if (*p < 0x20 || *p > 0x7e || *p == '"' || *p == '\\')
            return value_wrong(why, "has quotes, backslashes or characters that are not ASCII");
    return 0;
}

int value_user_agent(const char *text, struct value_why *why)
{
    if (text[0] == '\0' || strlen(text) > 256)
        return value_wrong(why, "is empty or longer than 256 characters");
    for (const char *p = text; *p; p++)
        if (*p < 0x20 || *p > 0x7e)
            return value_wrong(why, "has characters that are not ASCII");
    return 0;
}

int value_account(const char *text, struct value_why *why)
{
    size_t n = strlen(text);

    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("_.-", *p))
            n = 0;
    if (n == 0 || n > 32 || text[0] == '-')
        return value_wrong(why, "is no name or number of a user or group");
    return 0;
}
