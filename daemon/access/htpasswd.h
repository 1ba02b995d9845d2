/* SPDX-License-Identifier: BSD-2-Clause
 *
 * htpasswd: users and the hashes of their passwords, from a file as htpasswd(1) writes it: a line
 * `user:hash` each; empty lines and lines that begin with # are passed over. Immutable once read;
 * a reload reads another.
 *
 * Hashes that cost an attacker something: bcrypt, yescrypt and sha512crypt. MD5, SHA-1, DES and
 * plain text are errors, as is a cost that would let one password keep a CPU busy for seconds.
 */
#ifndef DIVED_ACCESS_HTPASSWD_H
#define DIVED_ACCESS_HTPASSWD_H

#include <stdbool.h>

#include "access/text.h"
#include "lib/error.h"

#define HTPASSWD_FILE_MAX (16 * 1024 * 1024) /* bytes */
#define HTPASSWD_USERS_MAX 100000
#define HTPASSWD_HASH_MAX 255 /* bytes of one hash */

struct htpasswd;

/* *out is the caller's. DIVE_E_NOT_FOUND: can't be read, or everybody can write it; DIVE_E_SYNTAX,
 * DIVE_E_LIMIT: what is in it; `why` then has a sentence that begins with file:line and says what
 * to do. No hash or other content of the file is in it. Blocks on the file. */
int htpasswd_load(struct htpasswd **out, const char *path, char *why,
                  size_t why_size) DIVE_MUST_USE;
/* The same for text in memory; `name` stands in messages. */
int htpasswd_parse(struct htpasswd **out, const char *name, const char *text, size_t n, char *why,
                   size_t why_size) DIVE_MUST_USE;
/* NULLs *h; the hashes are overwritten. */
void htpasswd_free(struct htpasswd **h);

size_t htpasswd_count(const struct htpasswd *h);
/* The user's hash, or NULL; borrowed. */
const char *htpasswd_find(const struct htpasswd *h, const char *user);
/* A hash that no password is known for, as costly as the file's costliest: a user who isn't there
 * must take as long as one who is. Borrowed. */
const char *htpasswd_decoy(const struct htpasswd *h);

/* Is it this password's hash? Slow, by design: tens to hundreds of milliseconds. Thread-safe.
 * False too when memory is out. */
bool htpasswd_verify(const char *hash, const char *password);

#endif
