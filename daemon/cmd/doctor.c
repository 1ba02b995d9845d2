/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl doctor: why a client fails. Looks at the environment that it is started in, as the client
 * would be, and says for each thing that is wrong what to do.
 */
#include "cmd/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const doctor_states[] = {
    [DOCTOR_OK] = "ok",
    [DOCTOR_NOTE] = "note",
    [DOCTOR_WARNING] = "warning",
    [DOCTOR_ERROR] = "error",
};

void doctor_find(struct doctor *d, enum doctor_state state, const char *check, const char *advice,
                 const char *format, ...)
{
    char text[1024], copied[2048];
    va_list args;
    json_t *finding;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (char *c = text; *c != '\0'; c++) /* what others sent needn't be UTF-8 */
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
            *c = '?';
    if (state == DOCTOR_ERROR)
        d->errors++;
    if (advice != NULL)
        advice = command_advice(d->options, advice, copied, sizeof(copied));
    finding = json_pack("{s:s, s:s, s:s, s:s?}", "check", check, "state", doctor_states[state],
                        "text", text, "advice", advice);
    if (finding == NULL || d->findings == NULL ||
        json_array_append_new(d->findings, finding) != 0) {
        json_decref(d->findings);
        d->findings = NULL;
    }
}

void doctor_day(const ASN1_TIME *when, char out[32])
{
    struct tm tm;

    snprintf(out, 32, "-");
    if (ASN1_TIME_to_tm(when, &tm) == 1)
        strftime(out, 32, "%Y-%m-%d", &tm);
}

/* ---- the CA's certificate ---- */

static void doctor_read_ca(struct doctor *d)
{
    struct ca_context ca = {
        .options = d->options, .config = d->config, .certificate = d->certificate};
    char why[1024] = "";

    if (d->certificate == NULL)
        return;
    command_errors_into(why, sizeof(why));
    (void)!ca_read(&ca, &d->ca);
    command_errors_into(NULL, 0);
    if (d->ca == NULL)
        doctor_find(d, DOCTOR_ERROR, "ca",
                    "start dived, which makes it, or name the file with --certificate", "%s", why);
}

static void doctor_ca(struct doctor *d)
{
    char from[32], until[32];
    X509 *served;

    if (d->ca == NULL) {
        if (d->certificate == NULL)
            doctor_find(d, DOCTOR_NOTE, "ca", NULL,
                        "interception is off: TLS isn't opened, and what is inside isn't verified");
        return;
    }
    doctor_day(X509_get0_notBefore(d->ca), from);
    doctor_day(X509_get0_notAfter(d->ca), until);
    if (X509_cmp_current_time(X509_get0_notBefore(d->ca)) > 0)
        doctor_find(d, DOCTOR_ERROR, "ca", "set this machine's clock",
                    "%s is valid from %s on only: is the clock wrong?", d->certificate, from);
    else if (X509_cmp_current_time(X509_get0_notAfter(d->ca)) < 0)
        doctor_find(d, DOCTOR_ERROR, "ca",
                    "remove certificate and key, restart dived, have clients trust the new one",
                    "%s has expired on %s", d->certificate, until);
    else
        doctor_find(d, DOCTOR_OK, "ca", NULL, "%s is valid until %s", d->certificate, until);
    served = d->listens ? doctor_fetch_ca(d) : NULL;
    if (served != NULL && X509_cmp(served, d->ca) != 0)
        doctor_find(d, DOCTOR_ERROR, "ca",
                    "reload or restart dived; if it is another proxy, name its CA with "
                    "--certificate",
                    "the proxy at %s has another CA than %s", d->proxy_text, d->certificate);
    X509_free(served);
}

/* ---- the command ---- */

static void print_findings(const struct doctor *d)
{
    static const char *const marks[] = {"ok     ", "note   ", "warning", "ERROR  "};
    json_t *finding;
    size_t i;

    json_array_foreach(d->findings, i, finding)
    {
        const char *advice = json_string_value(json_object_get(finding, "advice"));
        const char *state = command_string(finding, "state");
        size_t k = 0;

        while (k < DOCTOR_ERROR && strcmp(state, doctor_states[k]) != 0)
            k++;
        printf("%s  %-19s ", marks[k], command_string(finding, "check"));
        command_print_text(command_string(finding, "text"));
        putchar('\n');
        if (advice != NULL)
            printf("                             -> %s\n", advice);
    }
}

static int doctor_report(const struct doctor *d)
{
    json_t *object;
    int r;

    if (d->findings == NULL) {
        command_error("memory ran out");
        return EX_OSERR;
    }
    if (d->options->json) {
        object = json_pack("{s:b, s:s, s:O}", "healthy", d->errors == 0, "proxy", d->proxy_text,
                           "findings", d->findings);
        r = object != NULL ? command_print_json(object) : EX_OSERR;
        json_decref(object);
    } else {
        print_findings(d);
        printf("%s\n", d->errors == 0 ? "Nothing that would make a client fail."
                                      : "Errors first: one often explains the next.");
        r = fflush(stdout) == 0 ? COMMAND_OK : EX_IOERR;
    }
    return r == COMMAND_OK && d->errors > 0 ? COMMAND_NO : r;
}

static void doctor_look(struct doctor *d)
{
    doctor_read_ca(d);
    if (d->local)
        doctor_daemon(d);
    doctor_listener(d);
    doctor_ca(d);
    doctor_env(d);
    doctor_trust(d);
    if (d->local) {
        doctor_dns(d);
        doctor_hold(d);
    }
    doctor_request(d);
}

static int doctor_proxy(struct doctor *d, const char *proxy)
{
    struct env env = {0};

    if (proxy == NULL) {
        if (env_find_proxy(d->config, &env) != 0)
            return EX_CONFIG;
        proxy = env.proxy;
    }
    if (http_url_parse(&d->proxy, dive_span_str(proxy)) != 0) {
        command_error("no URL of a proxy: %s", proxy);
        return COMMAND_USAGE;
    }
    snprintf(d->proxy_text, sizeof(d->proxy_text), "%s", proxy);
    return COMMAND_OK;
}

int command_doctor(const struct command *command, int argc, char **argv)
{
    struct command_options options;
    struct config *config = NULL;
    struct http_url url = {0};
    struct doctor d = {.options = &options};
    const char *certificate = NULL, *proxy = NULL;
    const struct command_option own[] = {
        {"certificate", true, &certificate, NULL, "FILE"},
        {"proxy", true, &proxy, NULL, "URL"},
        {NULL, false, NULL},
    };
    int r = command_parse(command, argc, argv, own, 0, 1, &options);

    if (r != 0)
        return r < 0 ? COMMAND_OK : r;
    if (options.argc > 0 && http_url_parse(&url, dive_span_str(options.argv[0])) != 0) {
        command_error("no http or https URL: %s", options.argv[0]);
        return COMMAND_USAGE;
    }
    d.url = options.argc > 0 ? &url : NULL;
    r = command_config_or_defaults(&options, &config);
    d.config = config;
    d.local = proxy == NULL;
    if (r == COMMAND_OK)
        r = doctor_proxy(&d, proxy);
    if (r == COMMAND_OK) {
        d.certificate = certificate != NULL            ? certificate
                        : config->interception.enabled ? config->interception.ca_certificate
                                                       : NULL;
        d.findings = json_array();
        doctor_look(&d);
        r = doctor_report(&d);
    }
    json_decref(d.findings);
    X509_free(d.ca);
    http_url_clear(&d.proxy);
    http_url_clear(&url);
    config_unref(&config);
    return r;
}
