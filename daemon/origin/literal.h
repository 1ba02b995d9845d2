/* SPDX-License-Identifier: BSD-2-Clause
 *
 * literal: tells a host name from an IP address, and takes no other notation of an address for a
 * name.
 */
#ifndef DIVED_ORIGIN_LITERAL_H
#define DIVED_ORIGIN_LITERAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/error.h"

/* 1: `host` is an address (IPv6 with or without brackets), put into *family and `bytes` (IPv4: the
 * first 4). 0: it is a name. DIVE_E_SYNTAX: neither, such as "127.1", "0x7f000001" or an IPv6 zone.
 */
int literal_parse(const char *host, int *family, uint8_t bytes[16]) DIVE_MUST_USE;
/* The address of `host`, with `port`. False: it isn't an address. */
bool literal_address(const char *host, uint16_t port, struct sockaddr_storage *out);

#endif
