/* SPDX-License-Identifier: BSD-2-Clause
 *
 * proven: passwords that were found right a short while ago, so that not every request pays for a
 * slow hash. What is kept is a keyed hash of user, password and the stored hash that it was checked
 * against: a changed or removed entry of the password file is thereby forgotten at once. The key is
 * random and never leaves the process. Thread-safe, bounded.
 */
#ifndef DIVED_ACCESS_PROVEN_H
#define DIVED_ACCESS_PROVEN_H

#include <stdbool.h>

#include "lib/error.h"

#define PROVEN_KEY 32

struct proven;

/* 0, DIVE_E_NOMEM or DIVE_E_INTERNAL (no randomness). */
int proven_new(struct proven **out) DIVE_MUST_USE;
void proven_free(struct proven **proven);

/* What the three are known by. DIVE_E_INTERNAL: `key` is of no use. */
int proven_key(const struct proven *proven, const char *user, const char *password,
               const char *hash, uint8_t key[PROVEN_KEY]) DIVE_MUST_USE;
/* Times in milliseconds, monotonic. */
bool proven_has(struct proven *proven, const uint8_t key[PROVEN_KEY], int64_t now_ms);
void proven_add(struct proven *proven, const uint8_t key[PROVEN_KEY], int64_t until_ms);

#endif
