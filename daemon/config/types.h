/* SPDX-License-Identifier: BSD-2-Clause
 *
 * types: plain values of which a configuration is made. Strings and arrays belong to the config
 * and live as long as it does.
 */
#ifndef DIVED_CONFIG_TYPES_H
#define DIVED_CONFIG_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define CONFIG_NAME_MAX 63 /* characters of a listener's name */

/* An address to listen on. `text` is as given and names it in logs and metrics. */
struct config_address {
    const char *text;
    struct sockaddr_storage addr;
    socklen_t len; /* 0: there is none */
};

/* A network in CIDR notation; an IPv4 network also matches its v4-mapped IPv6 addresses. */
struct config_network {
    int family; /* AF_INET, AF_INET6; 0: there is none */
    uint8_t bytes[16];
    unsigned prefix; /* bits */
};

struct config_networks {
    struct config_network *v;
    size_t n;
};

struct config_strings {
    const char **v;
    size_t n;
};

struct config_ports {
    uint16_t *v;
    size_t n;
};

/* Recurring hours of local time: "mon-fri 08:00-18:00". */
struct config_window {
    uint8_t days;  /* set of 1 << tm_wday: those on which it begins */
    uint16_t from; /* minutes after midnight */
    uint16_t to;   /* not after `from`: of the next day */
};

struct config_windows {
    struct config_window *v;
    size_t n;
};

enum config_parent_kind { CONFIG_PARENT_UNSET, CONFIG_PARENT_DIRECT, CONFIG_PARENT_PROXY };

/* A proxy that connections to origins go through. Zeroed memory names none. */
struct config_parent {
    enum config_parent_kind kind; /* DIRECT in rules only */
    bool tls;
    uint16_t port;
    const char *host; /* PROXY: normal form, an IPv6 address without brackets */
    const char *user; /* NULL: none is named */
    const char *name; /* "host:port", for people */
};

#endif
