/* SPDX-License-Identifier: BSD-2-Clause
 *
 * log: the error log (levels, one line each) and the sink of the access log. Both are process-wide,
 * thread-safe, written with one write(2) a line, and reopened on SIGUSR1.
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
 * the access log off. 0 or -1 with errno set, and then nothing changed. */
int log_open(const char *access_path, const char *error_path) __attribute__((warn_unused_result));
int log_reopen(void) __attribute__((warn_unused_result));
void log_close(void);

/* One whole line of the access log, newline included. What can't be written (disk full, a pipe
 * without reader) is counted and dropped: a log never stops the service. */
void log_access(const char *line, size_t n);
unsigned long log_lost_lines(void);

#endif
