/* SPDX-License-Identifier: BSD-2-Clause
 *
 * dived: start, signals, reload, end. The work is done by the workers (worker/worker.h); this
 * thread waits for signals.
 *
 *   SIGHUP   load the configuration anew; a bad one changes nothing
 *   SIGUSR1  reopen the log files
 *   SIGTERM, SIGINT   drain: stop accepting, finish what runs (timeouts.drain), end; a second one:
 * at once
 */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "admin/admin.h"
#include "client/listener.h"
#include "config/config.h"
#include "core/log.h"
#include "process/contain.h"
#include "worker/state.h"
#include "worker/worker.h"

#define DEFAULT_CONFIG "/etc/dived/dived.yaml"
#define WORKERS_MAX 64

struct daemon {
    const char *config_file;
    struct contain contain;
    struct shared shared;
    struct runtime *runtime;
    struct worker *workers[WORKERS_MAX];
    unsigned worker_count;
    struct admin *admin;
    char *state_directory;       /* NULL: nothing outlives the process */
    bool state_failed;           /* told once */
    pthread_mutex_t state_lock;  /* the admin thread saves too */
    pthread_mutex_t reload_lock; /* SIGHUP and the control socket may both ask for one */
};

static void print_usage(FILE *to)
{
    fprintf(to, "usage: dived [-c FILE] [--check]\n"
                "  -c, --config FILE     configuration (default " DEFAULT_CONFIG ")\n"
                "      --check           check the configuration and exit: 0 good, 78 bad\n"
                "      --config-reference  print all configuration keys, as Markdown\n"
                "      --version         print the version\n"
                "  -h, --help            print this\n"
                "Signals: HUP reload, USR1 reopen logs, TERM drain and end. See dived(8).\n");
}

/* Where findings about a configuration go: standard error at the start, later the log, and to
 * whoever asked for the reload. */
struct findings {
    bool to_log;
    char *lines; /* malloc'd, "\n" between them; NULL: none yet */
};

static void __attribute__((format(printf, 3, 4)))
find(struct findings *findings, enum log_level level, const char *format, ...)
{
    char line[1024], *all = NULL;
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (!findings->to_log) {
        fprintf(stderr, "%s\n", line);
        return;
    }
    log_write(level, "config", "%s", line);
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

/* The configuration and everything made of it. On failure everything was told. `contain` NULL: only
 * a check. */
static struct runtime *load_runtime(const char *file, struct contain *contain,
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

static int open_logs(const struct config *config)
{
    log_set_level(config->log.level);
    if (log_open(config->log.access, config->log.error) != 0) {
        log_error("log", "%s, %s: %s", config->log.access != NULL ? config->log.access : "(off)",
                  config->log.error, strerror(errno));
        return -1;
    }
    return 0;
}

/* Does the running configuration listen there already? */
static bool is_listening(const struct config *old, const struct config_address *address)
{
    for (size_t i = 0; old != NULL && i < old->listeners.n; i++)
        if (old->listeners.v[i].address.len == address->len &&
            memcmp(&old->listeners.v[i].address.addr, &address->addr, address->len) == 0)
            return true;
    return false;
}

/* SO_REUSEPORT would let two daemons share a port without a word: the first socket is made without.
 */
static int bind_first(const struct config_address *address)
{
    int fd = listener_bind(address, false);

    if (fd < 0)
        return -1;
    close(fd);
    return listener_bind(address, true);
}

/* One socket for each worker and listener; -1 where `old` listens already. Row by row. */
static int *bind_listeners(const struct config *config, const struct config *old, unsigned workers,
                           struct findings *findings)
{
    size_t n = config->listeners.n;
    int *sockets = calloc(n * workers + 1, sizeof(*sockets));
    size_t made = 0;

    if (sockets == NULL)
        return NULL;
    for (; made < n * workers; made++) {
        const struct config_address *address = &config->listeners.v[made % n].address;
        bool open = is_listening(old, address);

        if (!open)
            sockets[made] = made < n ? bind_first(address) : listener_bind(address, true);
        else
            sockets[made] = -1;
        if (!open && sockets[made] < 0) {
            find(findings, LOG_LEVEL_ERROR, "cannot listen on %s: %s", address->text,
                 strerror(errno));
            break;
        }
    }
    if (made == n * workers)
        return sockets;
    while (made-- > 0)
        if (sockets[made] >= 0)
            close(sockets[made]);
    free(sockets);
    return NULL;
}

static unsigned count_workers(const struct config *config)
{
    cpu_set_t cpus;
    unsigned n = config->workers;

    if (n == 0 && sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
        n = (unsigned)CPU_COUNT(&cpus);
    if (n == 0)
        n = 1;
    return n < WORKERS_MAX ? n : WORKERS_MAX;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Connections take and give back buffers of 16 KiB all the time: with the C library's defaults each
 * of it grows or trims a heap, by a system call. */
static void keep_heaps(void)
{
    (void)mallopt(M_TOP_PAD, 1024 * 1024);
    (void)mallopt(M_TRIM_THRESHOLD, 8 * 1024 * 1024);
}

/* ---- reload ---- */

static void close_sockets(int *sockets, size_t n)
{
    for (size_t i = 0; sockets != NULL && i < n; i++)
        if (sockets[i] >= 0)
            close(sockets[i]);
    free(sockets);
}

/* What can fail is done before anything changes. 0 or a negative DIVE_E*. */
static int apply_runtime(struct daemon *daemon, struct runtime *runtime, struct findings *findings)
{
    size_t n = runtime->config->listeners.n;
    int *sockets =
        bind_listeners(runtime->config, daemon->runtime->config, daemon->worker_count, findings);
    char why[512];

    if (sockets == NULL)
        return DIVE_E_STATE;
    if (daemon->admin != NULL &&
        admin_reload(daemon->admin, runtime->config, why, sizeof(why)) != 0) {
        find(findings, LOG_LEVEL_ERROR, "%s", why);
        close_sockets(sockets, n * daemon->worker_count);
        return DIVE_E_STATE;
    }
    if (open_logs(runtime->config) != 0)
        find(findings, LOG_LEVEL_ERROR, "the new log files can't be opened; the old ones stay");
    if (count_workers(runtime->config) != daemon->worker_count)
        find(findings, LOG_LEVEL_WARNING, "workers: a new number takes a restart");
    if (!shared_reload(&daemon->shared, runtime->config))
        find(findings, LOG_LEVEL_WARNING,
             "cache: another directory, or a cache where there was "
             "none, takes a restart");
    for (unsigned i = 0; i < daemon->worker_count; i++)
        if (worker_reload(daemon->workers[i], runtime, sockets + i * n, n) != 0)
            find(findings, LOG_LEVEL_ERROR, "out of memory: worker %u keeps the old configuration",
                 i);
    free(sockets);
    return 0;
}

static int daemon_reload(struct daemon *daemon, struct findings *findings)
{
    struct runtime *runtime;
    int r = DIVE_E_SYNTAX;

    pthread_mutex_lock(&daemon->reload_lock);
    runtime = load_runtime(daemon->config_file, &daemon->contain, findings);
    if (runtime != NULL)
        r = apply_runtime(daemon, runtime, findings);
    if (r == 0) {
        runtime_unref(&daemon->runtime);
        daemon->runtime = runtime;
        log_info("config", "%s loaded", daemon->config_file);
    } else {
        runtime_unref(&runtime);
        log_error("config", "%s is not applied: the configuration that runs stays",
                  daemon->config_file);
    }
    pthread_mutex_unlock(&daemon->reload_lock);
    return r;
}

/* ---- what the control socket asks ---- */

static int on_admin_reload(void *arg, char **problems)
{
    struct findings findings = {.to_log = true};
    int r = daemon_reload(arg, &findings);

    *problems = findings.lines;
    return r;
}

static void on_admin_status(void *arg, struct admin_status *out)
{
    struct daemon *daemon = arg;

    pthread_mutex_lock(&daemon->reload_lock);
    out->workers = daemon->worker_count;
    if (daemon->runtime->certificates != NULL)
        snprintf(out->ca_fingerprint, sizeof(out->ca_fingerprint), "%s",
                 tls_ca_fingerprint(certificate_cache_ca(daemon->runtime->certificates)));
    pthread_mutex_unlock(&daemon->reload_lock);
}

/* ---- what outlives the process ---- */

static void load_state(struct daemon *daemon)
{
    const char *directory = daemon->runtime->config->state.directory;
    char why[512] = "";
    int r;

    if (directory == NULL)
        return;
    daemon->state_directory = strdup(directory);
    if (daemon->state_directory == NULL) {
        log_warning("state", "the state is not saved: out of memory");
        return;
    }
    r = state_load(&daemon->shared, directory, time(NULL), why, sizeof(why));
    if (r != 0 && r != DIVE_E_NOT_FOUND)
        log_warning("state", "%s/" STATE_FILE " is ignored: %s", directory, why);
}

static int save_state(struct daemon *daemon)
{
    char why[512] = "";
    int r;

    if (daemon->state_directory == NULL)
        return 0;
    pthread_mutex_lock(&daemon->state_lock);
    r = state_save(&daemon->shared, daemon->state_directory, time(NULL), why, sizeof(why));
    if (r != 0 && !daemon->state_failed)
        log_warning("state", "the state is not saved: %s", why);
    daemon->state_failed = r != 0;
    pthread_mutex_unlock(&daemon->state_lock);
    return r;
}

static int on_admin_save(void *arg)
{
    return save_state(arg);
}

/* ---- life ---- */

static int daemon_start(struct daemon *daemon)
{
    const struct config *config = daemon->runtime->config;
    const struct admin_hooks hooks = {daemon, on_admin_reload, on_admin_status, on_admin_save};
    struct findings findings = {.to_log = true};
    size_t n = config->listeners.n;
    char why[512];
    int *sockets;
    int r = 0;

    daemon->worker_count = count_workers(config);
    sockets = bind_listeners(config, NULL, daemon->worker_count, &findings);
    free(findings.lines);
    if (sockets == NULL)
        return EX_UNAVAILABLE;
    if (contain_enter(&daemon->contain, config, why, sizeof(why)) != 0) {
        log_error("main", "%s", why);
        return EX_OSERR;
    }
    if (shared_init(&daemon->shared, config) != 0) {
        log_error("main", "out of memory");
        return EX_OSERR;
    }
    load_state(daemon);
    if (admin_start(&daemon->admin, daemon->runtime->config, &daemon->shared, &hooks, why,
                    sizeof(why)) != 0) {
        log_error("admin", "%s", why);
        return EX_UNAVAILABLE;
    }
    for (unsigned i = 0; i < daemon->worker_count && r == 0; i++) {
        r = worker_new(&daemon->workers[i], i, &daemon->shared, daemon->runtime, why, sizeof(why));
        if (r == 0)
            r = worker_start(daemon->workers[i], sockets + i * n, n);
        else
            log_error("main", "worker %u: %s", i, why);
    }
    free(sockets);
    return r == 0 ? EX_OK : EX_OSERR;
}

static void daemon_stop(struct daemon *daemon)
{
    admin_stop(&daemon->admin);
    for (unsigned i = 0; i < daemon->worker_count; i++)
        if (daemon->workers[i] != NULL)
            worker_drain(daemon->workers[i]);
    for (unsigned i = 0; i < daemon->worker_count; i++)
        worker_join(&daemon->workers[i]);
    (void)!save_state(daemon);
    free(daemon->state_directory);
    runtime_unref(&daemon->runtime);
    contain_end(&daemon->contain);
    shared_destroy(&daemon->shared);
}

/* An exit code. */
static int daemon_run(struct daemon *daemon, const sigset_t *signals)
{
    time_t saved = time(NULL);

    for (;;) {
        const struct timespec wait = {.tv_sec = STATE_SAVE_SECONDS};
        int number = sigtimedwait(signals, NULL, &wait);
        time_t now = time(NULL);
        struct findings findings = {.to_log = true};

        if (number == SIGHUP) {
            (void)!daemon_reload(daemon, &findings);
            free(findings.lines);
        } else if (number == SIGUSR1) {
            if (log_reopen() != 0)
                log_error("log", "reopening failed: %s", strerror(errno));
        } else if (number == SIGTERM || number == SIGINT) {
            return EX_OK;
        } else if (number == SIGCHLD && contain_is_broken(&daemon->contain)) {
            return EX_SOFTWARE;
        }
        if (now < saved || now - saved >= STATE_SAVE_SECONDS) {
            (void)!save_state(daemon);
            saved = now;
        }
    }
}

static int serve(const char *file)
{
    struct daemon daemon = {.config_file = file,
                            .reload_lock = PTHREAD_MUTEX_INITIALIZER,
                            .state_lock = PTHREAD_MUTEX_INITIALIZER};
    struct findings findings = {0};
    sigset_t signals;
    int r;

    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* the workers inherit it */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a full file is an error of the write that hit it */
    keep_heaps();
    raise_descriptor_limit();
    daemon.runtime = load_runtime(file, &daemon.contain, &findings);
    if (daemon.runtime == NULL)
        return EX_CONFIG;
    if (open_logs(daemon.runtime->config) != 0) {
        runtime_unref(&daemon.runtime);
        contain_end(&daemon.contain);
        return EX_CONFIG;
    }
    r = daemon_start(&daemon);
    if (r == EX_OK) {
        log_info("main", "dived " DIVED_VERSION ": %u workers, %zu listeners, %s",
                 daemon.worker_count, daemon.runtime->config->listeners.n, file);
        r = daemon_run(&daemon, &signals);
        log_info("main", "draining");
    } else {
        /* What runs beside us, and is why we can't, may have saved more since. */
        free(daemon.state_directory);
        daemon.state_directory = NULL;
    }
    /* A second one while draining ends the process at once. */
    sigdelset(&signals, SIGHUP);
    sigdelset(&signals, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    daemon_stop(&daemon);
    log_info("main", "end");
    log_close();
    return r;
}

static int check(const char *file)
{
    struct findings findings = {0};
    struct runtime *runtime = load_runtime(file, NULL, &findings);

    if (runtime == NULL)
        return EX_CONFIG;
    runtime_unref(&runtime);
    printf("%s: ok\n", file);
    return EX_OK;
}

static int print_reference(void)
{
    char *text = config_reference();

    if (text == NULL)
        return EX_OSERR;
    fputs(text, stdout);
    free(text);
    return EX_OK;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'k'},
        {"config-reference", no_argument, NULL, 'r'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *file = DEFAULT_CONFIG;
    bool check_only = false;
    int option;

    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            file = optarg;
            break;
        case 'k':
            check_only = true;
            break;
        case 'r':
            return print_reference();
        case 'v':
            printf("dived " DIVED_VERSION "\n");
            return EX_OK;
        case 'h':
            print_usage(stdout);
            return EX_OK;
        default:
            print_usage(stderr);
            return EX_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "dived: unexpected argument: %s\n", argv[optind]);
        print_usage(stderr);
        return EX_USAGE;
    }
    return check_only ? check(file) : serve(file);
}
