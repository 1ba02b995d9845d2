/* SPDX-License-Identifier: BSD-2-Clause
 *
 * log: the error log (levels, one line each) and the sink of the access log. Both are process-wide,
 * thread-safe, and reopened on SIGUSR1. Nobody who logs ever waits for what is written to: see
 * log_start_writer().
 */
#ifndef DIVED_CORE_LOG_H
#define DIVED_CORE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Error log: standard error until log_open() names a file. `area` is the folder: "dns", "tls". */
void log_write(enum log_level level, const char *area, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool log_enabled(enum log_level level);
void log_set_level(enum log_level level);

#define log_error(area, ...) log_write(LOG_LEVEL_ERROR, area, __VA_ARGS__)
#define log_warning(area, ...) log_write(LOG_LEVEL_WARNING, area, __VA_ARGS__)
#define log_info(area, ...) log_write(LOG_LEVEL_INFO, area, __VA_ARGS__)
#define log_debug(area, ...)                                                                       \
    do {                                                                                           \
        if (log_enabled(LOG_LEVEL_DEBUG))                                                          \
            log_write(LOG_LEVEL_DEBUG, area, __VA_ARGS__);                                         \
    } while (0)

/* Paths; "-" is standard output for the access log, standard error for the error log; NULL turns
 * the access log off. Or journald ("journald", "journald:/socket"), or syslog ("syslog",
 * "syslog:/socket", "syslog:udp:ip:port", "syslog:tcp:ip:port"), which needn't be there yet. 0 or
 * -1 with errno set, and then nothing changed. Any thread; calls of the three take turns. */
int log_open(const char *access_path, const char *error_path) __attribute__((warn_unused_result));
int log_reopen(void) __attribute__((warn_unused_result));
void log_close(void);
/* Is it a path, or a journald or syslog target that makes sense? And is it one of the latter? A
 * file of such a name is written with its folder: ./journald. */
bool log_target_is_known(const char *target);
bool log_target_is_remote(const char *target);

/* From now on a thread writes: lines are queued, up to 4 MiB of each log, and written within about
 * 10 ms, many at a time. Once, before other threads log. 0, or -1 with errno set: without it every
 * line is written by who logs it. log_close() ends it. */
int log_start_writer(void) __attribute__((warn_unused_result));
void log_stop_writer(void);
/* Returns when what was logged before is written, or after two seconds. */
void log_flush(void);

/* How an entry of the access log is to be put together: a line of JSON that begins with its "ts",
 * or the fields of journald's native protocol, NAME=value and a newline each. */
enum log_shape { LOG_SHAPE_JSON, LOG_SHAPE_JOURNALD };
enum log_shape log_access_shape(void);

/* One whole entry of the access log in that shape, newline included. What can't be written (disk
 * full, a pipe without reader) is counted and dropped: a log never stops the service. `level`: its
 * weight in syslog. */
void log_access_entry(const char *line, size_t n, enum log_shape shape, enum log_level level);
void log_access(const char *line, size_t n); /* JSON, LOG_LEVEL_INFO */
unsigned long log_lost_lines(void);
/* Says what was lost, once a minute. */
void log_report_losses(void);

#endif
