/* SPDX-License-Identifier: BSD-2-Clause
 *
 * page: see page.h. page.html is the body, page.js the script; the build turns them into numbers.
 */
#include "admin/page.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "audit/style.h"

static const char page_body[] = {
#include "daemon/admin/page.html.inc"
    0};

static const char page_script[] = {
#include "daemon/admin/page.js.inc"
    0};

char *page_text(size_t *n, char policy[PAGE_POLICY])
{
    char script[STYLE_SOURCE], style[STYLE_SOURCE];
    char *text = NULL;
    int length;

    *n = 0;
    policy[0] = '\0';
    if (style_csp_source(page_script, strlen(page_script), script) != 0 ||
        style_csp_source(style_sheet, strlen(style_sheet), style) != 0)
        return NULL;
    snprintf(policy, PAGE_POLICY,
             "default-src 'none'; script-src %s; style-src %s; connect-src 'self'; "
             "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
             script, style);
    length = asprintf(&text,
                      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                      "<title>dived</title>\n<style>%s</style></head>\n<body>\n%s"
                      "<script>%s</script>\n</body></html>\n",
                      style_sheet, page_body, page_script);
    if (length < 0)
        return NULL;
    *n = (size_t)length;
    return text;
}

bool page_host_is_ours(const struct config *config, const struct http_authority *host)
{
    char name[HTTP_HOST_MAX];

    if (host->kind != HTTP_HOST_NAME || strcmp(host->host, "localhost") == 0)
        return true;
    if (gethostname(name, sizeof(name)) == 0) {
        name[sizeof(name) - 1] = '\0';
        if (strcasecmp(name, host->host) == 0)
            return true;
    }
    return config_hosts_match(&config->admin.hosts, host->host);
}
