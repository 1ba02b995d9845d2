/* SPDX-License-Identifier: BSD-2-Clause
 *
 * dial_private: what a dial through a parent proxy (dial_parent.c) needs of a dial (dial.c).
 */
#ifndef DIVED_ORIGIN_DIAL_PRIVATE_H
#define DIVED_ORIGIN_DIAL_PRIVATE_H

#include "origin/dial.h"

/* A dial that was just started is one to `parent`, which will be asked for a tunnel to `authority`
 * (NULL: for none). Strings are copied. 0 or DIVE_E_NOMEM, and then the dial is to be cancelled. */
int dial_through(struct dial *dial, const struct dial_through *through,
                 const char *authority) DIVE_MUST_USE;
/* A dial that was just started ends with GUARDED, about `address`; its callback comes as ever. */
void dial_refuse(struct dial *dial, const struct sockaddr_storage *address, socklen_t length,
                 enum guard_reason reason);

#endif
