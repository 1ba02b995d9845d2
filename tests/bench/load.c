/* SPDX-License-Identifier: BSD-2-Clause
 *
 * load: the client of `make bench`. Keep-alive GET requests inside TLS, through CONNECT or straight
 * to a server, or without TLS, on one thread a connection; its own processor time is nobody's
 * concern, but it must be low enough to leave the proxy its core: content that comes without TLS is
 * counted and never copied. wrk and ab speak no CONNECT to an intercepting proxy.
 *
 *     load --to ADDRESS:PORT [--connect] --host NAME --port N --ca FILE --path PATH --size BYTES
 *          [--connections N] [--requests N] [--idle | --endless | --latency] [--clients N]
 *     load --to ADDRESS:PORT --plain [--forward] --host NAME --port N --path PATH --size BYTES ...
 *
 * --forward: the request's target has the absolute form, as a forward proxy expects it.
 * Every response must be a 200 with Content-Length: BYTES and that many bytes: else it says why and
 * ends with 1. With --idle each connection makes its requests and stays open: "ready" is printed,
 * and stdin's end is waited for. --endless: requests never end, "ready" is printed when all
 * connections stand. --latency: prints milliseconds of the 50th, 95th and 99th percentile and of
 * the slowest request, instead of the seconds of all. --clients: the connections come from that
 * many addresses, 127.1.0.1 and on, in turns; without it from one that the system chooses.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 8192
#define READ_SIZE (256 * 1024)
#define STACK_SIZE (128 * 1024)
#define CONNECTIONS_MAX 16384

struct options {
    struct sockaddr_in to;
    const char *host, *port, *ca, *path;
    long long size;
    long connections, requests, clients;
    int connect, idle, plain, forward, endless, latency;
};

struct connection {
    pthread_t thread;
    SSL *ssl; /* NULL: plain */
    int fd;
    double *took; /* --latency: seconds of each request */
};

static struct options options = {.connections = 1, .requests = 1, .size = -1};
static SSL_CTX *context;
static char request[2048];
static int request_length;

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    _exit(1); /* the other threads are in the middle of something */
}

/* Asks for a tunnel. Byte by byte, so that nothing of the TLS behind the head is taken. */
static void ask_tunnel(int fd)
{
    char head[HEAD_MAX + 1];
    size_t n = 0;
    int length = snprintf(head, sizeof(head), "CONNECT %s:%s HTTP/1.1\r\nHost: %s:%s\r\n\r\n",
                          options.host, options.port, options.host, options.port);

    if (write(fd, head, (size_t)length) != length)
        fail("CONNECT can't be sent: %s", strerror(errno));
    while (n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0) {
        if (n == HEAD_MAX || read(fd, head + n, 1) != 1)
            fail("no whole answer to CONNECT");
        n++;
    }
    head[n] = '\0';
    if (strncmp(head, "HTTP/1.1 200", 12) != 0)
        fail("CONNECT was refused: %.60s", head);
}

static void bind_client(int fd, long number)
{
    static const int one = 1;
    struct sockaddr_in from = {.sin_family = AF_INET};

    number %= options.clients;
    from.sin_addr.s_addr = htonl(0x7f010001u + (uint32_t)(number / 250 * 256 + number % 250));
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    if (bind(fd, (const struct sockaddr *)&from, sizeof(from)) != 0)
        fail("can't bind: %s", strerror(errno));
}

static void open_connection(struct connection *connection, long number)
{
    static const int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && options.clients > 0)
        bind_client(fd, number);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&options.to, sizeof(options.to)) != 0)
        fail("can't connect: %s", strerror(errno));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (options.connect)
        ask_tunnel(fd);
    connection->fd = fd;
    if (options.plain)
        return;
    connection->ssl = SSL_new(context);
    if (connection->ssl == NULL || SSL_set_fd(connection->ssl, fd) != 1 ||
        SSL_set_tlsext_host_name(connection->ssl, options.host) != 1 ||
        SSL_set1_host(connection->ssl, options.host) != 1)
        fail("out of memory");
    if (SSL_connect(connection->ssl) != 1)
        fail("the TLS handshake failed: %s", ERR_reason_error_string(ERR_get_error()));
}

static void check_head(char *head)
{
    char *length;

    if (strncmp(head, "HTTP/1.1 200 ", 13) != 0)
        fail("the answer isn't a 200: %.80s", head);
    length = strcasestr(head, "\r\nContent-Length:");
    if (length == NULL || strtoll(length + 17, NULL, 10) != options.size)
        fail("the answer's length isn't %lld", options.size);
}

static int send_request(const struct connection *connection)
{
    if (connection->ssl != NULL)
        return SSL_write(connection->ssl, request, request_length);
    return (int)send(connection->fd, request, (size_t)request_length, 0);
}

static int receive(const struct connection *connection, char *buffer, int n)
{
    if (connection->ssl != NULL)
        return SSL_read(connection->ssl, buffer, n);
    return (int)recv(connection->fd, buffer, (size_t)n, 0);
}

/* Up to `n` bytes of content go nowhere. */
static int discard(const struct connection *connection, char *buffer, int n)
{
    if (connection->ssl != NULL)
        return SSL_read(connection->ssl, buffer, n);
    return (int)recv(connection->fd, NULL, (size_t)n, MSG_TRUNC);
}

/* One request and its whole response. */
static void exchange(const struct connection *connection, char *buffer)
{
    long long left;
    int n, have = 0;
    char *end = NULL;

    if (send_request(connection) != request_length)
        fail("the request can't be sent");
    while (end == NULL) {
        n = receive(connection, buffer + have, HEAD_MAX - have);
        if (n <= 0)
            fail("the connection ended within a head");
        have += n;
        buffer[have] = '\0';
        end = memmem(buffer, (size_t)have, "\r\n\r\n", 4);
        if (end == NULL && have == HEAD_MAX)
            fail("the head is too long");
    }
    end[2] = '\0';
    check_head(buffer);
    left = options.size - (buffer + have - (end + 4));
    while (left > 0) {
        n = discard(connection, buffer, left < READ_SIZE ? (int)left : READ_SIZE);
        if (n <= 0)
            fail("the connection ended within the content, %lld bytes early", left);
        left -= n;
    }
    if (left < 0)
        fail("more than the response came");
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *run(void *arg)
{
    struct connection *connection = arg;
    char *buffer = malloc(READ_SIZE + 1);

    if (buffer == NULL)
        fail("out of memory");
    for (long i = 0; i < options.requests || options.endless; i++) {
        double start = connection->took != NULL ? now() : 0;

        exchange(connection, buffer);
        if (connection->took != NULL)
            connection->took[i] = now() - start;
    }
    free(buffer);
    return NULL;
}

static void wait_idle(void)
{
    char byte;

    puts("ready");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_latency(const struct connection *connections)
{
    size_t each = (size_t)options.requests, n = each * (size_t)options.connections;
    double *all = malloc(n * sizeof(*all));

    if (all == NULL)
        fail("out of memory");
    for (long i = 0; i < options.connections; i++)
        memcpy(all + (size_t)i * each, connections[i].took, each * sizeof(*all));
    qsort(all, n, sizeof(*all), compare);
    printf("%.3f %.3f %.3f %.3f\n", all[n / 2] * 1e3, all[n * 95 / 100] * 1e3,
           all[n * 99 / 100] * 1e3, all[n - 1] * 1e3);
    free(all);
}

static void load(struct connection *connections)
{
    pthread_attr_t attributes;
    char *buffer = malloc(READ_SIZE + 1);
    double start;
    long i;

    if (buffer == NULL)
        fail("out of memory");
    for (i = 0; i < options.connections; i++) {
        if (options.latency) {
            connections[i].took = calloc((size_t)options.requests, sizeof(double));
            if (connections[i].took == NULL)
                fail("out of memory");
        }
        open_connection(&connections[i], i);
        if (options.idle)
            run(&connections[i]);
        else if (options.latency)
            exchange(&connections[i], buffer); /* its deadline is that of an idle connection now */
    }
    free(buffer);
    if (options.idle) {
        wait_idle();
        return;
    }
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    start = now();
    for (i = 0; i < options.connections; i++)
        if (pthread_create(&connections[i].thread, &attributes, run, &connections[i]) != 0)
            fail("can't make a thread");
    if (options.endless) {
        puts("ready");
        fflush(stdout);
    }
    for (i = 0; i < options.connections; i++)
        pthread_join(connections[i].thread, NULL);
    if (options.latency)
        print_latency(connections);
    else
        printf("%.6f\n", now() - start);
}

static void parse_address(const char *text)
{
    char address[64];
    const char *colon = strrchr(text, ':');

    options.to.sin_family = AF_INET;
    if (colon == NULL || (size_t)(colon - text) >= sizeof(address))
        fail("--to takes an IPv4 address and a port");
    snprintf(address, sizeof(address), "%.*s", (int)(colon - text), text);
    options.to.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, address, &options.to.sin_addr) != 1)
        fail("--to takes an IPv4 address and a port");
}

static void parse(int argc, char **argv)
{
    static const struct option table[] = {
        {"to", 1, NULL, 't'},       {"connect", 0, NULL, 'c'},
        {"host", 1, NULL, 'h'},     {"port", 1, NULL, 'p'},
        {"ca", 1, NULL, 'a'},       {"path", 1, NULL, 'u'},
        {"size", 1, NULL, 's'},     {"connections", 1, NULL, 'n'},
        {"requests", 1, NULL, 'r'}, {"idle", 0, NULL, 'i'},
        {"plain", 0, NULL, 'q'},    {"forward", 0, NULL, 'f'},
        {"endless", 0, NULL, 'e'},  {"latency", 0, NULL, 'l'},
        {"clients", 1, NULL, 'd'},  {0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (c) {
        case 't':
            parse_address(optarg);
            break;
        case 'c':
            options.connect = 1;
            break;
        case 'h':
            options.host = optarg;
            break;
        case 'p':
            options.port = optarg;
            break;
        case 'a':
            options.ca = optarg;
            break;
        case 'u':
            options.path = optarg;
            break;
        case 's':
            options.size = atoll(optarg);
            break;
        case 'n':
            options.connections = atol(optarg);
            break;
        case 'r':
            options.requests = atol(optarg);
            break;
        case 'i':
            options.idle = 1;
            break;
        case 'q':
            options.plain = 1;
            break;
        case 'f':
            options.forward = 1;
            break;
        case 'e':
            options.endless = 1;
            break;
        case 'l':
            options.latency = 1;
            break;
        case 'd':
            options.clients = atol(optarg);
            break;
        default:
            exit(2);
        }
    }
    if (options.to.sin_port == 0 || options.host == NULL || options.port == NULL ||
        (options.ca == NULL && !options.plain) || options.path == NULL || options.size < 0 ||
        options.connections < 1 || options.connections > CONNECTIONS_MAX || options.requests < 1 ||
        options.clients < 0 || options.clients > 60000 || (options.endless && options.latency))
        fail("an option is missing or wrong");
}

static void make_request(void)
{
    char origin[512] = "";

    if (options.forward)
        snprintf(origin, sizeof(origin), "http://%s:%s", options.host, options.port);
    request_length =
        snprintf(request, sizeof(request),
                 "GET %s%s HTTP/1.1\r\nHost: %s:%s\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n",
                 origin, options.path, options.host, options.port);
    if (request_length >= (int)sizeof(request))
        fail("--path is too long");
}

int main(int argc, char **argv)
{
    struct connection *connections;

    parse(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    make_request();
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL ||
        (!options.plain && SSL_CTX_load_verify_locations(context, options.ca, NULL) != 1))
        fail("%s can't be used", options.ca);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    connections = calloc((size_t)options.connections, sizeof(*connections));
    if (connections == NULL)
        fail("out of memory");
    load(connections);
    return 0; /* the connections end with the process */
}
