/* SPDX-License-Identifier: BSD-2-Clause
 *
 * env: the environment in which programs use the proxy and trust its CA.
 *
 *      env.c        the variables, and the files that they name
 *      env_java.c   one of these, for Java
 *      env_print.c  divectl env (and ca env): as text for shells
 *      run.c        divectl run: as a program's own environment
 *      doctor*.c    divectl doctor: what is wrong with the one that is there
 */
#ifndef DIVED_CMD_ENV_H
#define DIVED_CMD_ENV_H

#include "cmd/ca.h"

#define ENV_PATH_SIZE 4096
#define ENV_STORE_PASSWORD "changeit" /* Java's own; it protects nothing */

#define ENV_PATIENCE "3600" /* seconds: hold.timeout as it comes */

struct env {
    char proxy[300];                 /* "http://127.0.0.1:3128" */
    char certificate[ENV_PATH_SIZE]; /* of the CA; "": TLS isn't opened */
    char bundle[ENV_PATH_SIZE];      /* the public CAs and this one */
    char store[ENV_PATH_SIZE];       /* the same for Java, PKCS #12; "" */
    char wgetrc[ENV_PATH_SIZE];      /* "": none was made */
    char java[2 * ENV_PATH_SIZE];    /* JAVA_TOOL_OPTIONS; "" */
};

/* Fills *env and writes the files that it names (what can't be written is left out, and told).
 * `proxy`: its URL, or NULL: the configuration's first explicit listener. `ca->certificate` may be
 * NULL: the proxy opens no TLS. COMMAND_OK, or an exit code that was told. */
int env_make(const struct ca_context *ca, const char *proxy, struct env *env) DIVE_MUST_USE;
/* Only env->proxy, out of the first listener of mode explicit; of one on all addresses, the
 * loopback one. 0, or -1 that was told. */
int env_find_proxy(const struct config *config, struct env *env) DIVE_MUST_USE;

/* The variables, in the order in which they are printed. NULL: this one isn't set. */
size_t env_count(void);
/* How long a user wants to wait stays as it is. */
const char *env_get(const struct env *env, size_t i, const char **name);

/* PEM certificates as a PKCS #12 store of trusted ones, as Java's keytool makes it. malloc'd, the
 * caller's; NULL: can't be made. */
char *env_java_store(const char *pem, size_t n, size_t *len);

/* What `env` and `run` have in common: the options, the configuration, the CA's certificate. */
struct env_options {
    struct command_options options;
    struct config *config; /* config_unref() */
    const char *certificate, *key, *proxy, *shell;
};
/* 0, an exit code that was told, or -1 after --help. `shell`: --shell is an option. */
int env_options_parse(const struct command *command, int argc, char **argv, bool shell,
                      struct env_options *out) DIVE_MUST_USE;
int env_options_make(const struct env_options *options, struct env *env) DIVE_MUST_USE;

/* Prints it for a shell (NULL: sh), or as JSON. The exit code. */
int env_print(const struct env *env, const struct command_options *options, const char *shell_name);

#endif
