/* SPDX-License-Identifier: BSD-2-Clause
 *
 * load: a configuration file to a runtime, and where its faults are told. Nothing here changes what
 * runs.
 */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "process/daemon.h"

void find(struct findings *findings, enum log_level level, const char *format, ...)
{
    char line[1024], *all = NULL;
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (findings->to_log)
        log_write(level, "config", "%s", line);
    else
        fprintf(stderr, "%s\n", line);
    if (asprintf(&all, "%s%s%s", findings->lines != NULL ? findings->lines : "",
                 findings->lines != NULL ? "\n" : "", line) < 0)
        return;
    free(findings->lines);
    findings->lines = all;
}

static void find_problems(struct findings *findings, const struct config_problems *problems)
{
    size_t told = 0;

    for (size_t i = 0; i < problems->n; i++) {
        char line[1024];

        config_problem_format(problems, i, line, sizeof(line));
        find(findings, problems->v[i].warning ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, "%s", line);
        told += !problems->v[i].warning;
    }
    if (problems->errors > told)
        find(findings, LOG_LEVEL_ERROR, "%s: error: and %zu more errors", problems->file,
             problems->errors - told);
}

/* Is the DNS part usable? libunbound tells only when a context is made of it. */
static int check_resolver(const struct runtime *runtime, char *why, size_t why_size)
{
    struct resolver *resolver = NULL;
    struct loop loop;
    int r;

    if (loop_init(&loop) != 0) {
        snprintf(why, why_size, "no event loop: %s", strerror(errno));
        return DIVE_E_NOMEM;
    }
    r = resolver_new(&resolver, &loop, &runtime->resolver.resolver, why, why_size);
    resolver_free(&resolver);
    loop_destroy(&loop);
    return r;
}

struct runtime *daemon_load_runtime(const char *file, struct contain *contain,
                                    struct findings *findings)
{
    struct config_problems problems = {0};
    struct config *config = NULL;
    struct runtime *runtime = NULL;
    char why[512] = "";
    int r = config_load(file, &config, &problems);

    find_problems(findings, &problems);
    if (r == 0) {
        r = contain != NULL ? contain_begin(contain, config, why, sizeof(why))
                            : contain_check(config, why, sizeof(why));
        if (r == 0)
            r = runtime_new(&runtime, config, contain != NULL ? contain->keeper : NULL, why,
                            sizeof(why));
        else
            config_unref(&config);
        if (r == 0)
            r = check_resolver(runtime, why, sizeof(why));
        if (r != 0) {
            find(findings, LOG_LEVEL_ERROR, "%s: error: %s", file, why);
            runtime_unref(&runtime);
        }
    } else if (problems.n == 0) {
        find(findings, LOG_LEVEL_ERROR, "%s: error: %s", file, dive_strerror(r));
    }
    config_problems_free(&problems);
    return runtime;
}

int daemon_open_logs(const struct config *config)
{
    log_set_level(config->log.level);
    if (log_open(config->log.access, config->log.error) != 0) {
        log_error("log", "%s, %s: %s", config->log.access != NULL ? config->log.access : "(off)",
                  config->log.error, strerror(errno));
        return -1;
    }
    return 0;
}

unsigned daemon_count_workers(const struct config *config)
{
    cpu_set_t cpus;
    unsigned n = config->workers;

    if (n == 0 && sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
        n = (unsigned)CPU_COUNT(&cpus);
    if (n == 0)
        n = 1;
    return n < DAEMON_WORKERS_MAX ? n : DAEMON_WORKERS_MAX;
}
