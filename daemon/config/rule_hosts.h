/* SPDX-License-Identifier: BSD-2-Clause
 *
 * rule_hosts: a hosts-file: one host a line, `example.com`, or with the names below it: `*.` for
 * these alone, `.` for both. `#` begins a comment. However long it is, a question costs one look-up
 * a label of the name.
 */
#ifndef DIVED_CONFIG_RULE_HOSTS_H
#define DIVED_CONFIG_RULE_HOSTS_H

#include "config/load.h"

#define RULE_HOSTS_FILE_MAX (64 * 1024 * 1024) /* bytes */
#define RULE_HOSTS_MAX 2000000                 /* entries */

struct rule_hosts;

/* `file` names it in messages and has to live as long as `problems` is added to. What is wrong is
 * reported, with its line, and gives DIVE_E_SYNTAX. *out lives in `arena`. */
int rule_hosts_parse(struct rule_hosts **out, struct arena *arena, const char *file,
                     const char *text, size_t n, struct config_problems *problems) DIVE_MUST_USE;
bool rule_hosts_match(const struct rule_hosts *hosts, const char *host);
size_t rule_hosts_count(const struct rule_hosts *hosts);

/* Reads the hosts-files of all rules of the configuration; each file once. */
void rule_hosts_load(struct loader *l);

#endif
