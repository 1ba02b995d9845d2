/* SPDX-License-Identifier: BSD-2-Clause
 *
 * page: the page of the proxy itself. One file, no script, no request to anywhere; its only style
 * is named by hash in the Content-Security-Policy, so that nothing else could be.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "http/html.h"
#include "welcome/welcome.h"

static const char page_style[] =
    ":root{color-scheme:light dark;--line:#d5d8de;--soft:#f3f4f7;--ink:#1b1f27;--dim:#5a6272;"
    "--link:#0b57c2;--page:#fff}"
    "@media(prefers-color-scheme:dark){:root{--line:#373d49;--soft:#1f242d;--ink:#e6e8ee;"
    "--dim:#9aa3b3;--link:#7db0ff;--page:#14171d}}"
    "body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}"
    "main{max-width:52rem;margin:0 auto;padding:2rem 1rem 4rem}"
    "h1{font-size:1.6rem;margin:0 0 .5rem}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}"
    "a{color:var(--link)}p{margin:.5rem 0}.dim{color:var(--dim)}"
    "code,pre{font:.875rem/1.5 ui-monospace,monospace}"
    "pre{background:var(--soft);border:1px solid var(--line);border-radius:6px;padding:.7rem .9rem;"
    "margin:.5rem 0;overflow-x:auto}"
    ".print{overflow-wrap:anywhere;background:var(--soft);border:1px solid var(--line);"
    "border-radius:6px;padding:.6rem .9rem;display:block}"
    ".get a{display:inline-block;border:1px solid var(--link);border-radius:6px;padding:.3rem "
    ".8rem;"
    "margin:.3rem .5rem .3rem 0;text-decoration:none}"
    "dt{font-weight:600;margin-top:1.1rem}dd{margin:0}";

/* Pieces of the page: `@` stands for the proxy's URL, `#` for its host, `!` for its port. */
static const char page_environment[] =
    "<h2>2. Point tools at it</h2>\n"
    "<p>Most read the environment. In a shell:</p>\n"
    "<pre>export http_proxy=@ https_proxy=@\n"
    "export HTTP_PROXY=@ HTTPS_PROXY=@\n"
    "export no_proxy=localhost,127.0.0.1,::1 NO_PROXY=localhost,127.0.0.1,::1</pre>\n"
    "<p class=\"dim\">On the machine that the proxy runs on, <code>divectl env</code> prints all "
    "of "
    "this, <code>divectl run -- COMMAND</code> runs a command with it, and <code>divectl "
    "doctor</code> says why one fails.</p>\n"
    "<p>Browsers: the automatic configuration is at "
    "<a href=\"/proxy.pac\"><code>@/proxy.pac</code></a>.</p>\n";

static const char page_store[] =
    "<h2>3. Let the machine trust it</h2>\n"
    "<dl>\n"
    "<dt>Debian, Ubuntu</dt><dd><pre>sudo cp dived-ca.crt "
    "/usr/local/share/ca-certificates/dived.crt\n"
    "sudo update-ca-certificates</pre></dd>\n"
    "<dt>Fedora, RHEL</dt><dd><pre>sudo cp dived-ca.crt "
    "/etc/pki/ca-trust/source/anchors/dived.crt\n"
    "sudo update-ca-trust</pre></dd>\n"
    "<dt>macOS</dt><dd><pre>sudo security add-trusted-cert -d -r trustRoot \\\n"
    "  -k /Library/Keychains/System.keychain dived-ca.crt</pre></dd>\n"
    "<dt>Windows, as administrator</dt><dd><pre>certutil -addstore Root dived-ca.crt</pre></dd>\n"
    "</dl>\n"
    "<h2>4. Tools with a setting of their own</h2>\n"
    "<p>A file that replaces a tool\xe2\x80\x99s whole set of CAs must hold the public ones too: "
    "on "
    "Debian, once the step above is done, <code>/etc/ssl/certs/ca-certificates.crt</code> "
    "(<code>BUNDLE</code> below) does.</p>\n"
    "<dl>\n"
    "<dt>curl</dt><dd><pre>export CURL_CA_BUNDLE=BUNDLE</pre></dd>\n"
    "<dt>wget</dt><dd><pre>echo ca_certificate=BUNDLE &gt;&gt; ~/.wgetrc</pre></dd>\n"
    "<dt>git</dt><dd><pre>git config --global http.sslCAInfo BUNDLE</pre></dd>\n"
    "<dt>pip</dt><dd><pre>pip config set global.cert BUNDLE\n"
    "pip config set global.timeout 3600</pre></dd>\n"
    "<dt>conda</dt><dd><pre>conda config --set ssl_verify BUNDLE</pre></dd>\n"
    "<dt>npm, yarn, node</dt><dd><pre>export NODE_EXTRA_CA_CERTS=$PWD/dived-ca.crt</pre></dd>\n"
    "<dt>cargo</dt><dd><pre>export CARGO_HTTP_CAINFO=BUNDLE</pre></dd>\n"
    "<dt>go, ruby</dt><dd><pre>export SSL_CERT_FILE=BUNDLE</pre></dd>\n"
    "<dt>Python requests</dt><dd><pre>export REQUESTS_CA_BUNDLE=BUNDLE</pre></dd>\n"
    "<dt>Java</dt><dd><pre>keytool -importcert -cacerts -alias dived -file dived-ca.crt\n"
    "export JAVA_TOOL_OPTIONS=\"-Dhttps.proxyHost=# -Dhttps.proxyPort=!\"</pre></dd>\n";

static const char page_apt[] =
    "<dt>apt, in /etc/apt/apt.conf.d/95dived</dt><dd><pre>Acquire::http::Proxy \"@\";\n"
    "Acquire::https::Proxy \"@\";\n"
    "Acquire::http::Timeout \"3600\"; Acquire::https::Timeout \"3600\";</pre></dd>\n"
    "<dt>docker, in /etc/docker/daemon.json; then restart it</dt><dd><pre>"
    "{\"proxies\": {\"http-proxy\": \"@\", \"https-proxy\": \"@\"}}</pre></dd>\n"
    "</dl>\n";

/* The proxy's URL for `@`; of "host:port", the host for `#` and the port for `!`. */
static int page_piece(struct http_buffer *b, const char *piece,
                      const struct welcome_request *request)
{
    const char *colon = strrchr(request->authority, ':');
    const char *bracket = strchr(request->authority, ']');
    size_t host = colon != NULL && (bracket == NULL || colon > bracket)
                      ? (size_t)(colon - request->authority)
                      : strlen(request->authority);
    char text[300];
    int r = 0;

    while (r == 0 && *piece != '\0') {
        size_t n = strcspn(piece, "@#!");

        r = http_buffer_add(b, piece, n);
        piece += n;
        if (r != 0 || *piece == '\0')
            break;
        if (*piece == '@')
            snprintf(text, sizeof(text), "%s://%s", request->tls ? "https" : "http",
                     request->authority);
        else if (*piece == '#')
            snprintf(text, sizeof(text), "%.*s", (int)host, request->authority);
        else
            snprintf(text, sizeof(text), "%s",
                     request->authority[host] == ':' ? request->authority + host + 1 : "80");
        r = http_html_text(b, text);
        piece++;
    }
    return r;
}

/* CSP Level 3 section 2.3.1: hash-source. */
static int page_policy(char out[], size_t size)
{
    unsigned char digest[EVP_MAX_MD_SIZE], text[EVP_MAX_MD_SIZE * 2];
    unsigned n = 0;

    if (EVP_Digest(page_style, sizeof(page_style) - 1, digest, &n, EVP_sha256(), NULL) != 1)
        return HTTP_E_NOMEM;
    EVP_EncodeBlock(text, digest, (int)n);
    snprintf(out, size,
             "default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'; "
             "frame-ancestors 'none'",
             (const char *)text);
    return 0;
}

static int page_head(struct http_buffer *b, const struct welcome_request *request)
{
    static const char *const what[] = {
        "enforce",
        "It checks the signatures of downloads whose domains publish a DIVE policy, and "
        "blocks what fails.",
        "report-only",
        "It checks the signatures of downloads whose domains publish a DIVE policy, "
        "and reports what fails. It blocks nothing.",
    };
    const char *sentence = "It passes downloads on without checking them.";

    for (size_t i = 0; i < sizeof(what) / sizeof(what[0]); i += 2)
        if (strcmp(request->mode, what[i]) == 0)
            sentence = what[i + 1];
    return http_buffer_addf(b,
                            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                            "<meta name=\"viewport\" content=\"width=device-width\">\n"
                            "<title>dived: a verifying proxy</title>\n<style>%s</style></head>\n"
                            "<body><main>\n<h1>This is a proxy</h1>\n"
                            "<p>dived stands between programs and the web. %s</p>\n",
                            page_style, sentence);
}

static int page_certificate(struct http_buffer *b, const struct welcome_request *request)
{
    if (request->certificate == NULL)
        return page_piece(b,
                          "<h2>1. No certificate is needed</h2>\n<p>This proxy passes TLS through "
                          "unseen.</p>\n",
                          request);
    return http_buffer_addf(
        b,
        "<h2>1. Get its certificate</h2>\n"
        "<p>To see what is signed, the proxy opens TLS with certificates of a CA of its own, which "
        "your programs have to trust.</p>\n"
        "<p class=\"get\"><a href=\"/ca.crt\">dived-ca.crt (PEM)</a>"
        "<a href=\"/ca.der\">dived-ca.der (DER)</a></p>\n"
        "<p>SHA-256 fingerprint:</p>\n<code class=\"print\">%s</code>\n"
        "<p class=\"dim\">This page came over the network: compare the fingerprint with what the "
        "proxy\xe2\x80\x99s administrator tells you (<code>divectl ca show</code>) before you "
        "trust "
        "it. Whoever holds this CA\xe2\x80\x99s key can be any site to you.</p>\n"
        "<pre>openssl x509 -in dived-ca.crt -noout -fingerprint -sha256</pre>\n",
        request->fingerprint);
}

int welcome_page(struct welcome_answer *out, const struct welcome_request *request)
{
    struct http_buffer *b = &out->body;
    int r = page_policy(out->policy, sizeof(out->policy));

    out->content_type = "text/html; charset=utf-8";
    if (r == 0)
        r = page_head(b, request);
    if (r == 0)
        r = page_certificate(b, request);
    if (r == 0)
        r = page_piece(b, page_environment, request);
    if (r == 0 && request->certificate != NULL)
        r = page_piece(b, page_store, request);
    else if (r == 0)
        r = page_piece(b, "<h2>3. Tools with a setting of their own</h2>\n<dl>\n", request);
    if (r == 0)
        r = page_piece(b, page_apt, request);
    if (r == 0)
        r = page_piece(b, "</main></body></html>\n", request);
    return r;
}
