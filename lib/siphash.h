/* SPDX-License-Identifier: BSD-2-Clause
 *
 * siphash: SipHash-1-3, the hash of the tables whose keys come from outside. With a random seed
 * nobody can make a chain long on purpose.
 */
#ifndef DIVE_SIPHASH_H
#define DIVE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t dive_siphash(const uint64_t seed[2], const char *name, size_t n);

#endif
