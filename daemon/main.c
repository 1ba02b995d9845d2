/* SPDX-License-Identifier: BSD-2-Clause
 *
 * dived: the command line, and what has to come before any thread. The process around the workers
 * is process/, the work is done by the workers (worker/worker.h).
 *
 *   SIGHUP   load the configuration anew; a bad one changes nothing
 *   SIGUSR1  reopen the log files
 *   SIGUSR2  start the program anew, hand everything over to it, finish what runs
 *   SIGTERM, SIGINT   drain: stop accepting, finish what runs (timeouts.drain), end; a second one:
 *            at once
 */
#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/notify.h"
#include "core/upgrade.h"
#include "process/daemon.h"

#define DEFAULT_CONFIG "/etc/dived/dived.yaml"

static void print_usage(FILE *to)
{
    fprintf(
        to,
        "usage: dived [-c FILE] [--check]\n"
        "  -c, --config FILE     configuration (default " DEFAULT_CONFIG ")\n"
        "      --check           check the configuration and exit: 0 good, 78 bad\n"
        "      --config-reference  print all configuration keys, as Markdown\n"
        "      --version         print the version\n"
        "  -h, --help            print this\n"
        "Signals: HUP reload, USR1 reopen logs, USR2 upgrade, TERM drain and end. See dived(8).\n");
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

/* All signals that daemon_run() waits for; blocked, also in every thread to come. */
static void block_signals(sigset_t *signals)
{
    static const int numbers[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT};

    sigemptyset(signals);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaddset(signals, numbers[i]);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a full file is an error of the write that hit it */
}

/* Up to the point where everything runs. */
static int start(struct daemon *daemon, struct findings *findings)
{
    char why[512];
    int r;

    if (sockets_inherit(&daemon->sockets, why, sizeof(why)) != 0) {
        find(findings, LOG_LEVEL_ERROR, "%s", why);
        return EX_CONFIG;
    }
    daemon->runtime = daemon_load_runtime(daemon->config_file, &daemon->contain, findings);
    if (daemon->runtime == NULL || daemon_open_logs(daemon->runtime->config) != 0)
        return EX_CONFIG;
    findings->to_log = true;
    runtime_defer_frees();
    r = daemon_start(daemon, findings);
    if (r != EX_OK)
        daemon_forget_state(daemon); /* what runs beside us, and is why we can't, may have saved
                                        more since */
    return r;
}

static int serve(const char *file, char **argv)
{
    struct daemon daemon = {.config_file = file,
                            .reload_lock = PTHREAD_MUTEX_INITIALIZER,
                            .state_lock = PTHREAD_MUTEX_INITIALIZER,
                            .main_thread = pthread_self(),
                            .predecessor = upgrade_channel()};
    struct findings findings = {0};
    sigset_t signals;
    bool launcher = upgrade_launcher_start(argv) == 0; /* with the signals and limits of now */
    int r;

    block_signals(&signals);
    keep_heaps();
    raise_descriptor_limit();
    notify_init();
    r = start(&daemon, &findings);
    if (r == EX_OK) {
        log_info("main", "dived " DIVED_VERSION ": %u workers, %zu listeners, %s",
                 daemon.worker_count, daemon.runtime->config->listeners.n, file);
        if (!launcher)
            log_warning("upgrade", "no other process will be able to take over");
        notify_status("running");
        notify_ready();
        daemon_run(&daemon, &signals);
        log_info("main", "draining");
        r = daemon.broken ? EX_SOFTWARE : EX_OK;
    }
    daemon_stop(&daemon, &signals);
    daemon_succeed_failed(&daemon, findings.lines); /* having let go of everything */
    upgrade_launcher_stop();
    log_info("main", "end");
    free(findings.lines);
    log_close();
    if (daemon.shared.left_thread)
        _exit(r);
    return r;
}

static int check(const char *file)
{
    struct findings findings = {0};
    struct runtime *runtime = daemon_load_runtime(file, NULL, &findings);

    free(findings.lines);
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
    return check_only ? check(file) : serve(file, argv);
}
