/* SPDX-License-Identifier: BSD-2-Clause
 *
 * rule_index: which rules are worth asking. Each rule stands in one place: below each of its hosts,
 * else below each of its client networks, else in the list of those that are always asked. A
 * question looks at one list a label of the host, one a prefix length in use, and the rest; so it
 * costs the same with a hundred thousand rules as with ten, as long as they name hosts or clients.
 */
#ifndef DIVED_CONFIG_RULE_INDEX_H
#define DIVED_CONFIG_RULE_INDEX_H

#include "config/arena.h"
#include "config/rule.h"

struct rule_index;

/* Of `n` rules, borrowed, in `arena`. False: no memory. */
bool rule_index_new(struct rule_index **out, struct arena *arena, const struct config_rule *rules,
                    size_t n);

/* Calls `visit` for each rule that may fit, until it says false for a list: those of one list come
 * in their order, lists in any. `index` is the rule's. */
typedef bool rule_index_visit(void *arg, size_t index);
void rule_index_walk(const struct rule_index *index, const struct config_subject *subject,
                     rule_index_visit *visit, void *arg);

/* The part of a star glob that is a suffix of all hosts that match ("cdn*.a.example": "a.example");
 * NULL: there is none. */
const char *rule_index_star_suffix(const char *glob);

#endif
