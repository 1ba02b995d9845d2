/* SPDX-License-Identifier: BSD-2-Clause
 *
 * config: the life of a loaded configuration, from its first reference to its last.
 */
#include "config/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/load.h"

struct config *config_ref(const struct config *cfg)
{
    unsigned before = atomic_fetch_add_explicit(&cfg->private_->refs, 1, memory_order_relaxed);

    assert(before > 0);
    (void)before;
    return (
        struct config *)(uintptr_t)cfg; /* the count is behind a pointer: nothing const changes */
}

void config_unref(struct config **cfg)
{
    struct config *old = *cfg;
    struct arena arena;

    *cfg = NULL;
    if (!old || atomic_fetch_sub_explicit(&old->private_->refs, 1, memory_order_acq_rel) > 1)
        return;
    arena = old->private_->arena; /* it holds what it is read from */
    arena_free(&arena);
    free(old);
}

bool config_is_given(const struct config *cfg, const char *key)
{
    return cfg->private_->given[schema_index(key)];
}

const char *config_mode_word(enum config_mode mode)
{
#define X(id, word) word,
    static const char *const words[] = {CONFIG_MODES(X)};
#undef X

    return words[mode];
}

const char *config_release_word(enum config_release release)
{
#define X(id, word) word,
    static const char *const words[] = {CONFIG_RELEASE(X)};
#undef X

    return words[release];
}

const char *config_browsers_word(enum config_browsers browsers)
{
#define X(id, word) word,
    static const char *const words[] = {CONFIG_BROWSERS(X)};
#undef X

    return words[browsers];
}
