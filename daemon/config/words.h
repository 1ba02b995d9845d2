/* SPDX-License-Identifier: BSD-2-Clause
 *
 * words: the keys of the configuration whose value is one of a few words. One table each yields the
 * enum, the reader's list of accepted words and the reference.
 */
#ifndef DIVED_CONFIG_WORDS_H
#define DIVED_CONFIG_WORDS_H

/* Words of the enumerations. X(identifier, word); the first one is what zeroed memory means: "not
 * said" where a rule may leave it open, else the strictest. */
#define CONFIG_LISTENER_MODES(X) X(EXPLICIT, "explicit") X(TRANSPARENT, "transparent")
#define CONFIG_OTHER_PROTOCOLS(X) X(PASS, "pass") X(CLOSE, "close") /* zero is the default here */
#define CONFIG_NO_SNI(X) X(UNSET, "") X(CLOSE, "close") X(SPLICE, "splice")
#define CONFIG_ECH(X) X(INTERCEPT, "intercept") X(CLOSE, "close") X(SPLICE, "splice")
/* clang-format off */
#define CONFIG_MODES(X)                                                                            \
    X(UNSET, "") X(ENFORCE, "enforce") X(REPORT_ONLY, "report-only") X(OFF, "off")
/* clang-format on */
/* clang-format off */
#define CONFIG_BROWSERS(X)                                                                         \
    X(UNSET, "") X(ENFORCE, "enforce") X(REPORT_ONLY, "report-only") X(EXEMPT, "exempt")
/* clang-format on */
/* Who must say who they are: nobody, or all by any of the ways that are offered. */
#define CONFIG_REQUIRES(X) X(ANY, "any") X(NONE, "none")
/* clang-format off */
#define CONFIG_CLIENT_CERTIFICATES(X)                                                              \
    X(UNSET, "") X(REQUIRED, "required") X(OPTIONAL, "optional") X(NONE, "none")
/* clang-format on */
#define CONFIG_FAILURES(X) X(BLOCK, "block") X(IGNORE, "ignore")
#define CONFIG_UNSUPPORTED(X) X(BLOCK, "block") X(ALLOW, "allow")
#define CONFIG_HTTPS_REQUIRED(X) X(REFUSE, "refuse") X(UPGRADE, "upgrade")
#define CONFIG_OTHER_SUCCESS(X) X(BLOCK, "block") X(PASS, "pass")
#define CONFIG_ERROR_BODIES(X) X(STRIP, "strip") X(PASS, "pass")
#define CONFIG_REPORTS(X) X(OFF, "off") X(LOG, "log") X(SEND, "send")
#define CONFIG_RELEASE(X) X(UNSET, "") X(VERDICT, "verdict") X(TAIL, "tail") X(TRICKLE, "trickle")
#define CONFIG_SCHEMES(X) X(UNSET, "") X(HTTP, "http") X(HTTPS, "https")
#define CONFIG_LOG_FORMATS(X) X(JSON, "json")

/* clang-format off */
#define X(id, word) CONFIG_LISTENER_##id,
enum config_listener_mode { CONFIG_LISTENER_MODES(X) };
#undef X
#define X(id, word) CONFIG_OTHER_##id,
enum config_other_protocols { CONFIG_OTHER_PROTOCOLS(X) };
#undef X
#define X(id, word) CONFIG_NO_SNI_##id,
enum config_no_sni { CONFIG_NO_SNI(X) };
#undef X
#define X(id, word) CONFIG_ECH_##id,
enum config_ech { CONFIG_ECH(X) };
#undef X
#define X(id, word) CONFIG_MODE_##id,
enum config_mode { CONFIG_MODES(X) };
#undef X
#define X(id, word) CONFIG_BROWSERS_##id,
enum config_browsers { CONFIG_BROWSERS(X) };
#undef X
#define X(id, word) CONFIG_REQUIRE_##id,
enum config_require { CONFIG_REQUIRES(X) };
#undef X
#define X(id, word) CONFIG_CLIENT_CERTIFICATE_##id,
enum config_client_certificate { CONFIG_CLIENT_CERTIFICATES(X) };
#undef X
#define X(id, word) CONFIG_FAILURE_##id,
enum config_failure { CONFIG_FAILURES(X) };
#undef X
#define X(id, word) CONFIG_UNSUPPORTED_##id,
enum config_unsupported { CONFIG_UNSUPPORTED(X) };
#undef X
#define X(id, word) CONFIG_HTTPS_REQUIRED_##id,
enum config_https_required { CONFIG_HTTPS_REQUIRED(X) };
#undef X
#define X(id, word) CONFIG_OTHER_SUCCESS_##id,
enum config_other_success { CONFIG_OTHER_SUCCESS(X) };
#undef X
#define X(id, word) CONFIG_ERROR_BODIES_##id,
enum config_error_bodies { CONFIG_ERROR_BODIES(X) };
#undef X
#define X(id, word) CONFIG_REPORTS_##id,
enum config_reports { CONFIG_REPORTS(X) };
#undef X
#define X(id, word) CONFIG_RELEASE_##id,
enum config_release { CONFIG_RELEASE(X) };
#undef X
#define X(id, word) CONFIG_SCHEME_##id,
enum config_scheme { CONFIG_SCHEMES(X) };
#undef X
#define X(id, word) CONFIG_LOG_FORMAT_##id,
enum config_log_format { CONFIG_LOG_FORMATS(X) };
#undef X
/* clang-format on */

/* A boolean that may be left open. */
enum config_switch { CONFIG_SWITCH_UNSET = 0, CONFIG_SWITCH_OFF, CONFIG_SWITCH_ON };

/* Words as the file has them ("report-only"); "" for UNSET. Static storage. */
const char *config_mode_word(enum config_mode mode);
const char *config_browsers_word(enum config_browsers browsers);
const char *config_release_word(enum config_release release);

#endif
