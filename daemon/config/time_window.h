/* SPDX-License-Identifier: BSD-2-Clause
 *
 * time_window: recurring hours of local time, as rules name them.
 *
 * Each question is answered from the wall clock of that moment; there is no timer, so a clock that
 * is set, or a change to summer time, is never missed or done twice.
 */
#ifndef DIVED_CONFIG_TIME_WINDOW_H
#define DIVED_CONFIG_TIME_WINDOW_H

#include "config/value.h"

/* "mon-fri 08:00-18:00", "sat", "22:00-06:00" (into the next day; the day named is the one on which
 * it begins). The end is not within. 0, or DIVE_E_SYNTAX with `why` (value.h). */
int value_window(const char *text, struct config_window *out, struct value_why *why) DIVE_MUST_USE;

/* Is `now` (Unix seconds) within one of them, in the process's time zone (TZ, /etc/localtime)? */
bool time_windows_match(const struct config_windows *windows, int64_t now);

#endif
