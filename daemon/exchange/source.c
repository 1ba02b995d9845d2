/* SPDX-License-Identifier: BSD-2-Clause
 *
 * source: see the header.
 */
#include "exchange/source.h"

#include <errno.h>
#include <string.h>

#include "hold/hold_file.h"

uint64_t source_size(const struct source *source)
{
    if (source->object != NULL)
        return object_meta(source->object)->size;
    if (source->hold == NULL)
        return 0;
    return source->shared ? source->published : hold_size(source->hold);
}

void source_peek(const struct source *source, uint64_t offset, const void **ptr, size_t *len)
{
    *ptr = NULL;
    *len = 0;
    if (source->object != NULL)
        object_peek(source->object, offset, ptr, len);
    else if (source->hold != NULL && source->shared)
        hold_shared_peek(source->hold, source->published, offset, ptr, len);
    else if (source->hold != NULL)
        hold_peek(source->hold, offset, ptr, len);
}

void source_file(const struct source *source, uint64_t offset, int *fd, off_t *position,
                 uint64_t *len)
{
    *fd = -1;
    *position = 0;
    *len = 0;
    if (source->object != NULL)
        object_file(source->object, offset, fd, position, len);
    else if (source->hold != NULL && source->shared)
        hold_shared_file(source->hold, source->published, offset, fd, position, len);
    else if (source->hold != NULL)
        hold_file(source->hold, offset, fd, position, len);
}

int source_read(const struct source *source, uint64_t offset, void *to, size_t n)
{
    for (size_t done = 0; done < n;) {
        const void *memory;
        off_t position;
        uint64_t in_file;
        size_t piece;
        int fd, error;

        source_peek(source, offset + done, &memory, &piece);
        if (piece > 0) {
            piece = piece < n - done ? piece : n - done;
            memcpy((char *)to + done, memory, piece);
        } else {
            source_file(source, offset + done, &fd, &position, &in_file);
            piece = in_file < n - done ? (size_t)in_file : n - done;
            if (piece == 0)
                return EIO;
            error = hold_file_read(fd, (char *)to + done, piece, (uint64_t)position);
            if (error != 0)
                return error;
        }
        done += piece;
    }
    return 0;
}

void source_read_done(const struct source *source, uint64_t offset)
{
    if (source->hold != NULL && !source->shared)
        hold_read_done(source->hold, offset);
}
