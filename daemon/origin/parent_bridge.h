/* SPDX-License-Identifier: BSD-2-Clause
 *
 * parent_bridge: bytes between TLS towards a parent proxy and a socket pair, whose other end is
 * used as if it were a connection to the origin. It owns both and ends when either does.
 */
#ifndef DIVED_ORIGIN_PARENT_BRIDGE_H
#define DIVED_ORIGIN_PARENT_BRIDGE_H

#include "core/channel.h"
#include "origin/parent_connect.h"

/* Takes over `parent`, malloc'd, with what is in its queues. The end for the user, or -1 (no
 * descriptor or no memory is left), and then `parent` is still the caller's. */
int parent_bridge_start(struct parent_bridges *bridges, struct loop *loop, struct channel *parent);

#endif
