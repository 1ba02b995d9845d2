/* SPDX-License-Identifier: BSD-2-Clause
 *
 * include: the rules of all files, in their order.
 */
#ifndef DIVED_CONFIG_INCLUDE_H
#define DIVED_CONFIG_INCLUDE_H

#include "config/load.h"

/* Reads the files that config.include names and appends their rules to config.rules; gives each
 * rule its place, and the loader its sources. What is wrong is reported with the place in its own
 * file. Nodes go into `nodes`. */
void include_load(struct loader *l, struct arena *nodes);

#endif
