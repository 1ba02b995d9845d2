/* SPDX-License-Identifier: BSD-2-Clause
 *
 * file_name: the name under which a download is kept when none was given: the last segment of the
 * URL's path, if that is a name which can do no harm.
 */
#ifndef DIVED_CMD_FILE_NAME_H
#define DIVED_CMD_FILE_NAME_H

#include "lib/error.h"

#define FILE_NAME_MAX 200 /* bytes: room for what is appended while it isn't whole */
#define FILE_NAME_SIZE (FILE_NAME_MAX + 1)

/* `path`: of a URL, without its query, percent-encoded. 0 and the name, decoded. On failure `out`
 * is "": DIVE_E_NOT_FOUND when the path ends in "/", DIVE_E_LIMIT when the name is too long,
 * DIVE_E_SYNTAX when it begins with "." or "-", or has a "/", a control character or bytes that are
 * no UTF-8 once it is decoded. */
int file_name_from_path(struct dive_span path, char out[FILE_NAME_SIZE]) DIVE_MUST_USE;

#endif
