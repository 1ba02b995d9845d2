/* SPDX-License-Identifier: BSD-2-Clause
 *
 * log_sink: where the lines of one log go, for core/log*.c only.
 *
 *      log.c           the calls; lines are put together
 *      log_writer.c    the queue and the thread that empties it
 *      log_sink.c      files, pipes, terminals
 *      log_remote.c    journald and syslog: one datagram (or frame) a line
 */
#ifndef DIVED_CORE_LOG_SINK_H
#define DIVED_CORE_LOG_SINK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "core/log.h"

enum log_stream { LOG_STREAM_ACCESS, LOG_STREAM_ERROR, LOG_STREAMS };

/* One line, newline included; borrowed. */
struct log_line {
    const char *p;
    uint32_t n;
    uint16_t text;  /* of the error log: where area and message begin */
    uint8_t level;  /* enum log_level */
    uint8_t shape;  /* enum log_shape */
    uint8_t stream; /* enum log_stream */
};

enum sink_kind {
    SINK_WRITE = 0, /* a file, or what never waits */
    SINK_POLL,      /* ask first */
    SINK_SEND,      /* standard output is a socket */
    SINK_JOURNALD,
    SINK_SYSLOG,
};

struct log_sink {
    int fd; /* -1: off, or not connected just now */
    enum sink_kind kind;
    bool owned;
    bool torn;      /* the last line lacks its end */
    size_t at_once; /* bytes of one write, if it is more than a line */
    bool framed;    /* syslog over TCP (RFC 6587 section 3.4.1) */
    struct sockaddr_storage address;
    socklen_t address_length;
    int socket_type;
    int64_t retry_ms; /* connecting again, not before */
    char *target;     /* as configured; NULL: off */
    atomic_ulong lost;
    atomic_int why;             /* errno of the last loss */
    unsigned long lost_at_good; /* `lost` when that was said last, and when */
    time_t said_at;
};

/* What `target` means: a path, "-" for the descriptor `standard`, "journald", "syslog:...". NULL:
 * off. Leaves a sink that log_sink_close() undoes; 0, or -1 with errno set. */
int log_sink_open(struct log_sink *out, const char *target, int standard)
    __attribute__((warn_unused_result));
void log_sink_close(struct log_sink *sink);

/* Writes lines in their order. Returns how many it is done with: written, or lost (counted). Fewer
 * than `n`: it would have to wait for the rest; who can't wait says so by `may_wait` false, and
 * then they are lost. With the sink's lock. */
size_t log_sink_write(struct log_sink *sink, const struct log_line *lines, size_t n, bool may_wait);
void log_sink_count_lost(struct log_sink *sink, unsigned long n, int why);

/* ---- log_remote.c ---- */
int log_remote_open(struct log_sink *sink, const char *target) __attribute__((warn_unused_result));
size_t log_remote_write(struct log_sink *sink, const struct log_line *lines, size_t n,
                        bool may_wait);

/* ---- log_writer.c; `sinks` have their locks there ---- */
void log_writer_put(const struct log_line *line);
/* The sink takes what was opened; what it had is left in `opened`. */
void log_writer_swap(enum log_stream stream, struct log_sink *opened);
unsigned long log_writer_lost(enum log_stream stream, int *why);

#endif
