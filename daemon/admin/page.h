/* SPDX-License-Identifier: BSD-2-Clause
 *
 * page: the admin page for browsers: one document with its style and script in it, which asks for
 * /api/status.json and shows that. It changes nothing and holds nothing of its own.
 */
#ifndef DIVED_ADMIN_PAGE_H
#define DIVED_ADMIN_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "http/url.h"

#define PAGE_POLICY 512

/* malloc'd, the caller's; NULL without memory. `policy` is its Content-Security-Policy: the browser
 * takes this script and this style, and connections to where the page came from, and nothing else.
 */
char *page_text(size_t *n, char policy[PAGE_POLICY]);

/* May a browser be answered that asks for this host? A name that somebody else's DNS turned to this
 * address (DNS rebinding) is not ours: addresses, localhost, this machine's name and admin.hosts
 * are. */
bool page_host_is_ours(const struct config *config, const struct http_authority *host);

#endif
